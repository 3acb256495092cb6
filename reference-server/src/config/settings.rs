//! The settings that experiments vary: each remedy for a join storm or a fetch storm is a switch.
//!
//! `hotchat --schema` describes this block only; the doc comments become the schema's descriptions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fan_out::{Bus, Fetch, Push};
use super::hot_chat::{HotChat, PushOverrides, PushThrottle, TrailingPush};
use super::join_limit::{JoinLimit, JoinThrottle};
use super::labels::Labels;
use super::notify::Notify;
use super::{Bounded, Breaker, Bulkhead, RequestPolicy, Span};

/// How the server handles a storm: how members are inserted and counted, how events reach them, and the server's
/// limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How a member is inserted.
    pub(crate) insert: Insert,
    /// `innodb_autoinc_lock_mode` with which every shard must have been started; checked at start.
    pub(crate) autoinc_lock_mode: Bounded<0, 2>,
    /// Transaction isolation of every database connection.
    pub(crate) isolation: Isolation,
    /// What an acknowledged join survives; the shards' own options are checked at start.
    pub(crate) durability: Durability,
    /// How the members of a chat are counted, on every join and every count request.
    pub(crate) member_count: MemberCount,
    /// Database connections per shard.
    pub(crate) pool: Pool,
    /// Longest time for one call's statements on a shard; after it 504 `storage_timeout`.
    pub(crate) storage_timeout: Span<10, 600_000>,
    /// How often a call is retried after a deadlock or lock wait time-out rolled it back.
    pub(crate) deadlock_retries: Bounded<0, 100>,
    /// Limit on requests in progress on the public API.
    pub(crate) requests: Requests,
    /// Rejects calls while those to a shard fail or are slow (live).
    pub(crate) breaker: Breaker,
    /// How many calls may be in progress on a shard (live).
    pub(crate) bulkhead: Bulkhead,
    /// How long requests in progress may take to finish after SIGTERM.
    pub(crate) drain: Span<0, 600_000>,
    /// Fetching events (live).
    pub(crate) fetch: Fetch,
    /// The event log between the API and the publish role.
    pub(crate) bus: Bus,
    /// When a chat is marked hot (live).
    pub(crate) hot_chat: HotChat,
    /// How pushes of a hot chat are throttled (live).
    pub(crate) push_throttle: PushThrottle,
    /// What a member gets after dropped pushes (live).
    pub(crate) trailing_push: TrailingPush,
    /// Chats exempt from the detector's judgement (live).
    pub(crate) push_overrides: PushOverrides,
    /// Who counts the joins of a chat (live).
    pub(crate) join_throttle: JoinThrottle,
    /// How many users may join a chat (live).
    pub(crate) join_limit: JoinLimit,
    /// Members connected for pushes.
    pub(crate) push: Push,
    /// Notifications to members who are not online.
    pub(crate) notify: Notify,
    /// The countries and apps by which requests are counted.
    pub(crate) labels: Labels,
    /// CPU time that every admitted request burns on top, at most 10 ms (live). Only for testing whether a harness
    /// detects a slower build; never set it otherwise.
    pub(crate) burn_cpu: Span<0, 10>,
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
            notify: Notify::None,
            labels: Labels::default(),
            burn_cpu: const { Span::from_millis(0) },
        }
    }
}

/// How a member is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Insert {
    /// `INSERT … SELECT … WHERE NOT EXISTS (…)`, which `InnoDB` treats as a bulk insert: before the remedy.
    SelectNotExists,
    /// `INSERT … VALUES (…)`; the unique keys detect duplicates: after the remedy.
    Values,
}

/// Transaction isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// No gap locks: as lock mode 2 requires.
    ReadCommitted,
    /// The database's default; subqueries take gap locks.
    RepeatableRead,
}

/// What an acknowledged join survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// Killing the database or the machine.
    Full,
    /// Killing the database; losing the machine loses the last second.
    Relaxed,
}

/// How the members of a chat are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberCount {
    /// `COUNT(*)` over the rows, every time.
    Scan,
    /// The same behind `MariaDB`'s query cache, which every join invalidates.
    QueryCache,
    /// One row per chat, updated by every join and leave in its own transaction.
    Aggregate,
    /// Several such rows per chat, summed when read.
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

/// Database connections of the server per shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pool {
    /// Maximum number of open connections.
    pub(crate) size: Bounded<1, 1000>,
    /// Longest wait for a free connection; after it 503 `overloaded`.
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

/// The limit on requests in progress, comparable to a thread pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Requests {
    /// Who is admitted, after how long and in which order, when more requests arrive than are served.
    pub(crate) policy: RequestPolicy,
    /// Maximum number of requests in progress.
    pub(crate) in_progress: Bounded<1, 100_000>,
    /// Maximum number of waiting requests; further ones get 503 `overloaded` at once.
    pub(crate) waiting: Bounded<0, 100_000>,
    /// Longest wait for a slot; after it 503 `overloaded`.
    pub(crate) wait: Span<0, 60_000>,
    /// Total time limit of a request from its arrival, shared by all its waits: 503 `overloaded` if it expires in the
    /// queue, 504 `storage_timeout` if the shard was too slow.
    pub(crate) deadline: Span<10, 600_000>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            policy: RequestPolicy::BoundedFifo,
            in_progress: const { Bounded::new(256) },
            waiting: const { Bounded::new(1024) },
            wait: const { Span::from_millis(500) },
            deadline: const { Span::from_millis(5000) },
        }
    }
}
