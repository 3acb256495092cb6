//! Locks and threads of one shard, by phase.

use super::growth::{Reading, grown_count, raise};
use super::phases::Phases;
use crate::observe::{ShardCounters, ShardSample};
use crate::record::Contention;

/// A count of waiters stands for at most this long. Counts come ten times a second, and a loaded shard may take half
/// a second to answer one: its waiters are what the observer is there for, so that much is bridged. A shard that is
/// silent for longer is paused, dead or cut off, and its last count says nothing of what happens there: the rest of
/// the silence is unobserved time.
const BRIDGED_S: f64 = 0.5;

/// What one shard said, folded into phases as it comes.
#[derive(Debug)]
pub(super) struct ShardFold {
    totals: Vec<ShardTotals>,
    /// The last readings, which may be older than the last sample: a shard that is busy misses some.
    waiters: Option<Reading<u64>>,
    counters: Option<Reading<ShardCounters>>,
}

#[derive(Debug, Clone, Default)]
struct ShardTotals {
    samples: u64,
    autoinc_sum: u64,
    autoinc_max: u64,
    autoinc_wait_s: f64,
    /// Time for which a count of waiters stands.
    observed_s: f64,
    query_cache_sum: u64,
    /// `None` until a stretch between two readings of the counters overlaps the phase.
    grown: Option<Grown>,
    running_max: Option<u64>,
    connected_max: Option<u64>,
}

/// How much the counters grew.
#[derive(Debug, Clone, Copy, Default)]
struct Grown {
    table_lock_waits: Option<f64>,
    row_lock_waits: f64,
    row_lock_wait_s: f64,
    deadlocks: Option<f64>,
    statements: f64,
}

impl ShardFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![ShardTotals::default(); phases],
            waiters: None,
            counters: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, shard: &ShardSample) {
        if let Some(phase) = phases.at(at_s) {
            self.totals[phase].gauges(shard);
        }
        self.take_waiters(phases, at_s, shard.autoinc_waiters);
        let Some(value) = shard.counters else { return };
        if let Some(before) = self.counters.replace(Reading { at_s, value }) {
            for overlap in phases.overlaps(before.at_s, at_s) {
                let grown = self.totals[overlap.phase].grown.get_or_insert_default();
                grown.add(&before.value, &value, overlap.part);
            }
        }
    }

    /// A caller who waited at the last count is taken to have waited until this one, within [`BRIDGED_S`].
    fn take_waiters(&mut self, phases: &Phases, at_s: f64, value: u64) {
        let Some(before) = self.waiters.replace(Reading { at_s, value }) else {
            return;
        };
        for overlap in phases.overlaps(before.at_s, at_s.min(before.at_s + BRIDGED_S)) {
            let seconds = overlap.to_s - overlap.from_s;
            let totals = &mut self.totals[overlap.phase];
            totals.observed_s += seconds;
            totals.autoinc_wait_s += before.value as f64 * seconds;
        }
    }

    /// Locks in one phase of `length_s`; `None` where the shard was not seen in it.
    pub(super) fn contention(&self, phase: usize, length_s: f64) -> Option<Contention> {
        let totals = &self.totals[phase];
        (totals.samples > 0).then(|| totals.contention(length_s))
    }
}

impl ShardTotals {
    fn gauges(&mut self, shard: &ShardSample) {
        self.samples += 1;
        self.autoinc_sum += shard.autoinc_waiters;
        self.autoinc_max = self.autoinc_max.max(shard.autoinc_waiters);
        self.query_cache_sum += shard.query_cache_waiters;
        let counters = shard.counters.as_ref();
        raise(&mut self.running_max, counters.map(|counters| counters.threads_running));
        raise(
            &mut self.connected_max,
            counters.map(|counters| counters.threads_connected),
        );
    }

    /// Of a phase with at least one sample.
    fn contention(&self, length_s: f64) -> Contention {
        let mean = |sum: u64| sum as f64 / self.samples as f64;
        let count = |of: fn(&Grown) -> f64| self.grown.as_ref().map(|grown| of(grown).round() as u64);
        let counted = |of: fn(&Grown) -> Option<f64>| Some(of(self.grown.as_ref()?)?.round() as u64);
        Contention {
            autoinc_waiters_avg: mean(self.autoinc_sum),
            autoinc_waiters_max: self.autoinc_max,
            autoinc_wait_s: self.autoinc_wait_s,
            unobserved_s: (length_s - self.observed_s).max(0.0),
            table_lock_waits: counted(|grown| grown.table_lock_waits),
            row_lock_waits: count(|grown| grown.row_lock_waits),
            row_lock_wait_s: self.grown.map(|grown| grown.row_lock_wait_s),
            query_cache_waiters_avg: mean(self.query_cache_sum),
            deadlocks: counted(|grown| grown.deadlocks),
            statements: count(|grown| grown.statements),
            threads_running_max: self.running_max,
            threads_connected_max: self.connected_max,
            samples: self.samples,
            shards: Vec::new(),
        }
    }
}

impl Grown {
    fn add(&mut self, before: &ShardCounters, after: &ShardCounters, part: f64) {
        add_known(
            &mut self.table_lock_waits,
            before.table_lock_waits,
            after.table_lock_waits,
            part,
        );
        self.row_lock_waits += grown_count(before.row_lock_waits, after.row_lock_waits) * part;
        self.row_lock_wait_s += grown_count(before.row_lock_wait_ms, after.row_lock_wait_ms) / 1e3 * part;
        add_known(&mut self.deadlocks, before.deadlocks, after.deadlocks, part);
        self.statements += grown_count(before.statements, after.statements) * part;
    }
}

/// Adds what a counter grew, where the database has it.
fn add_known(sum: &mut Option<f64>, before: Option<u64>, after: Option<u64>, part: f64) {
    if let (Some(before), Some(after)) = (before, after) {
        *sum.get_or_insert(0.0) += grown_count(before, after) * part;
    }
}

/// The sum over shards. A figure that one shard lacks has no sum.
pub(super) fn sum(shards: Vec<Contention>) -> Contention {
    fn add<T: std::ops::Add<Output = T> + Copy>(sum: &mut Option<T>, one: Option<T>) {
        *sum = sum.zip(one).map(|(sum, one)| sum + one);
    }
    let none_yet = Contention {
        table_lock_waits: Some(0),
        row_lock_waits: Some(0),
        row_lock_wait_s: Some(0.0),
        deadlocks: Some(0),
        statements: Some(0),
        threads_running_max: Some(0),
        threads_connected_max: Some(0),
        ..Contention::default()
    };
    let mut sum = shards.iter().fold(none_yet, |mut sum, shard| {
        sum.autoinc_waiters_avg += shard.autoinc_waiters_avg;
        sum.autoinc_waiters_max += shard.autoinc_waiters_max;
        sum.autoinc_wait_s += shard.autoinc_wait_s;
        sum.unobserved_s += shard.unobserved_s;
        add(&mut sum.table_lock_waits, shard.table_lock_waits);
        add(&mut sum.row_lock_waits, shard.row_lock_waits);
        add(&mut sum.row_lock_wait_s, shard.row_lock_wait_s);
        sum.query_cache_waiters_avg += shard.query_cache_waiters_avg;
        add(&mut sum.deadlocks, shard.deadlocks);
        add(&mut sum.statements, shard.statements);
        add(&mut sum.threads_running_max, shard.threads_running_max);
        add(&mut sum.threads_connected_max, shard.threads_connected_max);
        sum.samples += shard.samples;
        sum
    });
    sum.shards = shards;
    sum
}
