//! Where chats live: a fixed number of shards, each chat on exactly one.
//!
//! `chat_id mod shards` is the shard: `chat_id = local id × shards + shard`, so no look-up is needed, and the hot
//! chat's load lands on one shard, as intended.
//!
//! ```text
//! shard.rs      Shard: one call = breaker, bulkhead, a connection, a time limit, retries after deadlocks
//! isolation.rs  breaker and bulkhead in front of a call     cancel.rs  ends abandoned work in the database
//! connect.rs    how a connection is opened and when an idle one is no longer trusted
//! lease.rs      a connection in use; killed, not reused, unless given back
//! open.rs       starting: checks the shard's options, applies migrations
//! error.rs      what can go wrong, and what each database error number means
//! sql.rs        statements as text, several in one round trip
//! chats.rs      create a chat          membership.rs  join, leave
//! events/       send an event, fetch the events after a revision
//! is_member.rs  who may listen         members.rs     who belongs to a chat, page by page
//! change.rs     a member's row and the count change together
//! seed.rs       load many members      audit.rs       rows against count      missing.rs     acknowledged and missing
//! insert/, count/   the policies under test
//! ```

mod audit;
mod cancel;
mod change;
mod chats;
mod connect;
mod count;
mod error;
mod events;
mod insert;
mod is_member;
mod isolation;
mod lease;
mod members;
mod membership;
mod missing;
mod open;
mod retry;
mod seed;
mod shard;
mod sql;

use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use error::StoreError;
pub(crate) use events::{Event, EventRefusal, Kind};
pub(crate) use isolation::CallKind;
pub(crate) use membership::JoinRefusal;
pub(crate) use missing::Sent;
pub(crate) use shard::Shard;

use count::Count;
use insert::Insertion;

/// A chat's location: its shard, and its id there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: usize,
    pub(crate) local: u64,
}

/// All shards, and the policies in force.
pub(crate) struct Store {
    shards: Vec<Shard>,
    insertion: Insertion,
    count: Count,
    next: AtomicUsize,
}

impl Store {
    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard of a chat.
    pub(crate) fn shard_index(&self, chat_id: u64) -> usize {
        self.place(chat_id).shard
    }

    fn place(&self, chat_id: u64) -> Place {
        let shards = self.shards.len() as u64;
        Place {
            shard: usize::try_from(chat_id % shards).expect("less than the number of shards"),
            local: chat_id / shards,
        }
    }

    fn chat_id(&self, place: Place) -> u64 {
        place.local * self.shards.len() as u64 + place.shard as u64
    }

    fn shard_of(&self, place: Place) -> &Shard {
        &self.shards[place.shard]
    }

    /// New chats are spread over the shards in rotation.
    fn next_shard(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len()
    }
}
