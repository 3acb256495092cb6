//! Folds samples into phases as they come. Pure: time is in the samples.
//!
//! Counters are read about once a second, so what grew between two readings is shared out among the phases that
//! the stretch overlaps, by time. Gauges belong to the phase of their reading.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ProcessSample, Sample, ServerSample, ShardCounters, ShardSample};
use crate::arrival::Profile;
use crate::record::{Contention, DatabaseSide, PoolWait, Resources, ServerSide};

/// What was observed, by phase.
#[derive(Debug)]
pub struct Observed {
    phases: Vec<PhaseTotals>,
    bounds_s: Vec<(f64, f64)>,
    last_waiters_s: Option<f64>,
    last_counters: Option<Reading>,
}

#[derive(Debug, Clone)]
struct Reading {
    at_s: f64,
    shards: Vec<Option<ShardCounters>>,
    server: Option<ServerSample>,
    processes: BTreeMap<String, ProcessSample>,
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
        let mut bounds_s: Vec<(f64, f64)> = phases
            .iter()
            .map(|phase| (phase.start.as_secs_f64(), phase.end.as_secs_f64()))
            .collect();
        // What comes after the last phase (late answers) is the last phase's.
        if let Some(last) = bounds_s.last_mut() {
            last.1 = f64::INFINITY;
        }
        Self {
            phases: vec![totals; phases.len()],
            bounds_s,
            last_waiters_s: None,
            last_counters: None,
        }
    }

    /// Takes in the next sample.
    pub fn take(&mut self, sample: &Sample) {
        let Some(phase) = self.bounds_s.iter().position(|(_, end)| sample.at_s < *end) else {
            return;
        };
        let stretch_s = self.last_waiters_s.map_or(0.0, |last| (sample.at_s - last).max(0.0));
        for (totals, shard) in self.phases[phase].shards.iter_mut().zip(&sample.shards) {
            if let Some(shard) = shard {
                totals.waiters(shard, stretch_s);
            }
        }
        self.last_waiters_s = Some(sample.at_s);
        if sample.server.is_some() || !sample.processes.is_empty() {
            self.take_counters(sample, phase);
        }
    }

    fn take_counters(&mut self, sample: &Sample, phase: usize) {
        let reading = Reading {
            at_s: sample.at_s,
            shards: sample
                .shards
                .iter()
                .map(|shard| shard.as_ref().and_then(|shard| shard.counters))
                .collect(),
            server: sample.server.clone(),
            processes: sample.processes.clone(),
        };
        if let Some(before) = self.last_counters.take() {
            self.share_out(&before, &reading);
        }
        let totals = &mut self.phases[phase];
        if let Some(server) = &reading.server {
            totals.server.get_or_insert_default().gauges(server);
        }
        for (name, process) in &reading.processes {
            let resources = totals.processes.entry(name.clone()).or_default();
            resources.rss_max_bytes = resources.rss_max_bytes.max(process.rss_bytes);
        }
        self.last_counters = Some(reading);
    }

    /// Shares out what grew between two readings among the phases between them.
    fn share_out(&mut self, before: &Reading, after: &Reading) {
        let stretch_s = after.at_s - before.at_s;
        for (totals, (start, end)) in self.phases.iter_mut().zip(&self.bounds_s) {
            let part = (after.at_s.min(*end) - before.at_s.max(*start)) / stretch_s;
            if part > 0.0 {
                totals.add(before, after, part);
            }
        }
    }

    /// Locks in one phase; `None` where no shard was observed.
    #[must_use]
    pub fn contention(&self, phase: usize) -> Option<Contention> {
        let shards: Vec<Contention> = self.phases[phase].shards.iter().map(ShardTotals::contention).collect();
        if shards.iter().all(|shard| shard.samples == 0) {
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

    /// What each process used in one phase.
    #[must_use]
    pub fn resources(&self, phase: usize) -> BTreeMap<String, Resources> {
        self.phases[phase].processes.clone()
    }

    /// Length of what was observed.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.last_waiters_s.unwrap_or(0.0).max(0.0))
    }
}

impl PhaseTotals {
    fn add(&mut self, before: &Reading, after: &Reading, part: f64) {
        for ((totals, before), after) in self.shards.iter_mut().zip(&before.shards).zip(&after.shards) {
            if let (Some(before), Some(after)) = (before, after) {
                totals.counters(before, after, part);
            }
        }
        if let (Some(before), Some(after)) = (&before.server, &after.server) {
            self.server.get_or_insert_default().counters(before, after, part);
        }
        for (name, after) in &after.processes {
            if let Some(before) = before.processes.get(name) {
                self.processes.entry(name.clone()).or_default().cpu_s += grown(before.cpu_s, after.cpu_s) * part;
            }
        }
    }
}

