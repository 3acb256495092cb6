//! Database connections and storage errors, per shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::http::duration_histogram;
use crate::store::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shard {
    shard: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardKind {
    shard: u64,
    kind: &'static str,
}

/// The metric families with one member per shard.
pub(super) struct PoolFamilies {
    open: Family<Shard, Gauge>,
    in_use: Family<Shard, Gauge>,
    in_use_peak: Family<Shard, Gauge>,
    waits: Family<Shard, Histogram, fn() -> Histogram>,
    timeouts: Family<Shard, Counter>,
    retries: Family<Shard, Counter>,
    errors: Family<ShardKind, Counter>,
}

impl PoolFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self {
            open: Family::default(),
            in_use: Family::default(),
            in_use_peak: Family::default(),
            waits: Family::new_with_constructor(duration_histogram as fn() -> Histogram),
            timeouts: Family::default(),
            retries: Family::default(),
            errors: Family::default(),
        };
        registry.register("pool_open", "Database connections open", new.open.clone());
        registry.register("pool_in_use", "Database connections in use", new.in_use.clone());
        registry.register(
            "pool_in_use_peak",
            "Peak of database connections in use",
            new.in_use_peak.clone(),
        );
        registry.register("pool_wait_seconds", "Wait for a database connection", new.waits.clone());
        registry.register(
            "pool_timeouts",
            "Waits that ended without a connection",
            new.timeouts.clone(),
        );
        registry.register(
            "deadlock_retries",
            "Calls retried after a rollback",
            new.retries.clone(),
        );
        registry.register("storage_errors", "Calls that failed, by kind", new.errors.clone());
        new
    }

    pub(super) fn of(&self, shard: usize) -> PoolMetrics {
        let label = Shard { shard: shard as u64 };
        for kind in StoreError::KINDS {
            let shard = label.shard;
            drop(self.errors.get_or_create(&ShardKind { shard, kind })); // shown as 0 before the first
        }
        PoolMetrics {
            shard: label.shard,
            in_use: Arc::default(),
            peak: Arc::default(),
            in_use_gauge: self.in_use.get_or_create(&label).clone(),
            peak_gauge: self.in_use_peak.get_or_create(&label).clone(),
            waits: self.waits.get_or_create(&label).clone(),
            timeouts: self.timeouts.get_or_create(&label).clone(),
            retries: self.retries.get_or_create(&label).clone(),
            errors: self.errors.clone(),
        }
    }

    pub(super) fn scrape(&self, open: impl Iterator<Item = usize>) {
        for (shard, open) in (0..).zip(open) {
            self.open
                .get_or_create(&Shard { shard })
                .set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }
}

/// One shard's members of the families.
#[derive(Clone)]
pub(crate) struct PoolMetrics {
    shard: u64,
    in_use: Arc<AtomicI64>,
    peak: Arc<AtomicI64>,
    in_use_gauge: Gauge,
    peak_gauge: Gauge,
    waits: Histogram,
    timeouts: Counter,
    retries: Counter,
    errors: Family<ShardKind, Counter>,
}

impl PoolMetrics {
    pub(crate) fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    pub(crate) fn timed_out(&self) {
        self.timeouts.inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn failed(&self, kind: &'static str) {
        self.errors
            .get_or_create(&ShardKind {
                shard: self.shard,
                kind,
            })
            .inc();
    }

    pub(crate) fn taken(&self) {
        let in_use = self.in_use.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(in_use, Ordering::Relaxed);
    }

    pub(crate) fn returned(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn scrape(&self) {
        self.in_use_gauge.set(self.in_use.load(Ordering::Relaxed));
        self.peak_gauge.set(self.peak.load(Ordering::Relaxed));
    }
}
