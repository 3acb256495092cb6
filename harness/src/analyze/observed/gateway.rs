//! The push gateway's own count, by phase and by second.

use super::axis::{Axis, Count};
use super::growth::{Reading, grown, grown_count, raise};
use super::phases::Phases;
use crate::observe::GatewaySample;
use crate::record::GatewaySide;

/// What the gateway said, folded as it comes. A phase that no stretch between two readings overlaps has nothing.
#[derive(Debug)]
pub(super) struct GatewayFold {
    totals: Vec<GatewayTotals>,
    axis: Axis,
    last: Option<Reading<GatewaySample>>,
}

#[derive(Debug, Clone, Default)]
struct GatewayTotals {
    is_observed: bool,
    accepted: f64,
    refused: f64,
    open_max: Option<u64>,
    memory_max_bytes: Option<u64>,
    over_budget_s: f64,
    requests: f64,
}

impl GatewayFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![GatewayTotals::default(); phases],
            axis: Axis::default(),
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, now: &GatewaySample) {
        if let Some(phase) = phases.at(at_s) {
            let totals = &mut self.totals[phase];
            raise(&mut totals.open_max, now.open);
            raise(&mut totals.memory_max_bytes, now.memory_bytes);
        }
        let value = now.clone();
        let Some(before) = self.last.replace(Reading { at_s, value }) else {
            return;
        };
        for overlap in phases.overlaps(before.at_s, at_s) {
            self.totals[overlap.phase].counters(&before.value, now, overlap.part);
        }
        let refused = grown_count(before.value.refused, now.refused);
        self.axis.grow(before.at_s, at_s, Count::Refused, refused);
    }

    pub(super) fn side(&self, phase: usize) -> Option<GatewaySide> {
        self.of(phase).map(|totals| GatewaySide {
            accepted: totals.accepted.round() as u64,
            open_max: totals.open_max,
            memory_max_bytes: totals.memory_max_bytes,
            over_budget_s: totals.over_budget_s,
            requests: totals.requests.round() as u64,
        })
    }

    /// Connections that it refused in one phase.
    pub(super) fn refused(&self, phase: usize) -> Option<u64> {
        self.of(phase).map(|totals| totals.refused.round() as u64)
    }

    /// The same, second by second.
    pub(super) fn refused_by_second(&self) -> Vec<u64> {
        self.axis.side().refused
    }

    fn of(&self, phase: usize) -> Option<&GatewayTotals> {
        Some(&self.totals[phase]).filter(|totals| totals.is_observed)
    }
}

impl GatewayTotals {
    fn counters(&mut self, before: &GatewaySample, after: &GatewaySample, part: f64) {
        self.is_observed = true;
        // As the server's high-water mark: see `server.rs`.
        if after.open_peak > before.open_peak && part > 0.5 {
            raise(&mut self.open_max, after.open_peak);
        }
        self.accepted += grown_count(before.accepted, after.accepted) * part;
        self.refused += grown_count(before.refused, after.refused) * part;
        self.over_budget_s += grown(before.over_budget_s, after.over_budget_s) * part;
        self.requests += grown_count(before.requests, after.requests) * part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_was_killed_counts_from_zero_and_keeps_what_was_counted() {
        let phases = Phases::new(&[(0.0, 4.0), (4.0, 5.0)]);
        let mut fold = GatewayFold::new(phases.len());
        for (at_s, accepted, refused, open, over_budget_s) in [
            (0.0, 0, 0, 0, 0.0),
            (1.0, 10, 2, 8, 0.5),
            (2.0, 16, 2, 9, 1.0),
            // Started again.
            (3.0, 5, 1, 5, 0.0),
        ] {
            let sample = GatewaySample {
                accepted,
                refused,
                open: Some(open),
                open_peak: Some(open + 1),
                over_budget_s,
                ..GatewaySample::default()
            };
            fold.take(&phases, at_s, &sample);
        }
        let side = fold.side(0).unwrap();
        assert_eq!((side.accepted, side.open_max), (21, Some(10)));
        assert!((side.over_budget_s - 1.0).abs() < 1e-9, "{side:?}");
        assert_eq!(fold.refused(0), Some(3));
        assert_eq!(fold.refused_by_second(), [2, 0, 1]);
        assert_eq!((fold.side(1), fold.refused(1)), (None, None));
    }
}
