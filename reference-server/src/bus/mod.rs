//! The event bus: a partitioned, ordered log between the API and the publish role.
//!
//! Every send, fetch and completed join becomes a record. All records of a chat are in one partition, in the order in which
//! they were published, and a consumer group reads each partition from the offset that it has committed, again if need be. So
//! whoever counts a chat's fetches sees all of them, and a hot chat's backlog is that of one partition.
//!
//! Nothing here may slow the API down: a partition is bounded, and what finds it full is refused and counted. A fetch or a
//! join is refused at once, since it only counts; a send waits a little, since a push hangs on it. Its event is stored either
//! way, and its members learn of it with the next one.
//!
//! ```text
//! record.rs      what is published
//! log.rs         one partition's records and committed offsets (pure)
//! partition.rs   a log that many write and some wait for, bounded
//! in_process.rs  Bus in the memory of this process: gone when it is
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

/// A consumer group: it has an offset of its own in every partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) &'static str);

/// A record's place in its partition, counted from 0.
pub(crate) type Offset = u64;

/// What a partition has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition} of the bus is full; its consumer has to catch up")]
pub(crate) struct Full {
    pub(crate) partition: u32,
}

/// Why records cannot be read, or an offset not be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BusError {
    #[error("records from offset {from} are gone, the oldest left is {oldest}; go on from there")]
    Gone { from: Offset, oldest: Offset },
    #[error("offset {offset} is not between the committed {committed} and the end {end}; commit what was read")]
    NotReadYet {
        offset: Offset,
        committed: Offset,
        end: Offset,
    },
    #[error("no consumer group `{0}`; name it when the bus is made")]
    NoGroup(&'static str),
}

/// What a consumer wants of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) from: Offset,
    /// Records at most.
    pub(crate) max: usize,
    /// How long records that are not urgent may be kept back for others to come.
    pub(crate) linger: Duration,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Records not committed.
    pub(crate) records: u64,
    /// Age of the oldest of them; zero without any.
    pub(crate) age: Duration,
}

/// A partitioned log, here or elsewhere.
pub(crate) trait Bus: Send + Sync {
    fn partitions(&self) -> u32;

    /// Publishes if there is room at this moment.
    fn offer(&self, record: Record) -> Result<(), Full>;

    /// Publishes, waiting at most `wait` for room; before those who offer, in turn with the others who wait.
    fn publish(&self, record: Record, wait: Duration) -> BoxFuture<'_, Result<(), Full>>;

    /// One or more records from an offset on, in order; waits until there are any.
    fn consume(&self, partition: u32, read: Read) -> BoxFuture<'_, Result<Vec<Record>, BusError>>;

    /// Says that the group is done with all records before `next`.
    fn commit(&self, group: Group, partition: u32, next: Offset) -> BoxFuture<'_, Result<(), BusError>>;

    /// Where the group goes on.
    fn committed(&self, group: Group, partition: u32) -> BoxFuture<'_, Result<Offset, BusError>>;

    /// As of `now`, on the clock of the records.
    fn lag(&self, group: Group, partition: u32, now: Duration) -> Result<Lag, BusError>;
}

/// The partition of a chat: its id spread (multiplied by 2⁶⁴/φ, the high bits taken), so that chats of one shard do not share
/// a few partitions.
pub(crate) fn partition_of(chat_id: u64, partitions: u32) -> u32 {
    let hash = chat_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    u32::try_from((hash * u64::from(partitions)) >> 32).expect("less than the number of partitions")
}

#[cfg(test)]
mod tests;
