//! Connections of one side by second of the cell.
//!
//! What a counter grew between two readings is shared out among the seconds of the stretch, by time; a gauge belongs to
//! the second of its reading.

use super::growth::raise;
use crate::record::SideAxis;

/// Seconds that are kept: a week and a day, more than any cell lasts.
const SECONDS_MAX: usize = 8 * 86_400;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Opened,
    Failed,
    Refused,
    Requests,
}

/// One side's connections, second by second.
#[derive(Debug, Clone, Default)]
pub(super) struct Axis {
    /// By [`Count`]; a count that nobody gives stays empty.
    grown: [Vec<f64>; 4],
    open_max: Vec<Option<u64>>,
}

impl Axis {
    /// Shares `by` out among the seconds from one reading to the next.
    pub(super) fn grow(&mut self, from_s: f64, to_s: f64, count: Count, by: f64) {
        let seconds = &mut self.grown[count as usize];
        let (first, end) = (
            from_s.max(0.0) as usize,
            (to_s.max(0.0).ceil() as usize).min(SECONDS_MAX),
        );
        if to_s <= from_s || first >= end {
            return;
        }
        if seconds.len() < end {
            seconds.resize(end, 0.0);
        }
        for (second, total) in seconds.iter_mut().enumerate().skip(first) {
            let (start, stop) = ((second as f64).max(from_s), ((second + 1) as f64).min(to_s));
            *total += by * (stop - start).max(0.0) / (to_s - from_s);
        }
    }

    /// So many were open at one moment.
    pub(super) fn look(&mut self, at_s: f64, open: Option<u64>) {
        let second = at_s.max(0.0) as usize;
        if open.is_none() || second >= SECONDS_MAX {
            return;
        }
        if self.open_max.len() <= second {
            self.open_max.resize(second + 1, None);
        }
        raise(&mut self.open_max[second], open);
    }

    pub(super) fn side(&self) -> SideAxis {
        let of = |count: Count| {
            let seconds = self.grown[count as usize].iter();
            seconds.map(|total| total.round() as u64).collect()
        };
        SideAxis {
            opened: of(Count::Opened),
            failed: of(Count::Failed),
            refused: of(Count::Refused),
            requests: of(Count::Requests),
            open_max: self.open_max.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn growth_is_shared_out_by_time_and_a_second_keeps_its_highest_reading() {
        let mut axis = Axis::default();
        axis.grow(0.5, 2.5, Count::Opened, 8.0);
        axis.grow(2.5, 3.0, Count::Opened, 5.0);
        axis.grow(3.0, 3.0, Count::Failed, 7.0);
        for (at_s, open) in [(0.5, Some(3)), (2.5, Some(9)), (2.9, Some(4)), (3.5, None)] {
            axis.look(at_s, open);
        }
        let expected = SideAxis {
            opened: vec![2, 4, 7],
            open_max: vec![Some(3), None, Some(9)],
            ..SideAxis::default()
        };
        assert_eq!(axis.side(), expected);
    }

    #[test]
    fn a_time_that_no_cell_has_takes_no_memory() {
        let mut axis = Axis::default();
        axis.grow(1e12, 1e12 + 1.0, Count::Opened, 8.0);
        axis.look(1e12, Some(3));
        assert_eq!(axis.side(), SideAxis::default());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_among_the_seconds(stretches in prop::collection::vec((0.0..3.0f64, 0u32..100), 1..20)) {
            let mut axis = Axis::default();
            let (mut at_s, mut sum) = (0.0, 0.0);
            for (length_s, by) in stretches.into_iter().filter(|(length_s, _)| *length_s > 0.0) {
                axis.grow(at_s, at_s + length_s, Count::Requests, f64::from(by));
                (at_s, sum) = (at_s + length_s, sum + f64::from(by));
            }
            let shared: f64 = axis.grown[Count::Requests as usize].iter().sum();
            prop_assert!((shared - sum).abs() < 1e-6, "{shared} of {sum}");
        }
    }
}
