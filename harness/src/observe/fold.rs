//! Folds samples into phases as they come. Pure: time is in the samples.
//!
//! Counters are read about once a second, so what grew between two readings is shared out among the phases that
//! the stretch overlaps, by time. Gauges belong to the phase of their reading.

use super::joins::JoinTotals;
use super::push::PushTotals;
use super::{ProcessSample, Sample, ServerSample, ShardCounters, ShardSample};
use crate::arrival::Profile;
use crate::record::{Contention, DatabaseSide, JoinSide, PoolWait, PushSide, Resources, ServerSide};
use std::collections::BTreeMap;

/// What was observed, by phase.
#[derive(Debug)]
pub struct Observed {
    phases: Vec<PhaseTotals>,
    bounds_s: Vec<(f64, f64)>,
    /// The last reading of each source, which may be older than the last sample: a source that is busy misses some.
    waiters: Vec<Option<Reading<u64>>>,
    counters: Vec<Option<Reading<ShardCounters>>>,
    server: Option<Reading<ServerSample>>,
    processes: BTreeMap<String, Reading<ProcessSample>>,
}

#[derive(Debug, Clone)]
struct Reading<T> {
    at_s: f64,
    value: T,
}

#[derive(Debug, Clone, Default)]
struct PhaseTotals {
    shards: Vec<ShardTotals>,
    server: Option<ServerTotals>,
    processes: BTreeMap<String, Resources>,
}

#[derive(Debug, Clone, Default)]
struct ShardTotals {
    samples: u64,
    autoinc_sum: u64,
    autoinc_max: u64,
    autoinc_wait_s: f64,
    query_cache_sum: u64,
    table_lock_waits: f64,
    row_lock_waits: f64,
    row_lock_wait_s: f64,
    deadlocks: f64,
    statements: f64,
    running_max: u64,
    connected_max: u64,
}

#[derive(Debug, Clone, Default)]
struct ServerTotals {
    accepted: f64,
    open_max: u64,
    pool_open_max: u64,
    in_use_max: u64,
    waits: f64,
    wait_s: f64,
    buckets: BTreeMap<u64, f64>,
    push: PushTotals,
    joins: JoinTotals,
}

impl Observed {
    /// Nothing observed yet, of `shards` shards.
    #[must_use]
    pub fn new(profile: &Profile, shards: usize) -> Self {
        let phases = profile.phases();
        let totals = PhaseTotals {
            shards: vec![ShardTotals::default(); shards],
            ..PhaseTotals::default()
        };
        Self {
            phases: vec![totals; phases.len()],
            bounds_s: phases
                .iter()
                .map(|phase| (phase.start.as_secs_f64(), phase.end.as_secs_f64()))
                .collect(),
            waiters: vec![None; shards],
            counters: vec![None; shards],
            server: None,
            processes: BTreeMap::new(),
        }
    }

    /// Takes in the next sample. What happens after the last phase, while late answers come in, belongs to none.
    pub fn take(&mut self, sample: &Sample) {
        let at_s = sample.at_s;
        let phase = self
            .bounds_s
            .iter()
            .position(|(start, end)| (*start..*end).contains(&at_s));
        for (index, shard) in sample.shards.iter().enumerate() {
            let Some(shard) = shard else { continue };
            self.take_waiters(index, shard, at_s);
            if let (Some(phase), Some(counters)) = (phase, &shard.counters) {
                self.phases[phase].shards[index].gauges(counters);
            }
            if let Some(value) = shard.counters {
                let reading = Reading { at_s, value };
                if let Some(before) = self.counters[index].replace(reading) {
                    self.share_out(before.at_s, at_s, |totals, part| {
                        totals.shards[index].counters(&before.value, &value, part);
                    });
                }
            }
        }
        if let Some(server) = &sample.server {
            if let Some(phase) = phase {
                self.phases[phase].server.get_or_insert_default().gauges(server);
            }
            let reading = Reading {
                at_s,
                value: server.clone(),
            };
            if let Some(before) = self.server.replace(reading) {
                self.share_out(before.at_s, at_s, |totals, part| {
                    totals
                        .server
                        .get_or_insert_default()
                        .counters(&before.value, server, part);
                });
            }
        }
        for (name, process) in &sample.processes {
            self.take_process(name, *process, at_s, phase);
        }
    }

