//! The throttle of joins: who counts, how many may join, and what is done without the one who counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Who counts the joins of a chat; each refuses those over `join_limit` with 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JoinThrottle {
    /// Nobody: before the remedy.
    None,
    /// The publish role, from completed joins on the bus: as late as the chat's partition.
    Bus,
    /// Redis, asked for every join.
    Redis,
    /// Each process for itself, in its memory: the limit is each process's own.
    Local,
    /// Each process in its memory, against its share of the limit; shares follow demand, agreed on through Redis in the background.
    LocalShared(LocalShared),
}

impl JoinThrottle {
    pub(crate) fn needs_redis(self) -> bool {
        matches!(self, Self::Redis | Self::LocalShared(_))
    }
}

/// How processes share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalShared {
    /// Processes that share it at most; the limit holds for so many.
    pub(crate) processes: Bounded<1, 1000>,
    /// The part of `joins / processes` that each may always use, without anybody's leave.
    #[serde(default = "a_fifth")]
    pub(crate) reserve: Fraction<1, 100>,
    /// How often the shares of busy chats are agreed on anew; a share lasts five times as long unless it is renewed.
    #[serde(default = "a_tenth_of_a_second")]
    pub(crate) reconcile: Span<10, 10_000>,
}

fn a_fifth() -> Fraction<1, 100> {
    const { Fraction::new(0.2) }
}

fn a_tenth_of_a_second() -> Span<10, 10_000> {
    const { Span::from_millis(100) }
}

/// How many may join a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JoinLimit {
    /// Joins of a chat in any `window`.
    pub(crate) joins: Bounded<1, 100_000_000>,
    /// Length of the window, wherever it begins.
    pub(crate) window: Span<100, 600_000>,
    /// What is done while the one who counts cannot be asked: Redis away, or the publish role stopped (`bus`).
    pub(crate) when_away: WhenAway,
}

impl Default for JoinLimit {
    fn default() -> Self {
        Self {
            joins: const { Bounded::new(300) },
            window: const { Span::from_millis(1000) },
            when_away: WhenAway::Open,
        }
    }
}

/// What is done while the one who counts cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenAway {
    /// Joins are admitted: all of them, or `joins / processes` by each process that shares the limit.
    Open,
    /// Joins are refused: all of them, or those beyond the reserve of a process that shares the limit.
    Closed,
}
