//! What requests, members and whoever looks for acknowledged writes must agree on: the chats, the users, the text of a
//! message.
//!
//! A leaf.

use serde::Deserialize;

use crate::metric::Placement;

/// Messages of the generator carry the instant at which they were meant to be sent, so that whoever receives one knows
/// its age.
const MARK: &str = "at ";

/// Members that chats start with have ids from here; users that join are above 2^40.
pub(crate) const FIRST_MEMBER: u64 = 1 << 32;

/// A chat that requests can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chat {
    /// The server's id.
    pub id: u64,
    /// Where it lives, where that is known.
    pub placement: Option<Placement>,
    /// Its shard, where the server says so.
    pub shard: Option<u16>,
}

/// A member who fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) user: u64,
    /// The revision that the member has.
    pub(crate) after: u64,
    /// Most events to be returned at once.
    pub(crate) limit: u32,
}

/// What is pushed, and what acknowledges an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Revision {
    pub(crate) revision: u64,
}

/// The body of a message whose first attempt was due `intended_ns` after the start of the cell.
pub(crate) fn message(intended_ns: u64) -> String {
    format!("{MARK}{intended_ns}")
}

/// When a message with this body was due; `None` of any other text.
pub(crate) fn intended_ns(body: &str) -> Option<u64> {
    body.strip_prefix(MARK)?.parse().ok()
}