    /// Whoever waited at the last sample is taken to have waited until this one.
    fn take_waiters(&mut self, index: usize, shard: &ShardSample, at_s: f64) {
        if let Some(phase) = self
            .bounds_s
            .iter()
            .position(|(start, end)| (*start..*end).contains(&at_s))
        {
            self.phases[phase].shards[index].waiters(shard);
        }
        let reading = Reading {
            at_s,
            value: shard.autoinc_waiters,
        };
        if let Some(before) = self.waiters[index].replace(reading) {
            let waited_s = before.value as f64 * (at_s - before.at_s);
            self.share_out(before.at_s, at_s, |totals, part| {
                totals.shards[index].autoinc_wait_s += waited_s * part;
            });
        }
    }

    fn take_process(&mut self, name: &str, value: ProcessSample, at_s: f64, phase: Option<usize>) {
        if let Some(phase) = phase {
            let resources = self.phases[phase].processes.entry(name.to_owned()).or_default();
            resources.rss_max_bytes = resources.rss_max_bytes.max(value.rss_bytes);
        }
        if let Some(before) = self.processes.insert(name.to_owned(), Reading { at_s, value }) {
            let used_s = grown(before.value.cpu_s, value.cpu_s);
            self.share_out(before.at_s, at_s, |totals, part| {
                totals.processes.entry(name.to_owned()).or_default().cpu_s += used_s * part;
            });
        }
    }

    /// Gives each phase between two moments its part, by time.
    fn share_out(&mut self, from_s: f64, to_s: f64, give: impl Fn(&mut PhaseTotals, f64)) {
        for (totals, (start, end)) in self.phases.iter_mut().zip(&self.bounds_s) {
            let part = (to_s.min(*end) - from_s.max(*start)) / (to_s - from_s);
            if part > 0.0 {
                give(totals, part);
            }
        }
    }

    /// Locks in one phase; `None` where some shard was not observed, for a sum that lacks one would look like a small one.
    #[must_use]
    pub fn contention(&self, phase: usize) -> Option<Contention> {
        let shards: Vec<Contention> = self.phases[phase].shards.iter().map(ShardTotals::contention).collect();
        if shards.is_empty() || shards.iter().any(|shard| shard.samples == 0) {
            return None;
        }
        let mut sum = shards.iter().fold(Contention::default(), |mut sum, shard| {
            sum.autoinc_waiters_avg += shard.autoinc_waiters_avg;
            sum.autoinc_waiters_max += shard.autoinc_waiters_max;
            sum.autoinc_wait_s += shard.autoinc_wait_s;
            sum.table_lock_waits += shard.table_lock_waits;
            sum.row_lock_waits += shard.row_lock_waits;
            sum.row_lock_wait_s += shard.row_lock_wait_s;
            sum.query_cache_waiters_avg += shard.query_cache_waiters_avg;
            sum.deadlocks += shard.deadlocks;
            sum.statements += shard.statements;
            sum.threads_running_max += shard.threads_running_max;
            sum.threads_connected_max += shard.threads_connected_max;
            sum.samples += shard.samples;
            sum
        });
        sum.shards = shards;
        Some(sum)
    }

    /// The server's connections in one phase.
    #[must_use]
    pub fn server(&self, phase: usize) -> Option<ServerSide> {
        self.phases[phase].server.as_ref().map(|server| ServerSide {
            accepted: server.accepted.round() as u64,
            open_max: server.open_max,
        })
    }

