//! When a chat is hot, and how its pushes are throttled then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtMost, Bounded, Fraction, Span};

/// When a chat is marked hot, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HotChat {
    /// Fetches a chat may have in any `window`; one more marks it hot.
    pub(crate) fetches: Bounded<1, 100_000_000>,
    /// Length of the window, wherever it begins.
    pub(crate) window: Span<100, 600_000>,
    /// The mark is renewed until the chat's fetches in the window fall below this share of `fetches`.
    pub(crate) release: Fraction<1, 100>,
    /// How long a mark lasts after its last renewal.
    pub(crate) ttl: Span<100, 3_600_000>,
    /// Behaviour while Redis, which holds the marks, is unreachable.
    pub(crate) without_redis: WithoutRedis,
}

impl Default for HotChat {
    fn default() -> Self {
        Self {
            fetches: const { Bounded::new(5000) },
            window: const { Span::from_millis(5000) },
            release: const { Fraction::new(0.5) },
            ttl: const { Span::from_millis(10_000) },
            without_redis: WithoutRedis::Unthrottled,
        }
    }
}

/// Behaviour while Redis is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WithoutRedis {
    /// No chat counts as hot: every push is sent, and storage takes the load.
    Unthrottled,
    /// Chats keep their last known state.
    LastKnown,
}

/// How pushes of a hot chat are throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushThrottle {
    /// All are sent: before the remedy.
    None,
    /// Every member loses the same share of pushes, taking turns.
    Fixed(FixedDrop),
}

/// One share for every hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixedDrop {
    /// Share of the pushes that is dropped: at 0.9 a member gets one in ten.
    pub(crate) drop: Fraction<0, 100>,
}

/// What a member gets after dropped pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrailingPush {
    /// Nothing: when the last push of a burst is dropped, the member stays behind until something else happens.
    None,
    /// One push for the newest revision, at most this long after the first push dropped since the member's last one.
    Within(Span<1, 60_000>),
}

/// Chats exempt from the detector's judgement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PushOverrides {
    /// Ids of chats whose pushes are never dropped; takes precedence over `always`.
    pub(crate) never: AtMost<u64, 1000>,
    /// Ids of chats that count as hot whatever their fetches.
    pub(crate) always: AtMost<u64, 1000>,
}
