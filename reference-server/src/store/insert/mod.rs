//! How a member's row is inserted: the policies under test, one per file.
//!
//! Each policy is one statement. It inserts one row and reports it as affected; or it inserts none, because the user
//! has a row or the name is taken (`select_not_exists`); or it violates a unique key (either policy, under
//! concurrency). Neither checks that the chat exists: the foreign key does, by a shared lock on the chat's row, which
//! nobody writes.

mod select_not_exists;
mod values;

use super::sql::Text;
use crate::config::Insert;

/// The policy in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insertion {
    SelectNotExists,
    Values,
}

impl Insertion {
    pub(crate) fn new(setting: Insert) -> Self {
        match setting {
            Insert::SelectNotExists => Self::SelectNotExists,
            Insert::Values => Self::Values,
        }
    }

    /// Whether the statement fails rather than insert nothing.
    pub(crate) fn is_certain(self) -> bool {
        match self {
            Self::SelectNotExists => false,
            Self::Values => true,
        }
    }

    pub(crate) fn sql(self, chat: u64, user: u64, name: &Text<'_>) -> String {
        match self {
            Self::SelectNotExists => select_not_exists::sql(chat, user, name),
            Self::Values => values::sql(chat, user, name),
        }
    }
}
