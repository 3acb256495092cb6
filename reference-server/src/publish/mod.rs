//! The publish role: reads what has happened from the bus, finds the hot chats, and pushes each event to the members.
//!
//! One task per partition, records in order. Fetches are counted; a chat that crosses the limit is marked in Redis, where every
//! publish role can see it, with a short time to live. A send asks there whether its chat is hot, and the push follows the
//! rule for it. Nothing here is on the way of a request, so its being slow or stopped costs members only the time until they
//! learn of an event, and shows as lag.
//!
//! ```text
//! role.rs       started and stopped, as a whole
//! consumer.rs   one partition: reads, counts, pushes, commits
//! hot_chats.rs  which chats are hot: detector, marks and Redis together
//! marks.rs      the marks that this partition holds (pure)      known.rs   what Redis last said (pure)
//! ```

mod consumer;
mod hot_chats;
mod known;
mod marks;
mod role;

pub(crate) use role::{Parts, Role};

use crate::bus::Group;

/// The consumer group of the role.
pub(crate) const GROUP: Group = Group("publish");
