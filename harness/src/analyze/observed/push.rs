//! The server's pushes, its event log and its hot chats, by phase.

use super::growth::{grown, grown_count, raise};
use crate::observe::PushSample;
use crate::record::PushSide;

/// What the server said of its pushes, of one phase.
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
    lag_records_max: Option<u64>,
    lag_s_max: Option<f64>,
    hot_chats_max: Option<u64>,
}

impl PushTotals {
    pub(super) fn gauges(&mut self, now: &PushSample) {
        raise(&mut self.lag_records_max, now.lag_records);
        raise(&mut self.lag_s_max, now.lag_s);
        raise(&mut self.hot_chats_max, now.hot_chats);
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
        let before = PushSample {
            sent: 2,
            ..PushSample::default()
        };
        let after = PushSample {
            sent: 10,
            dropped: 90,
            lag_records: Some(7),
            lag_s: Some(0.5),
            detections: 2,
            detection_delay_s: 0.5,
            ..PushSample::default()
        };
        let mut totals = PushTotals::default();
        totals.gauges(&after);
        totals.gauges(&before);
        totals.counters(&before, &after, 0.5);
        let side = totals.side();
        assert_eq!((side.pushes_sent, side.pushes_dropped), (4, 45));
        assert_eq!(
            (side.lag_records_max, side.lag_s_max, side.hot_chats_max),
            (Some(7), Some(0.5), None)
        );
        assert_eq!(side.detection_delay_us, Some(250_000.0));
    }
}
