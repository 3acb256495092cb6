//! The server's pushes, its event log and its hot chats: read from its metrics, folded into phases.

use serde::Serialize;

use super::fold::{grown, grown_count};
use crate::record::PushSide;

/// What the server said of its pushes at one moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PushSample {
    /// Members connected now.
    pub members: u64,
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
    pub lag_records: u64,
    /// Age of the oldest record not yet consumed.
    pub lag_s: f64,
    /// Records refused by full partitions.
    pub bus_refused: u64,
    /// Marks set.
    pub marks_set: u64,
    /// Marks that ran out.
    pub marks_expired: u64,
    /// Chats marked hot now.
    pub hot_chats: u64,
    /// Detections, and the sum of their delays.
    pub detections: u64,
    /// Seconds.
    pub detection_delay_s: f64,
    /// Calls of Redis that failed.
    pub redis_errors: u64,
    /// Revision of the settings in force.
    pub settings_revision: u64,
}

impl PushSample {
    /// Takes in one series of the server's metrics, if it is about pushes.
    pub(super) fn take(&mut self, name: &str, labels: &str, value: f64) {
        let count = value as u64;
        let is = |label: &str| labels.contains(label);
        match name {
            "hotchat_push_members" => self.members = count,
            "hotchat_pushes_total" if is("\"sent\"") => self.sent = count,
            "hotchat_pushes_total" if is("\"dropped\"") => self.dropped = count,
            "hotchat_pushes_total" if is("\"coalesced\"") => self.coalesced = count,
            "hotchat_trailing_pushes_total" => self.trailing = count,
            "hotchat_push_disconnects_total" if is("\"behind\"") => self.disconnected_behind = count,
            "hotchat_bus_lag_records" => self.lag_records += count,
            "hotchat_bus_lag_seconds" => self.lag_s = self.lag_s.max(value),
            "hotchat_bus_refused_total" => self.bus_refused += count,
            "hotchat_hot_marks_total" if is("\"set\"") => self.marks_set = count,
            "hotchat_hot_marks_total" if is("\"expired\"") => self.marks_expired = count,
            "hotchat_hot_chats" => self.hot_chats = count,
            "hotchat_hot_detection_delay_seconds_count" => self.detections = count,
            "hotchat_hot_detection_delay_seconds_sum" => self.detection_delay_s = value,
            "hotchat_redis_errors_total" => self.redis_errors = count,
            "hotchat_settings_revision" => self.settings_revision = count,
            _ => {}
        }
    }
}

/// The same, of one phase.
#[derive(Debug, Clone, Default)]
pub(super) struct PushTotals {
    sent: f64,
    dropped: f64,
    coalesced: f64,
    trailing: f64,
    disconnected_behind: f64,
    bus_refused: f64,
    marks_set: f64,
    marks_expired: f64,
    detections: f64,
    detection_delay_s: f64,
    redis_errors: f64,
    lag_records_max: u64,
    lag_s_max: f64,
    hot_chats_max: u64,
}

impl PushTotals {
    pub(super) fn gauges(&mut self, now: &PushSample) {
        self.lag_records_max = self.lag_records_max.max(now.lag_records);
        self.lag_s_max = self.lag_s_max.max(now.lag_s);
        self.hot_chats_max = self.hot_chats_max.max(now.hot_chats);
    }

    pub(super) fn counters(&mut self, before: &PushSample, after: &PushSample, part: f64) {
        let counters: [(&mut f64, u64, u64); 10] = [
            (&mut self.sent, before.sent, after.sent),
            (&mut self.dropped, before.dropped, after.dropped),
            (&mut self.coalesced, before.coalesced, after.coalesced),
            (&mut self.trailing, before.trailing, after.trailing),
            (
                &mut self.disconnected_behind,
                before.disconnected_behind,
                after.disconnected_behind,
            ),
            (&mut self.bus_refused, before.bus_refused, after.bus_refused),
            (&mut self.marks_set, before.marks_set, after.marks_set),
            (&mut self.marks_expired, before.marks_expired, after.marks_expired),
            (&mut self.detections, before.detections, after.detections),
            (&mut self.redis_errors, before.redis_errors, after.redis_errors),
        ];
        for (total, before, after) in counters {
            *total += grown_count(before, after) * part;
        }
        self.detection_delay_s += grown(before.detection_delay_s, after.detection_delay_s) * part;
    }

    pub(super) fn side(&self) -> PushSide {
        PushSide {
            pushes_sent: self.sent.round() as u64,
            pushes_dropped: self.dropped.round() as u64,
            pushes_coalesced: self.coalesced.round() as u64,
            trailing_pushes: self.trailing.round() as u64,
            lag_records_max: self.lag_records_max,
            lag_s_max: self.lag_s_max,
            bus_refused: self.bus_refused.round() as u64,
            marks_set: self.marks_set.round() as u64,
            marks_expired: self.marks_expired.round() as u64,
            hot_chats_max: self.hot_chats_max,
            detection_delay_us: (self.detections > 0.0).then(|| self.detection_delay_s * 1e6 / self.detections),
            redis_errors: self.redis_errors.round() as u64,
            disconnected_behind: self.disconnected_behind.round() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_by_their_part_and_gauges_keep_their_highest() {
        let mut before = PushSample::default();
        let mut after = PushSample::default();
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
            after.take(name, labels, value);
        }
        before.sent = 2;
        let mut totals = PushTotals::default();
        totals.gauges(&after);
        totals.gauges(&before);
        totals.counters(&before, &after, 0.5);
        let side = totals.side();
        assert_eq!((side.pushes_sent, side.pushes_dropped), (4, 45));
        assert_eq!((side.lag_records_max, side.lag_s_max), (7, 0.5));
        assert_eq!(side.detection_delay_us, Some(250_000.0));
    }
}
