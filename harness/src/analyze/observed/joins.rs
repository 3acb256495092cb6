//! The server's throttle of joins, by phase.

use super::growth::{grown_count, raise};
use crate::observe::JoinSample;
use crate::record::JoinSide;

/// What the throttle said, of one phase.
#[derive(Debug, Clone, Default)]
pub(super) struct JoinTotals {
    admitted: f64,
    refused: f64,
    open: f64,
    closed: f64,
    redis_calls: f64,
    lag_s_max: Option<f64>,
}

impl JoinTotals {
    pub(super) fn gauges(&mut self, now: &JoinSample) {
        raise(&mut self.lag_s_max, now.lag_s);
    }

    pub(super) fn counters(&mut self, before: &JoinSample, after: &JoinSample, part: f64) {
        let counters: [(&mut f64, u64, u64); 5] = [
            (&mut self.admitted, before.admitted, after.admitted),
            (&mut self.refused, before.refused, after.refused),
            (&mut self.open, before.open, after.open),
            (&mut self.closed, before.closed, after.closed),
            (&mut self.redis_calls, before.redis_calls, after.redis_calls),
        ];
        for (total, before, after) in counters {
            *total += grown_count(before, after) * part;
        }
    }

    /// `None` where the throttle was not asked anything.
    pub(super) fn side(&self) -> Option<JoinSide> {
        let side = JoinSide {
            admitted: self.admitted.round() as u64,
            refused: self.refused.round() as u64,
            open: self.open.round() as u64,
            closed: self.closed.round() as u64,
            redis_calls: self.redis_calls.round() as u64,
            lag_s_max: self.lag_s_max,
        };
        (side.admitted + side.refused + side.open + side.closed > 0).then_some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_throttle_decided_is_counted_by_phase() {
        let before = JoinSample::default();
        let after = JoinSample {
            admitted: 10,
            refused: 90,
            open: 4,
            closed: 2,
            redis_calls: 100,
            lag_s: Some(1.5),
        };
        let mut totals = JoinTotals::default();
        assert_eq!(totals.side(), None);
        totals.gauges(&after);
        totals.gauges(&before);
        totals.counters(&before, &after, 0.5);
        let expected = JoinSide {
            admitted: 5,
            refused: 45,
            open: 2,
            closed: 1,
            redis_calls: 50,
            lag_s_max: Some(1.5),
        };
        assert_eq!(totals.side(), Some(expected));
    }
}
