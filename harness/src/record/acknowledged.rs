//! Writes that the target acknowledged, so that afterwards they can be looked for: in cells with faults.
//!
//! Every write is kept as it is: 16 bytes a join, 24 bytes an event. Ranges of revisions would be smaller and could not
//! tell an event from another that was given its revision after it was lost.

use serde::{Deserialize, Serialize};

/// A member who was told that the join succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Joined {
    /// The chat.
    pub chat: u64,
    /// The user.
    pub user: u64,
}

/// A message whose sender was told its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
pub struct Sent {
    /// The chat.
    pub chat: u64,
    /// The revision.
    pub revision: u64,
    /// What it says: when it was meant to be sent.
    pub intended_ns: u64,
}

/// Writes that were acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acknowledged {
    /// Joins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Joined>,
    /// Messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
}

impl Acknowledged {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.joined.extend_from_slice(&other.joined);
        self.sent.extend_from_slice(&other.sent);
    }
}

// A file holds tens of thousands of these: arrays of numbers instead of objects.
impl From<(u64, u64)> for Joined {
    fn from((chat, user): (u64, u64)) -> Self {
        Self { chat, user }
    }
}

impl From<Joined> for (u64, u64) {
    fn from(joined: Joined) -> Self {
        (joined.chat, joined.user)
    }
}

impl From<(u64, u64, u64)> for Sent {
    fn from((chat, revision, intended_ns): (u64, u64, u64)) -> Self {
        Self {
            chat,
            revision,
            intended_ns,
        }
    }
}

impl From<Sent> for (u64, u64, u64) {
    fn from(sent: Sent) -> Self {
        (sent.chat, sent.revision, sent.intended_ns)
    }
}
