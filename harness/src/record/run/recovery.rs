//! What became of an operation after an overload.

use serde::{Deserialize, Serialize};

/// What became of the calls of one operation after a spike that more arrivals follow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Whole seconds behind the spike that were looked at.
    pub observed_s: f64,
    /// Seconds from the end of the spike until callers are answered as before it; `None` where that never happens in
    /// the seconds that were looked at.
    pub recovered_s: Option<f64>,
    /// Seconds from the end of the spike on in which less than half of the callers were answered `ok` at their first
    /// attempt.
    pub collapsed_s: f64,
    /// p99 of `ok` answers in the base phase before the first spike; `None` where there is none.
    pub base_p99_us: Option<u64>,
    /// Part of the callers who were answered `ok` at their first attempt, in the last three seconds; `None` where
    /// nobody came.
    pub goodput_share_end: Option<f64>,
    /// p99 of `ok` answers in those seconds.
    pub p99_us_end: Option<u64>,
}
