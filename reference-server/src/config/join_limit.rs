//! The join throttle: who counts, how many may join, and what happens while the counter is unavailable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Fraction, Span};

/// Who counts the joins of a chat; joins over `join_limit` are rejected with 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JoinThrottle {
    /// No throttle: before the remedy.
    None,
    /// The publish role, from completed joins on the bus: as late as the chat's partition.
    Bus,
    /// Redis, with a round trip for every join.
    Redis,
    /// Each process, in its own memory: the limit applies per process.
    Local,
    /// Each process, in its own memory, against its share of the limit; shares follow demand and are agreed through
    /// Redis in the background.
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
    /// Maximum number of processes that share the limit; the limit holds for up to this many.
    pub(crate) processes: Bounded<1, 1000>,
    /// The share of `joins / processes` that each process may always admit without a lease.
    #[serde(default = "a_fifth")]
    pub(crate) reserve: Fraction<1, 100>,
    /// How often the shares of busy chats are renegotiated; a share lasts five times as long unless renewed.
    #[serde(default = "a_tenth_of_a_second")]
    pub(crate) reconcile: Span<10, 10_000>,
}

fn a_fifth() -> Fraction<1, 100> {
    const { Fraction::new(0.2) }
}

fn a_tenth_of_a_second() -> Span<10, 10_000> {
    const { Span::from_millis(100) }
}

/// How many users may join a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JoinLimit {
    /// Joins of a chat in any `window`.
    pub(crate) joins: Bounded<1, 100_000_000>,
    /// Length of the window, wherever it begins.
    pub(crate) window: Span<100, 600_000>,
    /// Behaviour while the counter is unavailable: Redis unreachable, or the publish role stopped (`bus`).
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

/// Behaviour while the counter is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenAway {
    /// Joins are admitted: all of them, or `joins / processes` by each process that shares the limit.
    Open,
    /// Joins are rejected: all of them, or those beyond the reserve of a process that shares the limit.
    Closed,
}