/// How much a counter grew; a counter that went back was restarted, and has grown from zero.
fn grown(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

fn grown_count(before: u64, after: u64) -> f64 {
    grown(before as f64, after as f64)
}

impl ShardTotals {
    fn waiters(&mut self, shard: &ShardSample, stretch_s: f64) {
        self.samples += 1;
        self.autoinc_sum += shard.autoinc_waiters;
        self.autoinc_max = self.autoinc_max.max(shard.autoinc_waiters);
        self.autoinc_wait_s += shard.autoinc_waiters as f64 * stretch_s;
        self.query_cache_sum += shard.query_cache_waiters;
        if let Some(counters) = &shard.counters {
            self.running_max = self.running_max.max(counters.threads_running);
            self.connected_max = self.connected_max.max(counters.threads_connected);
        }
    }

    fn counters(&mut self, before: &ShardCounters, after: &ShardCounters, part: f64) {
        self.table_lock_waits += grown_count(before.table_lock_waits, after.table_lock_waits) * part;
        self.row_lock_waits += grown_count(before.row_lock_waits, after.row_lock_waits) * part;
        self.row_lock_wait_s += grown_count(before.row_lock_wait_ms, after.row_lock_wait_ms) / 1e3 * part;
        self.deadlocks += grown_count(before.deadlocks, after.deadlocks) * part;
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
    }

    fn counters(&mut self, before: &ServerSample, after: &ServerSample, part: f64) {
        self.accepted += grown_count(before.connections_accepted, after.connections_accepted) * part;
        // The server's own high-water mark rose in this stretch, between two readings of the gauge.
        if after.connections_open_peak > before.connections_open_peak {
            self.open_max = self.open_max.max(after.connections_open_peak);
        }
        self.waits += grown_count(before.pool_waits, after.pool_waits) * part;
        self.wait_s += grown(before.pool_wait_s, after.pool_wait_s) * part;
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
    use crate::arrival::PhaseKind;

    fn profile() -> Profile {
        Profile::default()
            .then("a", PhaseKind::Base, Duration::from_secs(2), 1.0)
            .then("b", PhaseKind::Spike, Duration::from_secs(2), 1.0)
    }

    fn sample(at_s: f64, waiters: u64, row_lock_waits: u64) -> Sample {
        let counters = ShardCounters {
            row_lock_waits,
            ..ShardCounters::default()
        };
        let shard = ShardSample {
            autoinc_waiters: waiters,
            query_cache_waiters: 0,
            counters: Some(counters),
        };
        Sample {
            at_s,
            shards: vec![Some(shard), None],
            server: None,
            processes: BTreeMap::from([(
                "server".to_owned(),
                ProcessSample {
                    cpu_s: at_s / 2.0,
                    rss_bytes: (at_s * 10.0) as u64,
                },
            )]),
        }
    }

    #[test]
    fn waiters_are_integrated_over_time() {
        let mut observed = Observed::new(&profile(), 2);
        for tenth in 0..40 {
            observed.take(&sample(f64::from(tenth) / 10.0, if tenth >= 20 { 5 } else { 0 }, 0));
        }
        let quiet = observed.contention(0).unwrap();
        assert_eq!((quiet.autoinc_waiters_max, quiet.autoinc_wait_s), (0, 0.0));
        let storm = observed.contention(1).unwrap();
        assert_eq!(storm.autoinc_waiters_max, 5);
        assert!(
            (storm.autoinc_wait_s - 10.0).abs() < 1e-6,
            "5 waiters for 2 s: {}",
            storm.autoinc_wait_s
        );
        assert_eq!(
            storm.shards[1].samples, 0,
            "the shard that never answered has no figures"
        );
    }

    #[test]
    fn what_grew_across_a_boundary_is_shared_by_time() {
        let mut observed = Observed::new(&profile(), 2);
        observed.take(&sample(0.0, 0, 100));
        observed.take(&sample(1.5, 0, 100));
        observed.take(&sample(2.5, 0, 200));
        observed.take(&sample(9.0, 0, 230));
        assert_eq!(observed.contention(0).unwrap().row_lock_waits, 50);
        assert_eq!(
            observed.contention(1).unwrap().row_lock_waits,
            80,
            "what comes late is the last phase's"
        );
        assert!((observed.resources(0)["server"].cpu_s - 1.0).abs() < 1e-9);
        assert_eq!(observed.resources(1)["server"].rss_max_bytes, 90);
    }

    #[test]
    fn what_was_never_observed_is_none() {
        let observed = Observed::new(&profile(), 2);
        assert_eq!(observed.contention(0), None);
        assert_eq!(observed.server(0), None);
    }

    #[test]
    fn a_counter_that_went_back_has_grown_from_zero() {
        assert!((grown(10.0, 3.0) - 3.0).abs() < f64::EPSILON);
    }
}