    /// The server's database connections in one phase.
    #[must_use]
    pub fn database(&self, phase: usize) -> Option<DatabaseSide> {
        self.phases[phase].server.as_ref().map(|server| DatabaseSide {
            open_max: server.pool_open_max,
            in_use_max: server.in_use_max,
            wait_us: server.pool_wait(),
        })
    }

    /// The server's pushes in one phase.
    #[must_use]
    pub fn push(&self, phase: usize) -> Option<PushSide> {
        self.phases[phase].server.as_ref().map(|server| server.push.side())
    }

    /// What the server's throttle of joins decided in one phase; `None` where it was not asked anything.
    #[must_use]
    pub fn joins(&self, phase: usize) -> Option<JoinSide> {
        self.phases[phase].server.as_ref()?.joins.side()
    }

    /// What each process used in one phase.
    #[must_use]
    pub fn resources(&self, phase: usize) -> BTreeMap<String, Resources> {
        self.phases[phase].processes.clone()
    }
}

/// How much a counter grew; a counter that went back was restarted, and has grown from zero.
pub(super) fn grown(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

pub(super) fn grown_count(before: u64, after: u64) -> f64 {
    grown(before as f64, after as f64)
}

impl ShardTotals {
    fn waiters(&mut self, shard: &ShardSample) {
        self.samples += 1;
        self.autoinc_sum += shard.autoinc_waiters;
        self.autoinc_max = self.autoinc_max.max(shard.autoinc_waiters);
        self.query_cache_sum += shard.query_cache_waiters;
    }

    fn gauges(&mut self, counters: &ShardCounters) {
        self.running_max = self.running_max.max(counters.threads_running);
        self.connected_max = self.connected_max.max(counters.threads_connected);
    }

    fn counters(&mut self, before: &ShardCounters, after: &ShardCounters, part: f64) {
        self.table_lock_waits += grown_count(before.table_lock_waits, after.table_lock_waits) * part;
        self.row_lock_waits += grown_count(before.row_lock_waits, after.row_lock_waits) * part;
        self.row_lock_wait_s += grown_count(before.row_lock_wait_ms, after.row_lock_wait_ms) / 1e3 * part;
        self.deadlocks += grown_count(before.deadlocks, after.deadlocks) * part;
        self.statements += grown_count(before.statements, after.statements) * part;
    }

    fn contention(&self) -> Contention {
        let mean = |sum: u64| {
            if self.samples == 0 {
                0.0
            } else {
                sum as f64 / self.samples as f64
            }
        };
        Contention {
            autoinc_waiters_avg: mean(self.autoinc_sum),
            autoinc_waiters_max: self.autoinc_max,
            autoinc_wait_s: self.autoinc_wait_s,
            table_lock_waits: self.table_lock_waits.round() as u64,
            row_lock_waits: self.row_lock_waits.round() as u64,
            row_lock_wait_s: self.row_lock_wait_s,
            query_cache_waiters_avg: mean(self.query_cache_sum),
            deadlocks: self.deadlocks.round() as u64,
            statements: self.statements.round() as u64,
            threads_running_max: self.running_max,
            threads_connected_max: self.connected_max,
            samples: self.samples,
            shards: Vec::new(),
        }
    }
}

impl ServerTotals {
    fn gauges(&mut self, server: &ServerSample) {
        self.open_max = self.open_max.max(server.connections_open);
        self.pool_open_max = self.pool_open_max.max(server.pool_open);
        self.in_use_max = self.in_use_max.max(server.pool_in_use);
        self.push.gauges(&server.push);
        self.joins.gauges(&server.joins);
    }

    fn counters(&mut self, before: &ServerSample, after: &ServerSample, part: f64) {
        self.accepted += grown_count(before.connections_accepted, after.connections_accepted) * part;
        // The server's own high-water mark rose in this stretch, between two readings of the gauge: most likely in its longer part.
        if after.connections_open_peak > before.connections_open_peak && part > 0.5 {
            self.open_max = self.open_max.max(after.connections_open_peak);
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
    use std::time::Duration;

    use super::*;
    use crate::arrival::PhaseKind;

    fn profile() -> Profile {
        Profile::default()
            .then("a", PhaseKind::Base, Duration::from_secs(2), 1.0)
            .then("b", PhaseKind::Spike, Duration::from_secs(2), 1.0)
    }

    fn shard(waiters: u64, row_lock_waits: u64) -> Option<ShardSample> {
        let counters = ShardCounters {
            row_lock_waits,
            ..ShardCounters::default()
        };
        Some(ShardSample {
            autoinc_waiters: waiters,
            query_cache_waiters: 0,
            counters: Some(counters),
        })
    }

    fn sample(at_s: f64, shards: Vec<Option<ShardSample>>) -> Sample {
        let process = ProcessSample {
            cpu_s: at_s / 2.0,
            rss_bytes: (at_s * 10.0) as u64,
        };
        Sample {
            at_s,
            shards,
            server: None,
            processes: BTreeMap::from([("server".to_owned(), process)]),
        }
    }

    #[test]
    fn waiters_are_integrated_over_time() {
        let mut observed = Observed::new(&profile(), 1);
        for tenth in 0..=45 {
            let waiters = if tenth >= 20 { 5 } else { 0 };
            observed.take(&sample(f64::from(tenth) / 10.0, vec![shard(waiters, 0)]));
        }
        let quiet = observed.contention(0).unwrap();
        assert_eq!((quiet.autoinc_waiters_max, quiet.autoinc_wait_s), (0, 0.0));
        let storm = observed.contention(1).unwrap();
        assert_eq!((storm.autoinc_waiters_max, storm.samples), (5, 20));
        assert!(
            (storm.autoinc_wait_s - 10.0).abs() < 1e-6,
            "5 waiters for 2 s: {}",
            storm.autoinc_wait_s
        );
    }

    #[test]
    fn what_grew_across_a_boundary_is_shared_by_time() {
        let mut observed = Observed::new(&profile(), 1);
        for (at_s, waits) in [(0.0, 100), (1.5, 100), (2.5, 200), (9.0, 330)] {
            observed.take(&sample(at_s, vec![shard(0, waits)]));
        }
        assert_eq!(observed.contention(0).unwrap().row_lock_waits, 50);
        // 50 of the 100 between 1.5 s and 2.5 s, and 30 of the 130 in the next 6.5 s; the rest came after the last phase.
        assert_eq!(observed.contention(1).unwrap().row_lock_waits, 80);
        assert!((observed.resources(0)["server"].cpu_s - 1.0).abs() < 1e-9);
        assert_eq!(observed.resources(1)["server"].rss_max_bytes, 25);
    }

    #[test]
    fn a_reading_that_was_missed_loses_nothing() {
        let mut observed = Observed::new(&profile(), 1);
        observed.take(&sample(0.0, vec![shard(4, 100)]));
        observed.take(&sample(0.5, vec![None]));
        observed.take(&sample(1.0, vec![shard(0, 150)]));
        let seen = observed.contention(0).unwrap();
        assert_eq!(seen.row_lock_waits, 50);
        assert!((seen.autoinc_wait_s - 4.0).abs() < 1e-9, "{}", seen.autoinc_wait_s);
    }

    #[test]
    fn a_shard_that_was_never_seen_leaves_no_sum() {
        let mut observed = Observed::new(&profile(), 2);
        assert_eq!((observed.contention(0), observed.server(0)), (None, None));
        observed.take(&sample(0.0, vec![shard(4, 100), None]));
        assert_eq!(
            observed.contention(0),
            None,
            "a sum without the second shard would look small"
        );
    }

    #[test]
    fn a_counter_that_went_back_has_grown_from_zero() {
        assert!((grown(10.0, 3.0) - 3.0).abs() < f64::EPSILON);
    }
}
