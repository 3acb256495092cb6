//! What contains a failing shard: the breaker and the bulkhead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Rejects calls of a kind at once while such calls to the shard fail or are slow, with 503 `breaker_open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    /// What one breaker covers.
    pub(crate) scope: BreakerScope,
    /// Length of the window over which calls are judged.
    pub(crate) window: Span<10, 600_000>,
    /// With fewer calls than this in the window, the rates are not judged.
    pub(crate) minimum_calls: Bounded<1, 1_000_000>,
    /// The breaker opens when this share of the calls failed: time-outs, no connection, broken connections.
    pub(crate) failure_rate: Fraction<1, 100>,
    /// A call that lasts this long is slow, whether it has ended or not.
    pub(crate) slow_call: Span<1, 600_000>,
    /// The breaker opens when this share of the calls was slow.
    pub(crate) slow_rate: Fraction<1, 100>,
    /// How long the breaker stays open.
    pub(crate) open: Span<1, 600_000>,
    /// `open` varies by up to this share of itself in either direction.
    pub(crate) jitter: Fraction<0, 100>,
    /// Trial calls that must succeed before the breaker closes, and the maximum in progress.
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

/// What one breaker covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerScope {
    /// No breaker: before the remedy.
    None,
    /// One kind of call, over all shards: one failing shard then blocks that call on all of them.
    Global,
    /// One kind of call on one shard.
    Shard,
}

/// Bounds the calls to a shard, so that a failing one cannot occupy all request slots; calls beyond it get 503
/// `bulkhead_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bulkhead {
    /// What one bulkhead covers.
    pub(crate) scope: BulkheadScope,
    /// Maximum number of calls in progress on the shard.
    pub(crate) in_progress: Bounded<1, 100_000>,
    /// Maximum number of calls waiting for a slot.
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

/// What one bulkhead covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BulkheadScope {
    /// No bulkhead: before the remedy.
    None,
    /// One shard.
    Shard,
}
