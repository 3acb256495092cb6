//! Connections to one database as it counts them itself, by phase and by second.

use super::axis::{Axis, Count};
use super::growth::{Reading, grown_count};
use super::phases::Phases;
use crate::observe::{Dials, ShardCounters};
use crate::record::{DatabaseConnections, SideAxis};

/// What one database said of its connections, folded as it comes.
#[derive(Debug)]
pub(super) struct DialsFold {
    totals: Vec<DialTotals>,
    axis: Axis,
    last: Option<Reading<ShardCounters>>,
}

#[derive(Debug, Clone, Default)]
struct DialTotals {
    is_observed: bool,
    opened: f64,
    failed: f64,
    refused: f64,
    requests: f64,
    open_end: Option<u64>,
}

impl DialsFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![DialTotals::default(); phases],
            axis: Axis::default(),
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, now: &ShardCounters) {
        let Some(dials) = now.dials else { return };
        self.axis.look(at_s, Some(now.threads_connected));
        if let Some(phase) = phases.at(at_s) {
            self.totals[phase].open_end = Some(now.threads_connected);
        }
        let Some(before) = self.last.replace(Reading { at_s, value: *now }) else {
            return;
        };
        let before_dials = before.value.dials.unwrap_or_default();
        let by = Grown::between((&before_dials, before.value.statements), (&dials, now.statements));
        for overlap in phases.overlaps(before.at_s, at_s) {
            self.totals[overlap.phase].add(&by, overlap.part);
        }
        for (count, by) in [
            (Count::Opened, by.opened),
            (Count::Failed, by.failed),
            (Count::Refused, by.refused),
            (Count::Requests, by.requests),
        ] {
            self.axis.grow(before.at_s, at_s, count, by);
        }
    }

    fn connections(&self, phase: usize) -> Option<DatabaseConnections> {
        let totals = Some(&self.totals[phase]).filter(|totals| totals.is_observed)?;
        Some(DatabaseConnections {
            opened: totals.opened.round() as u64,
            failed: totals.failed.round() as u64,
            refused: totals.refused.round() as u64,
            open_end: totals.open_end,
            requests: totals.requests.round() as u64,
        })
    }
}

/// How much the counters grew between two readings.
struct Grown {
    opened: f64,
    failed: f64,
    refused: f64,
    requests: f64,
}

impl Grown {
    fn between(before: (&Dials, u64), after: (&Dials, u64)) -> Self {
        Self {
            opened: grown_count(before.0.opened, after.0.opened),
            failed: grown_count(before.0.failed, after.0.failed),
            refused: grown_count(before.0.refused, after.0.refused),
            requests: grown_count(before.1, after.1),
        }
    }
}

impl DialTotals {
    fn add(&mut self, by: &Grown, part: f64) {
        self.is_observed = true;
        self.opened += by.opened * part;
        self.failed += by.failed * part;
        self.refused += by.refused * part;
        self.requests += by.requests * part;
    }
}

/// The sum over the databases; `None` where there is none, or where one of them was not seen.
pub(super) fn connections(folds: &[DialsFold], phase: usize) -> Option<DatabaseConnections> {
    let each = folds.iter().map(|fold| fold.connections(phase));
    let each: Vec<DatabaseConnections> = each.collect::<Option<_>>()?;
    each.into_iter().reduce(|mut sum, one| {
        sum.opened += one.opened;
        sum.failed += one.failed;
        sum.refused += one.refused;
        sum.open_end = sum.open_end.zip(one.open_end).map(|(sum, one)| sum + one);
        sum.requests += one.requests;
        sum
    })
}

/// The same, second by second.
pub(super) fn axis(folds: &[DialsFold]) -> Option<SideAxis> {
    let seen = folds.iter().all(|fold| fold.last.is_some());
    let sides = folds.iter().filter(|_| seen).map(|fold| fold.axis.side());
    sides.reduce(|mut sum, one| {
        for (sum, one) in [
            (&mut sum.opened, one.opened),
            (&mut sum.failed, one.failed),
            (&mut sum.refused, one.refused),
            (&mut sum.requests, one.requests),
        ] {
            let length = sum.len().max(one.len());
            sum.resize(length, 0);
            sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
        }
        // A second in which one of them was not looked at has no sum.
        sum.open_max.truncate(one.open_max.len());
        for (sum, one) in sum.open_max.iter_mut().zip(one.open_max) {
            *sum = sum.zip(one).map(|(sum, one)| sum + one);
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(n: u64, open: u64) -> ShardCounters {
        ShardCounters {
            statements: 100 * n,
            threads_connected: open,
            dials: Some(Dials {
                opened: 5 * n,
                failed: 2 * n,
                refused: n,
            }),
            ..ShardCounters::default()
        }
    }

    fn folded(seconds: u32) -> DialsFold {
        let phases = Phases::new(&[(0.0, 2.0), (2.0, 9.0)]);
        let mut fold = DialsFold::new(phases.len());
        for n in 0..=seconds {
            fold.take(&phases, f64::from(n), &counters(n.into(), 3 + u64::from(n)));
        }
        fold
    }

    #[test]
    fn databases_are_summed_where_all_of_them_were_seen() {
        let sum = connections(&[folded(2), folded(3)], 0).unwrap();
        let expected = DatabaseConnections {
            opened: 20,
            failed: 8,
            refused: 4,
            open_end: Some(8),
            requests: 400,
        };
        assert_eq!(sum, expected);
        assert_eq!(connections(&[folded(2), folded(3)], 1), None, "one was not seen there");
        assert_eq!(connections(&[], 0), None);
        let axis = axis(&[folded(2), folded(3)]).unwrap();
        assert_eq!((axis.opened, axis.refused), (vec![10, 10, 5], vec![2, 2, 1]));
        assert_eq!(axis.open_max, [Some(6), Some(8), Some(10)]);
    }

    #[test]
    fn a_database_that_does_not_count_them_has_none() {
        let phases = Phases::new(&[(0.0, 2.0)]);
        let mut fold = DialsFold::new(1);
        for at_s in [0.0, 1.0] {
            fold.take(&phases, at_s, &ShardCounters::default());
        }
        assert_eq!(connections(std::slice::from_ref(&fold), 0), None);
        assert_eq!(axis(&[fold]), None);
    }
}
