//! How the members of a chat are counted: the policies under test, one per file.
//!
//! Whatever the policy, the count matches the rows: after any storm it equals the rows with state JOINED. The counting
//! policies (`scan`, `query_cache`) need nothing for that. The aggregate ones change the count in the transaction that
//! changes the row, and only if the row really changed ([`super::change`]).

mod aggregate;
mod aggregate_slots;
mod query_cache;
mod scan;

use sqlx::MySqlConnection;

use super::sql;
use crate::config::MemberCount;

/// Whether a member joins or leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Joins,
    Leaves,
}

/// The policy in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Scan,
    QueryCache,
    Aggregate,
    AggregateSlots { slots: u32 },
}

impl Count {
    pub(crate) fn new(setting: MemberCount) -> Self {
        match setting {
            MemberCount::Scan => Self::Scan,
            MemberCount::QueryCache => Self::QueryCache,
            MemberCount::Aggregate => Self::Aggregate,
            MemberCount::AggregateSlots(slots) => Self::AggregateSlots {
                slots: slots.slots.get(),
            },
        }
    }

    /// Rows of `member_counts` per chat.
    pub(crate) fn rows_per_chat(self) -> u32 {
        match self {
            Self::Scan | Self::QueryCache => 0,
            Self::Aggregate => 1,
            Self::AggregateSlots { slots } => slots,
        }
    }

    /// Creates those rows for the chat inserted just before.
    pub(crate) fn create_sql(self) -> Option<String> {
        let rows: Vec<String> = (0..self.rows_per_chat())
            .map(|slot| format!("(LAST_INSERT_ID(), {slot}, 0)"))
            .collect();
        if rows.is_empty() {
            return None;
        }
        Some(format!(
            "INSERT INTO member_counts (chat_id, slot, joined) VALUES {}",
            rows.join(", ")
        ))
    }

    /// The statements after the one that changes a member's row, including the commit; `None` if that statement stands
    /// alone, as an autocommit statement.
    pub(super) fn after(self, chat: u64, user: u64, direction: Direction) -> Option<String> {
        match self {
            Self::Scan | Self::QueryCache => None,
            Self::Aggregate => Some(aggregate::after(chat, direction)),
            Self::AggregateSlots { slots } => Some(aggregate_slots::after(chat, user, slots, direction)),
        }
    }

    /// The count, from the answers to the statements of [`Count::after`].
    pub(super) fn in_answers(self, answers: &[sql::Answer]) -> Result<Option<u64>, sqlx::Error> {
        match self {
            Self::Scan | Self::QueryCache => Ok(None),
            Self::Aggregate => Ok(aggregate::count(answers)),
            Self::AggregateSlots { .. } => aggregate_slots::count(answers),
        }
    }

    /// Which of the count's rows a user belongs to.
    pub(crate) fn slot(self, user: u64) -> u32 {
        match self {
            Self::Scan | Self::QueryCache | Self::Aggregate => 0,
            Self::AggregateSlots { slots } => aggregate_slots::slot(user, slots),
        }
    }

    /// How many members the chat has; `None` if it does not exist.
    pub(crate) async fn read(self, connection: &mut MySqlConnection, chat: u64) -> Result<Option<u64>, sqlx::Error> {
        let sql = match self {
            Self::Scan => scan::sql(chat),
            Self::QueryCache => query_cache::sql(chat),
            Self::Aggregate | Self::AggregateSlots { .. } => aggregate_slots::read_sql(chat),
        };
        match sql::run_one(connection, sql).await?.number()? {
            // COUNT(*) of a chat that does not exist is 0 as well.
            Some(0) if self.rows_per_chat() == 0 => Ok(exists(connection, chat).await?.then_some(0)),
            count => Ok(count),
        }
    }
}

async fn exists(connection: &mut MySqlConnection, chat: u64) -> Result<bool, sqlx::Error> {
    let found = sql::run_one(connection, format!("SELECT 1 FROM chats WHERE id = {chat}")).await?;
    Ok(!found.is_empty())
}
