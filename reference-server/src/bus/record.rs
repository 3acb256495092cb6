//! What is published.

use std::time::Duration;

/// Something that happened in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) chat_id: u64,
    /// When, since the Unix epoch, by the publisher's clock.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// An event was stored.
    Sent { revision: u64 },
    /// A member fetched events.
    Fetched,
    /// Somebody has become a member.
    Joined,
}

impl What {
    pub(crate) const NAMES: [&str; 3] = ["sent", "fetched", "joined"];

    /// Its place in [`What::NAMES`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Sent { .. } => 0,
            Self::Fetched => 1,
            Self::Joined => 2,
        }
    }

    /// Somebody waits for what follows from it.
    pub(crate) fn is_urgent(self) -> bool {
        matches!(self, Self::Sent { .. })
    }
}
