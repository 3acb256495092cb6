//! The server's connections and database pools, by phase.

use std::collections::BTreeMap;

use super::growth::{Reading, grown, grown_count, raise};
use super::joins::JoinTotals;
use super::phases::Phases;
use super::push::PushTotals;
use crate::observe::ServerSample;
use crate::record::{DatabaseSide, JoinSide, PoolWait, PushSide, ServerSide};

/// What the server said of itself, folded into phases as it comes. A phase that no stretch between two readings
/// overlaps has nothing.
#[derive(Debug)]
pub(super) struct ServerFold {
    totals: Vec<ServerTotals>,
    last: Option<Reading<ServerSample>>,
}

#[derive(Debug, Clone, Default)]
struct ServerTotals {
    is_observed: bool,
    accepted: f64,
    open_max: Option<u64>,
    pool_open_max: Option<u64>,
    in_use_max: Option<u64>,
    waits: f64,
    wait_s: f64,
    buckets: BTreeMap<u64, f64>,
    push: PushTotals,
    joins: JoinTotals,
}

impl ServerFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![ServerTotals::default(); phases],
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, server: &ServerSample) {
        if let Some(phase) = phases.at(at_s) {
            self.totals[phase].gauges(server);
        }
        let value = server.clone();
        if let Some(before) = self.last.replace(Reading { at_s, value }) {
            for overlap in phases.overlaps(before.at_s, at_s) {
                self.totals[overlap.phase].counters(&before.value, server, overlap.part);
            }
        }
    }

    pub(super) fn server(&self, phase: usize) -> Option<ServerSide> {
        self.of(phase).map(|totals| ServerSide {
            accepted: totals.accepted.round() as u64,
            open_max: totals.open_max,
        })
    }

    pub(super) fn database(&self, phase: usize) -> Option<DatabaseSide> {
        self.of(phase).map(|totals| DatabaseSide {
            open_max: totals.pool_open_max,
            in_use_max: totals.in_use_max,
            wait_us: totals.pool_wait(),
            counted: None,
        })
    }

    pub(super) fn push(&self, phase: usize) -> Option<PushSide> {
        self.of(phase).map(|totals| totals.push.side())
    }

    pub(super) fn joins(&self, phase: usize) -> Option<JoinSide> {
        self.of(phase)?.joins.side()
    }

    fn of(&self, phase: usize) -> Option<&ServerTotals> {
        Some(&self.totals[phase]).filter(|totals| totals.is_observed)
    }
}

impl ServerTotals {
    fn gauges(&mut self, server: &ServerSample) {
        raise(&mut self.open_max, server.connections_open);
        raise(&mut self.pool_open_max, server.pool_open);
        raise(&mut self.in_use_max, server.pool_in_use);
        self.push.gauges(&server.push);
        self.joins.gauges(&server.joins);
    }

    fn counters(&mut self, before: &ServerSample, after: &ServerSample, part: f64) {
        self.is_observed = true;
        self.accepted += grown_count(before.connections_accepted, after.connections_accepted) * part;
        // The server's own high-water mark rose in this stretch, between two readings of the gauge: most likely in
        // its longer part.
        if after.connections_open_peak > before.connections_open_peak && part > 0.5 {
            raise(&mut self.open_max, after.connections_open_peak);
        }
        self.waits += grown_count(before.pool_waits, after.pool_waits) * part;
        self.wait_s += grown(before.pool_wait_s, after.pool_wait_s) * part;
        self.push.counters(&before.push, &after.push, part);
        self.joins.counters(&before.joins, &after.joins, part);
        for (bound, count) in &after.pool_wait_buckets {
            let before = before.pool_wait_buckets.get(bound).copied().unwrap_or(0);
            *self.buckets.entry(*bound).or_default() += grown_count(before, *count) * part;
        }
    }

    fn pool_wait(&self) -> PoolWait {
        if self.waits < 1.0 {
            return PoolWait::default();
        }
        let rank = self.waits * 0.99;
        PoolWait {
            count: self.waits.round() as u64,
            mean: Some(self.wait_s * 1e6 / self.waits),
            p99_at_most: self
                .buckets
                .iter()
                .find(|(_, count)| **count >= rank - 1e-6)
                .map(|(bound, _)| *bound as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_without_a_reading_has_counts_and_no_gauges() {
        let phases = Phases::new(&[(0.0, 1.0), (1.0, 1.5), (1.5, 3.0)]);
        let mut fold = ServerFold::new(phases.len());
        for (at_s, accepted) in [(0.5, 10), (2.5, 50)] {
            let sample = ServerSample {
                connections_accepted: accepted,
                connections_open: Some(3),
                pool_open: Some(2),
                pool_in_use: Some(1),
                ..ServerSample::default()
            };
            fold.take(&phases, at_s, &sample);
        }
        let between = fold.server(1).unwrap();
        assert_eq!((between.accepted, between.open_max), (10, None));
        let pools = fold.database(1).unwrap();
        assert_eq!((pools.open_max, pools.in_use_max), (None, None));
        let push = fold.push(1).unwrap();
        assert_eq!(
            (push.lag_records_max, push.lag_s_max, push.hot_chats_max),
            (None, None, None)
        );
        assert_eq!(fold.server(2).unwrap().open_max, Some(3));
        assert_eq!(fold.database(0).unwrap().in_use_max, Some(1));
    }

    #[test]
    fn a_phase_that_no_two_readings_enclose_has_nothing() {
        let phases = Phases::new(&[(0.0, 1.0), (1.0, 2.0)]);
        let mut fold = ServerFold::new(phases.len());
        fold.take(&phases, 0.5, &ServerSample::default());
        assert_eq!((fold.server(0), fold.database(0), fold.push(1)), (None, None, None));
    }
}
