//! What keeps a sick shard to itself: the breaker and the bulkhead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Refuses calls of a kind at once while such calls on the shard fail or are slow; 503 `breaker_open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    /// What one breaker is for.
    pub(crate) scope: BreakerScope,
    /// Length of the window over which calls are judged.
    pub(crate) window: Span<10, 600_000>,
    /// Fewer calls than this in the window say nothing.
    pub(crate) minimum_calls: Bounded<1, 1_000_000>,
    /// It opens when this part of the calls failed: time-outs, no connection, a broken one.
    pub(crate) failure_rate: Fraction<1, 100>,
    /// A call that lasts so long is slow, whether it has ended or not.
    pub(crate) slow_call: Span<1, 600_000>,
    /// It opens when this part of the calls was slow.
    pub(crate) slow_rate: Fraction<1, 100>,
    /// How long it stays open.
    pub(crate) open: Span<1, 600_000>,
    /// `open` is longer or shorter by up to this part of it.
    pub(crate) jitter: Fraction<0, 100>,
    /// Calls that must be good before it closes, and most that try at a time.
    pub(crate) trials: Bounded<1, 1000>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            scope: BreakerScope::None,
            window: const { Span::from_millis(10_000) },
            minimum_calls: const { Bounded::new(20) },
            failure_rate: const { Fraction::new(0.5) },
            slow_call: const { Span::from_millis(1000) },
            slow_rate: const { Fraction::new(0.9) },
            open: const { Span::from_millis(2000) },
            jitter: const { Fraction::new(0.2) },
            trials: const { Bounded::new(3) },
        }
    }
}

/// What one breaker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerScope {
    /// There is none: before the remedy.
    None,
    /// A kind of call, on whichever shard: one sick shard then closes all to that call.
    Global,
    /// A kind of call on one shard.
    Shard,
}

/// Bounds the calls on a shard, so that a sick one cannot take every turn; those beyond get 503 `bulkhead_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bulkhead {
    /// What one bulkhead is for.
    pub(crate) scope: BulkheadScope,
    /// Calls on the shard at a time.
    pub(crate) in_progress: Bounded<1, 100_000>,
    /// Calls that may wait for that.
    pub(crate) waiting: Bounded<0, 100_000>,
    /// Longest wait.
    pub(crate) wait: Span<0, 60_000>,
}

impl Default for Bulkhead {
    fn default() -> Self {
        Self {
            scope: BulkheadScope::None,
            in_progress: const { Bounded::new(24) },
            waiting: const { Bounded::new(48) },
            wait: const { Span::from_millis(100) },
        }
    }
}

/// What one bulkhead is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BulkheadScope {
    /// There is none: before the remedy.
    None,
    /// One shard.
    Shard,
}
