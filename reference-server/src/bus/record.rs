//! What is published.

use std::time::Duration;

use crate::store::Kind;

/// Something that happened in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) chat_id: u64,
    /// When it happened, since the Unix epoch, by the publisher's clock.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// `user` sent an event, and it was stored.
    Sent { revision: u64, kind: Kind, user: u64 },
    /// A member fetched events.
    Fetched,
    /// `user` became a member.
    Joined { user: u64 },
}

impl What {
    pub(crate) const NAMES: [&str; 3] = ["sent", "fetched", "joined"];

    /// Its position in [`What::NAMES`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Sent { .. } => 0,
            Self::Fetched => 1,
            Self::Joined { .. } => 2,
        }
    }

    /// Whether a push waits for this record.
    pub(crate) fn is_urgent(self) -> bool {
        matches!(self, Self::Sent { .. })
    }
}
