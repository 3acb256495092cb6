//! What the workload asks to have observed besides, in one phase.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named series, and the sockets of named processes. Their CPU and memory are with those of the other processes, as
/// `server`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObservedSide {
    /// By the name that the workload gives it; `None` where it was not seen in the phase.
    pub series: BTreeMap<String, Option<SeriesResult>>,
    /// Most TCP sockets that were in each state at once; `None` where nobody looked, or may not.
    #[serde(default)]
    pub sockets_max: Option<BTreeMap<String, u64>>,
}

/// What a named series was in one phase, in its own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SeriesResult {
    /// A counter; of several, their sum.
    Counter {
        /// How much it grew between the readings.
        increase: f64,
        /// The same, for each second of the observed part of the phase.
        rate: f64,
    },
    /// A gauge; of several, the largest.
    Gauge {
        /// The largest reading.
        max: f64,
        /// The last one.
        last: f64,
    },
    /// A histogram; of several, their sum by bucket.
    Histogram {
        /// Values that came.
        count: u64,
        /// Their mean.
        mean: Option<f64>,
        /// Quantiles, linear within their bucket; `None` where too few values came for them.
        p50: Option<f64>,
        /// See `p50`.
        p90: Option<f64>,
        /// See `p50`.
        p99: Option<f64>,
        /// See `p50`.
        p999: Option<f64>,
    },
}
