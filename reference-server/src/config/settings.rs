//! The settings that experiments vary: each remedy of a join storm and of a fetch storm as a switch.
//!
//! This block alone is what `hotchat --schema` describes; the doc comments become the schema's descriptions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fan_out::{Bus, Fetch, Push};
use super::hot_chat::{HotChat, PushOverrides, PushThrottle, TrailingPush};
use super::join_limit::{JoinLimit, JoinThrottle};
use super::labels::Labels;
use super::{Bounded, Breaker, Bulkhead, Span};

/// What a storm meets: how members are inserted and counted, how events reach them, and the limits of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How a member is inserted.
    pub(crate) insert: Insert,
    /// `innodb_autoinc_lock_mode` that every shard must have been started with; checked at start.
    pub(crate) autoinc_lock_mode: Bounded<0, 2>,
    /// Transaction isolation of every database connection.
    pub(crate) isolation: Isolation,
    /// What an acknowledged join survives; the shards' own options are checked at start.
    pub(crate) durability: Durability,
    /// How the members of a chat are counted, for every join and every question.
    pub(crate) member_count: MemberCount,
    /// Database connections, per shard.
    pub(crate) pool: Pool,
    /// Longest that one call's statements may take on a shard; then 504 `storage_timeout`.
    pub(crate) storage_timeout: Span<10, 600_000>,
    /// How often a call that a deadlock or lock wait time-out rolled back is tried again.
    pub(crate) deadlock_retries: Bounded<0, 100>,
    /// Limit on the requests of the public API in progress.
    pub(crate) requests: Requests,
    /// What is refused while calls on a shard fail or are slow (live).
    pub(crate) breaker: Breaker,
    /// How many calls may be on a shard at a time (live).
    pub(crate) bulkhead: Bulkhead,
    /// How long requests in progress may take to finish after SIGTERM.
    pub(crate) drain: Span<0, 600_000>,
    /// Fetching events (live).
    pub(crate) fetch: Fetch,
    /// The event log between the API and the publish role.
    pub(crate) bus: Bus,
    /// When a chat is marked hot (live).
    pub(crate) hot_chat: HotChat,
    /// What happens to the pushes of a hot chat (live).
    pub(crate) push_throttle: PushThrottle,
    /// What a member gets for pushes that were dropped (live).
    pub(crate) trailing_push: TrailingPush,
    /// Chats that are not left to the detector (live).
    pub(crate) push_overrides: PushOverrides,
    /// Who counts the joins of a chat (live).
    pub(crate) join_throttle: JoinThrottle,
    /// How many may join a chat (live).
    pub(crate) join_limit: JoinLimit,
    /// Members that are connected for pushes.
    pub(crate) push: Push,
    /// The countries and apps that requests are counted by.
    pub(crate) labels: Labels,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            insert: Insert::Values,
            autoinc_lock_mode: const { Bounded::new(2) },
            isolation: Isolation::ReadCommitted,
            durability: Durability::Full,
            member_count: MemberCount::Aggregate,
            pool: Pool::default(),
            storage_timeout: const { Span::from_millis(5000) },
            deadlock_retries: const { Bounded::new(5) },
            requests: Requests::default(),
            breaker: Breaker::default(),
            bulkhead: Bulkhead::default(),
            drain: const { Span::from_millis(5000) },
            fetch: Fetch::default(),
            bus: Bus::default(),
            hot_chat: HotChat::default(),
            push_throttle: PushThrottle::None,
            trailing_push: TrailingPush::Within(const { Span::from_millis(1500) }),
            push_overrides: PushOverrides::default(),
            join_throttle: JoinThrottle::None,
            join_limit: JoinLimit::default(),
            push: Push::default(),
            labels: Labels::default(),
        }
    }
}

/// How a member is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Insert {
    /// `INSERT … SELECT … WHERE NOT EXISTS (…)`, which `InnoDB` treats as a bulk insert: before the remedy.
    SelectNotExists,
    /// `INSERT … VALUES (…)`; duplicates are left to the unique keys: after the remedy.
    Values,
}

/// Transaction isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// No gap locks: what lock mode 2 wants.
    ReadCommitted,
    /// The server's own default; sub-selects take gap locks.
    RepeatableRead,
}

/// What an acknowledged join survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// Killing the database or the machine.
    Full,
    /// Killing the database; the last second is lost with the machine.
    Relaxed,
}

/// How the members of a chat are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberCount {
    /// `COUNT(*)` over the rows, every time.
    Scan,
    /// The same behind the query cache of `MariaDB`, which every join invalidates.
    QueryCache,
    /// One row per chat that every join and leave updates in its own transaction.
    Aggregate,
    /// Several such rows per chat, added up when read.
    AggregateSlots(Slots),
}

/// How many rows share a chat's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slots {
    /// Rows per chat.
    #[serde(default = "sixteen")]
    pub(crate) slots: Bounded<1, 256>,
}

fn sixteen() -> Bounded<1, 256> {
    const { Bounded::new(16) }
}

/// Database connections of the server, per shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pool {
    /// Connections open at most.
    pub(crate) size: Bounded<1, 1000>,
    /// Longest wait for a free one; then 503 `overloaded`.
    pub(crate) acquire_timeout: Span<1, 600_000>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            size: const { Bounded::new(64) },
            acquire_timeout: const { Span::from_millis(2000) },
        }
    }
}

/// The limit on requests in progress: what a pool of threads would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Requests {
    /// Requests worked on at a time.
    pub(crate) in_progress: Bounded<1, 100_000>,
    /// Requests waiting for their turn; those beyond get 503 `overloaded` at once.
    pub(crate) waiting: Bounded<0, 100_000>,
    /// Longest wait for a turn; then 503 `overloaded`.
    pub(crate) wait: Span<0, 60_000>,
    /// Longest that a request may take in all, from its arrival; every wait on its way ends with it: 503 `overloaded` while it waits
    /// for its turn, 504 `storage_timeout` when the shard was too slow.
    pub(crate) deadline: Span<10, 600_000>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            in_progress: const { Bounded::new(256) },
            waiting: const { Bounded::new(1024) },
            wait: const { Span::from_millis(500) },
            deadline: const { Span::from_millis(5000) },
        }
    }
}
