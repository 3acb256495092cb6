//! What makes a chat hot, and what happens to its pushes then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtMost, Bounded, Fraction, Span};

/// When a chat is marked hot, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HotChat {
    /// Fetches in any `window` that a chat may have; one more and it is marked hot.
    pub(crate) fetches: Bounded<1, 100_000_000>,
    /// Length of the window, wherever it begins.
    pub(crate) window: Span<100, 600_000>,
    /// The mark is renewed until the chat's fetches in the window are fewer than this part of `fetches`.
    pub(crate) release: Fraction<1, 100>,
    /// How long a mark lasts after it was last renewed.
    pub(crate) ttl: Span<100, 3_600_000>,
    /// What is done while Redis, which holds the marks, cannot be reached.
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

/// What is done while Redis cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WithoutRedis {
    /// No chat counts as hot: every push is sent, and storage takes the load.
    Unthrottled,
    /// Chats stay as hot as they were last known to be.
    LastKnown,
}

/// What happens to the pushes of a hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushThrottle {
    /// All are sent: before the remedy.
    None,
    /// The same share of them is dropped for every member, by turns.
    Fixed(FixedDrop),
}

/// One share for every hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixedDrop {
    /// Part of the pushes that is dropped: at 0.9 a member gets one of ten.
    pub(crate) drop: Fraction<0, 100>,
}

/// What a member gets for the pushes that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrailingPush {
    /// Nothing: after the last push of a burst was dropped he is behind until something else happens.
    None,
    /// One push for the newest revision, at the latest so long after the first push dropped since his last one.
    Within(Span<1, 60_000>),
}

/// Chats that are not left to the detector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PushOverrides {
    /// Ids of chats whose pushes are never dropped; wins over `always`.
    pub(crate) never: AtMost<u64, 1000>,
    /// Ids of chats that count as hot whatever their fetches.
    pub(crate) always: AtMost<u64, 1000>,
}
