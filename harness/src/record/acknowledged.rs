//! What the target acknowledged, so that afterwards it can be asked for: in cells with faults.
//!
//! Every write is kept as it is: 16 bytes a join, 24 bytes an event. Ranges of revisions would be smaller and could not tell an event
//! from another that was given its revision after it was lost.

/// A member who was told that he joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The chat.
    pub chat: u64,
    /// The user.
    pub user: u64,
}

/// A message whose sender was told its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The chat.
    pub chat: u64,
    /// The revision.
    pub revision: u64,
    /// What it says: when it was meant to be sent.
    pub intended_ns: u64,
}

/// Writes that were acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Joins.
    pub joined: Vec<Joined>,
    /// Messages.
    pub sent: Vec<Sent>,
}

impl Acknowledged {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.joined.extend_from_slice(&other.joined);
        self.sent.extend_from_slice(&other.sent);
    }
}
