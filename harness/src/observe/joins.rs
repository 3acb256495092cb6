//! The server's throttle of joins, from its metrics.

use serde::{Deserialize, Serialize};

/// What the server said of its throttle at one moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    pub lag_s: Option<f64>,
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
            ("hotchat_join_throttle_lag_seconds", _) => self.lag_s = Some(value),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_throttle_decided_is_read_and_other_series_are_left() {
        let mut sample = JoinSample::default();
        let decisions = "hotchat_join_throttle_decisions_total";
        for (name, labels, value) in [
            (decisions, "decision=\"admitted\"}", 10.0),
            (decisions, "decision=\"refused\"}", 90.0),
            (decisions, "decision=\"open\"}", 4.0),
            (decisions, "decision=\"closed\"}", 2.0),
            ("hotchat_join_throttle_redis_calls_total", "", 100.0),
            ("hotchat_join_throttle_lag_seconds", "", 1.5),
        ] {
            assert!(sample.take(name, labels, value), "{name} {labels}");
        }
        assert!(!sample.take("hotchat_pushes_total", "outcome=\"sent\"}", 1.0));
        let expected = JoinSample {
            admitted: 10,
            refused: 90,
            open: 4,
            closed: 2,
            redis_calls: 100,
            lag_s: Some(1.5),
        };
        assert_eq!(sample, expected);
    }
}
