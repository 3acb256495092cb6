//! The admission policy: what happens when more requests arrive than are served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Who is admitted, after how long and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestPolicy {
    /// First come, first served; everybody waits for at most `wait`: before the remedy.
    BoundedFifo,
    /// While no request finds a free slot, waits are short and the newest request goes first.
    Codel(CodelPolicy),
    /// The limit on requests in progress follows their latency; `in_progress` is its maximum.
    Gradient(GradientPolicy),
    /// Under overload the least important requests are shed at once: by what they do, then by a hash of the user that
    /// changes every hour.
    Dagor(DagorPolicy),
}

impl RequestPolicy {
    pub(crate) fn has_priorities(self) -> bool {
        matches!(self, Self::Dagor(_))
    }
}

/// Controlled delay with adaptive LIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CodelPolicy {
    /// Longest wait under overload.
    pub(crate) target: Span<0, 60_000>,
    /// Longest wait otherwise; it is an overload when no slot has been free for so long.
    pub(crate) interval: Span<1, 60_000>,
}

impl Default for CodelPolicy {
    fn default() -> Self {
        Self {
            target: const { Span::from_millis(5) },
            interval: const { Span::from_millis(100) },
        }
    }
}

/// The limit that adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GradientPolicy {
    /// The least limit, with which it starts and probes.
    pub(crate) min: Bounded<1, 100_000>,
    /// By what factor requests may be slower than without contention before the limit falls.
    pub(crate) tolerance: Fraction<100, 1000>,
    /// What is left of the limit after a window in which more than 1 % of the requests timed out or waited for a
    /// connection in vain.
    pub(crate) backoff: Fraction<1, 99>,
    /// How often the limit moves.
    pub(crate) window: Span<10, 60_000>,
    /// How long the limit may be in use before the latency without contention is measured again, at `min`.
    pub(crate) probe: Span<1000, 3_600_000>,
}

impl Default for GradientPolicy {
    fn default() -> Self {
        Self {
            min: const { Bounded::new(8) },
            tolerance: const { Fraction::new(1.5) },
            backoff: const { Fraction::new(0.9) },
            window: const { Span::from_millis(100) },
            probe: const { Span::from_millis(30_000) },
        }
    }
}

/// Priority levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DagorPolicy {
    /// Longest duration of a window, at the end of which the level moves.
    pub(crate) window: Span<10, 60_000>,
    /// Maximum number of requests of a window.
    pub(crate) window_requests: Bounded<1, 1_000_000>,
    /// It is an overload when the mean wait of a window is longer.
    pub(crate) queue_delay: Span<0, 60_000>,
    /// The share of the admitted requests by which an overload lowers the level.
    pub(crate) down: Fraction<1, 99>,
    /// The share of all requests by which the level rises otherwise.
    pub(crate) up: Fraction<1, 100>,
}

impl Default for DagorPolicy {
    fn default() -> Self {
        Self {
            window: const { Span::from_millis(1000) },
            window_requests: const { Bounded::new(2000) },
            queue_delay: const { Span::from_millis(20) },
            down: const { Fraction::new(0.05) },
            up: const { Fraction::new(0.01) },
        }
    }
}
