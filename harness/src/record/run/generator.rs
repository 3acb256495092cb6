//! How the generator did over a cell, and what observing cost.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// How the generator did over the whole cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Worker threads.
    pub threads: usize,
    /// CPU over wall time of the busiest worker in its busiest phase, 0 to 1.
    pub cpu_max: f64,
    /// Time in which a worker could have run and waited for a CPU, over wall time: the worst worker in its worst phase,
    /// 0 to 1; `None` where the kernel does not say.
    pub run_delay_max: Option<f64>,
    /// When the pacer woke − intended.
    pub schedule_lag_us: Quantiles,
    /// Arrivals that were scheduled and never sent.
    pub unsent: u64,
    /// Durations above one hour.
    pub clipped: u64,
}

/// What observing cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObserverCost {
    /// CPU seconds of the observing thread.
    pub cpu_s: f64,
    /// Queries sent to the shards.
    pub queries: u64,
    /// Mean time of one such query; `None` of none.
    pub query_mean_us: Option<f64>,
    /// Samples that nobody took in time, and that the next ones made up for.
    pub samples_dropped: u64,
    /// CPU seconds that the shards spent on answering them; `None` where their threads cannot be seen.
    pub database_cpu_s: Option<f64>,
    /// The same over the length of the cell: part of one core.
    pub database_share: Option<f64>,
    /// What could not be seen, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
