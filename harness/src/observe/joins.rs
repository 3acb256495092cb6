//! The server's throttle of joins: read from its metrics, folded into phases.

use serde::Serialize;

use super::fold::grown_count;
use crate::record::JoinSide;

/// What the server said of its throttle at one moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct JoinSample {
    /// Joins under the limit.
    pub admitted: u64,
    /// Joins over it.
    pub refused: u64,
    /// Joins admitted because nobody could tell.
    pub open: u64,
    /// Joins refused because nobody could tell.
    pub closed: u64,
    /// Commands to Redis.
    pub redis_calls: u64,
    /// Age of the oldest record that a throttle that follows the bus has not counted.
    pub lag_s: f64,
}

impl JoinSample {
    /// Takes in one series of the server's metrics, if it is about the throttle; whether it is.
    pub(super) fn take(&mut self, name: &str, labels: &str, value: f64) -> bool {
        let count = value as u64;
        match (name, labels.split('"').nth(1)) {
            ("hotchat_join_throttle_decisions_total", Some("admitted")) => self.admitted = count,
            ("hotchat_join_throttle_decisions_total", Some("refused")) => self.refused = count,
            ("hotchat_join_throttle_decisions_total", Some("open")) => self.open = count,
            ("hotchat_join_throttle_decisions_total", Some("closed")) => self.closed = count,
            ("hotchat_join_throttle_redis_calls_total", _) => self.redis_calls = count,
            ("hotchat_join_throttle_lag_seconds", _) => self.lag_s = value,
            _ => return false,
        }
        true
    }
}

/// The same, of one phase.
#[derive(Debug, Clone, Default)]
pub(super) struct JoinTotals {
    admitted: f64,
    refused: f64,
    open: f64,
    closed: f64,
    redis_calls: f64,
    lag_s_max: f64,
}

impl JoinTotals {
    pub(super) fn gauges(&mut self, now: &JoinSample) {
        self.lag_s_max = self.lag_s_max.max(now.lag_s);
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
        let (before, mut after) = (JoinSample::default(), JoinSample::default());
        let decisions = "hotchat_join_throttle_decisions_total";
        for (name, labels, value) in [
            (decisions, "decision=\"admitted\"}", 10.0),
            (decisions, "decision=\"refused\"}", 90.0),
            (decisions, "decision=\"open\"}", 4.0),
            (decisions, "decision=\"closed\"}", 2.0),
            ("hotchat_join_throttle_redis_calls_total", "", 100.0),
            ("hotchat_join_throttle_lag_seconds", "", 1.5),
        ] {
            assert!(after.take(name, labels, value), "{name} {labels}");
        }
        assert!(!after.take("hotchat_pushes_total", "outcome=\"sent\"}", 1.0));
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
            lag_s_max: 1.5,
        };
        assert_eq!(totals.side(), Some(expected));
    }
}
