//! The publish role: consumes the bus, finds the hot chats, and pushes each event to the members.
//!
//! One task per partition, records in order. Fetches are counted; a chat that crosses the limit is marked in Redis,
//! where every publish role can see it, with a short time to live. For a send the role looks up whether the chat is
//! hot, and the push follows the rule for it. Nothing here is on the request path: if the role is slow or stopped,
//! members only learn of events later, which shows as lag.
//!
//! ```text
//! role.rs       starts and stops the whole role
//! consumer.rs   one partition: reads, counts, pushes, commits
//! hot_chats.rs  which chats are hot: detector, marks and Redis together
//! marks.rs      the marks that this partition holds (pure)      known.rs   the last answers of Redis (pure)
//! notices.rs    one partition, at its own pace: turns events into notifications
//! ```

mod consumer;
mod hot_chats;
mod known;
mod marks;
mod notices;
mod role;

pub(crate) use consumer::Parts;
pub(crate) use notices::Notices;
pub(crate) use role::Role;

use crate::bus::Group;

/// The consumer group of the role.
pub(crate) const GROUP: Group = Group("publish");

/// The group of the role's part that notifies: reading thousands of members must not delay a push.
pub(crate) const NOTICES: Group = Group("notices");
