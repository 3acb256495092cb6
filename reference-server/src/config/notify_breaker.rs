//! The breaker of a queue of notifications.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Drops notifications at once while those before them fail or are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotifyBreaker {
    /// What one breaker covers.
    pub(crate) scope: NotifyBreakerScope,
    /// Length of the window over which notifications are judged.
    pub(crate) window: Span<10, 600_000>,
    /// With fewer notifications than this in the window, the rates are not judged.
    pub(crate) minimum_calls: Bounded<1, 1_000_000>,
    /// The breaker opens when this share failed: no connection, no answer, an answer of 429 or from 500 on.
    pub(crate) failure_rate: Fraction<1, 100>,
    /// A notification that takes this long is slow, whether it is answered or not.
    pub(crate) slow_call: Span<1, 600_000>,
    /// The breaker opens when this share was slow.
    pub(crate) slow_rate: Fraction<1, 100>,
    /// How long the breaker stays open.
    pub(crate) open: Span<1, 600_000>,
    /// `open` varies by up to this share of itself in either direction.
    pub(crate) jitter: Fraction<0, 100>,
    /// Trials that must succeed before the breaker closes, and the maximum in progress.
    pub(crate) trials: Bounded<1, 1000>,
}

impl Default for NotifyBreaker {
    fn default() -> Self {
        Self {
            scope: NotifyBreakerScope::None,
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
pub(crate) enum NotifyBreakerScope {
    /// No breaker: before the remedy.
    None,
    /// One queue: all roles if they share it, else one role.
    Queue,
}
