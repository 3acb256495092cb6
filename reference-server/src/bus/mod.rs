//! The event bus: a partitioned, ordered log between the API and the publish role.
//!
//! Every send, fetch and completed join becomes a record. All records of a chat are in one partition, in the order in
//! which they were published. A consumer group reads each partition from its committed offset, repeatedly if need be.
//! So one consumer sees all fetches of a chat, and a hot chat backs up only one partition.
//!
//! The bus must not slow the API down: partitions are bounded, and records for a full one are rejected and counted. A
//! fetch or a join is rejected at once, since it is only counted; a send waits briefly, since a push depends on it. Its
//! event is stored either way, and members learn of it with the next one.
//!
//! ```text
//! record.rs      what is published
//! log.rs         one partition's records and committed offsets (pure)
//! partition.rs   a bounded log with many writers and waiting consumers
//! in_process.rs  Bus in this process's memory: lost with the process
//! publisher.rs   what the routes call; counts
//! ```

mod in_process;
mod log;
mod partition;
mod publisher;
mod record;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub(crate) use in_process::InProcess;
pub(crate) use publisher::Publisher;
pub(crate) use record::{Record, What};

/// A consumer group, with its own offset in every partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) &'static str);

/// A record's position in its partition, counted from 0.
pub(crate) type Offset = u64;

/// The partition is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition} of the bus is full; wait for its consumer to catch up")]
pub(crate) struct Full {
    pub(crate) partition: u32,
}

/// Why records cannot be read, or an offset cannot be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BusError {
    #[error("records from offset {from} were dropped, the oldest kept is {oldest}; continue from there")]
    Gone { from: Offset, oldest: Offset },
    #[error(
        "offset {offset} is not between the committed {committed} and the end {end}; commit only records that were read"
    )]
    NotReadYet {
        offset: Offset,
        committed: Offset,
        end: Offset,
    },
    #[error("no consumer group `{0}`; name it when creating the bus")]
    NoGroup(&'static str),
}

/// A consumer's read request to a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) from: Offset,
    /// Maximum number of records.
    pub(crate) max: usize,
    /// How long non-urgent records may be held back to let more accumulate.
    pub(crate) linger: Duration,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Uncommitted records.
    pub(crate) records: u64,
    /// Age of the oldest uncommitted record; zero without any.
    pub(crate) age: Duration,
}

/// A partitioned log, local or remote.
pub(crate) trait Bus: Send + Sync {
    fn partitions(&self) -> u32;

    /// Publishes if there is room right now.
    fn offer(&self, record: Record) -> Result<(), Full>;

    /// Publishes, waiting at most `wait` for room. Waiting publishers are served in order and before callers of
    /// [`Self::offer`].
    fn publish(&self, record: Record, wait: Duration) -> BoxFuture<'_, Result<(), Full>>;

    /// One or more records from an offset on, in order; waits until there are any.
    fn consume(&self, partition: u32, read: Read) -> BoxFuture<'_, Result<Vec<Record>, BusError>>;

    /// Commits all records before `next` for the group.
    fn commit(&self, group: Group, partition: u32, next: Offset) -> BoxFuture<'_, Result<(), BusError>>;

    /// The offset from which the group continues.
    fn committed(&self, group: Group, partition: u32) -> BoxFuture<'_, Result<Offset, BusError>>;

    /// The group's lag as of `now`, on the clock of the records.
    fn lag(&self, group: Group, partition: u32, now: Duration) -> Result<Lag, BusError>;
}

/// A chat's partition. The id is spread (multiplied by 2⁶⁴/φ, high bits taken), so that the chats of one shard do not
/// share a few partitions.
pub(crate) fn partition_of(chat_id: u64, partitions: u32) -> u32 {
    let hash = chat_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    u32::try_from((hash * u64::from(partitions)) >> 32).expect("less than the number of partitions")
}

#[cfg(test)]
mod tests;
