//! The event bus: records published and rejected, and the lag of the consumer.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::bus::{Lag, What};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRecord {
    record: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Partition {
    partition: u32,
}

/// Cheap to copy: all copies share the same figures.
#[derive(Clone)]
pub(crate) struct BusMetrics {
    /// In the order of [`What::NAMES`], like the next.
    published: [Counter; What::NAMES.len()],
    refused: [Counter; What::NAMES.len()],
    lag_records: Family<Partition, Gauge>,
    lag_seconds: Family<Partition, Gauge<f64, AtomicU64>>,
}

impl BusMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (published, refused) = (Family::default(), Family::default());
        let of = |family: &Family<OfRecord, Counter>| {
            What::NAMES.map(|record| family.get_or_create_owned(&OfRecord { record }))
        };
        let new = Self {
            published: of(&published),
            refused: of(&refused),
            lag_records: Family::default(),
            lag_seconds: Family::default(),
        };
        registry.register("bus_published", "Records published, by kind", published);
        registry.register(
            "bus_refused",
            "Records rejected because their partition was full",
            refused,
        );
        let help = "Records that the publish role has not consumed yet";
        registry.register("bus_lag_records", help, new.lag_records.clone());
        let help = "Age of the oldest unconsumed record; 0 without any";
        registry.register("bus_lag_seconds", help, new.lag_seconds.clone());
        new
    }

    pub(crate) fn published(&self, what: What) {
        self.published[what.index()].inc();
    }

    pub(crate) fn refused(&self, what: What) {
        self.refused[what.index()].inc();
    }

    /// Updates the lag of the partitions.
    pub(crate) fn scrape(&self, lags: impl Iterator<Item = (u32, Lag)>) {
        for (partition, lag) in lags {
            let label = Partition { partition };
            let records = i64::try_from(lag.records).unwrap_or(i64::MAX);
            self.lag_records.get_or_create(&label).set(records);
            self.lag_seconds.get_or_create(&label).set(lag.age.as_secs_f64());
        }
    }
}
