//! The server's pushes, its event log and its hot chats, from its metrics.

use serde::{Deserialize, Serialize};

/// What the server said of its pushes at one moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushSample {
    /// Members connected now.
    pub members: Option<u64>,
    /// Pushes written.
    pub sent: u64,
    /// Pushes dropped by throttling.
    pub dropped: u64,
    /// Pushes that a newer one replaced.
    pub coalesced: u64,
    /// Pushes that made up for dropped ones.
    pub trailing: u64,
    /// Members disconnected because they stayed behind.
    pub disconnected_behind: u64,
    /// Records that the publish role is behind, summed over partitions.
    pub lag_records: Option<u64>,
    /// Age of the oldest record not yet consumed.
    pub lag_s: Option<f64>,
    /// Records refused by full partitions.
    pub bus_refused: u64,
    /// Marks set.
    pub marks_set: u64,
    /// Marks that ran out.
    pub marks_expired: u64,
    /// Chats marked hot now.
    pub hot_chats: Option<u64>,
    /// Detections, and the sum of their delays.
    pub detections: u64,
    /// Seconds.
    pub detection_delay_s: f64,
    /// Calls of Redis that failed.
    pub redis_errors: u64,
    /// Revision of the settings in force.
    pub settings_revision: Option<u64>,
}

impl PushSample {
    /// Takes in one series of the server's metrics, if it is about pushes.
    pub(super) fn take(&mut self, name: &str, labels: &str, value: f64) {
        let count = value as u64;
        let is = |label: &str| labels.contains(label);
        match name {
            "hotchat_push_members" => self.members = Some(count),
            "hotchat_pushes_total" if is("\"sent\"") => self.sent = count,
            "hotchat_pushes_total" if is("\"dropped\"") => self.dropped = count,
            "hotchat_pushes_total" if is("\"coalesced\"") => self.coalesced = count,
            "hotchat_trailing_pushes_total" => self.trailing = count,
            "hotchat_push_disconnects_total" if is("\"behind\"") => self.disconnected_behind = count,
            "hotchat_bus_lag_records" => *self.lag_records.get_or_insert(0) += count,
            "hotchat_bus_lag_seconds" => self.lag_s = Some(self.lag_s.map_or(value, |lag_s| lag_s.max(value))),
            "hotchat_bus_refused_total" => self.bus_refused += count,
            "hotchat_hot_marks_total" if is("\"set\"") => self.marks_set = count,
            "hotchat_hot_marks_total" if is("\"expired\"") => self.marks_expired = count,
            "hotchat_hot_chats" => self.hot_chats = Some(count),
            "hotchat_hot_detection_delay_seconds_count" => self.detections = count,
            "hotchat_hot_detection_delay_seconds_sum" => self.detection_delay_s = value,
            "hotchat_redis_errors_total" => self.redis_errors = count,
            "hotchat_settings_revision" => self.settings_revision = Some(count),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_summed_and_their_oldest_record_counts() {
        let mut sample = PushSample::default();
        for (name, labels, value) in [
            ("hotchat_pushes_total", "outcome=\"sent\"}", 10.0),
            ("hotchat_pushes_total", "outcome=\"dropped\"}", 90.0),
            ("hotchat_bus_lag_records", "partition=\"0\"}", 3.0),
            ("hotchat_bus_lag_records", "partition=\"1\"}", 4.0),
            ("hotchat_bus_lag_seconds", "partition=\"0\"}", 0.5),
            ("hotchat_bus_lag_seconds", "partition=\"1\"}", 0.25),
            ("hotchat_hot_detection_delay_seconds_count", "", 2.0),
            ("hotchat_hot_detection_delay_seconds_sum", "", 0.5),
        ] {
            sample.take(name, labels, value);
        }
        let expected = PushSample {
            sent: 10,
            dropped: 90,
            lag_records: Some(7),
            lag_s: Some(0.5),
            detections: 2,
            detection_delay_s: 0.5,
            ..PushSample::default()
        };
        assert_eq!(sample, expected);
    }
}
