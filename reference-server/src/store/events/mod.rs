//! A chat's events: sending one, and fetching those after a revision.
//!
//! The revisions of a chat are 1, 2, 3, … in the order of the commits, and an answer ends before the first missing one:
//! a reader who fetches everything after the last revision seen misses nothing.

mod append;
mod fetch;

pub(crate) use fetch::Event;

use serde::{Deserialize, Serialize};
use sqlx::MySqlConnection;

use super::sql::run_one;

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Message,
    Reaction,
    Read,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Message, Self::Reaction, Self::Read];

    /// The name used by the database and the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Reaction => "reaction",
            Self::Read => "read",
        }
    }
}

/// Why a user may not send or fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventRefusal {
    NotMember,
    NoChat,
}

async fn is_member(connection: &mut MySqlConnection, chat: u64, user: u64) -> Result<bool, sqlx::Error> {
    let sql =
        format!("SELECT SQL_NO_CACHE 1 FROM members WHERE chat_id = {chat} AND user_id = {user} AND state = 'JOINED'");
    Ok(!run_one(connection, sql).await?.is_empty())
}

/// Distinguishes the two rejections; queried only after one.
async fn refusal(connection: &mut MySqlConnection, chat: u64) -> Result<EventRefusal, sqlx::Error> {
    let found = run_one(connection, format!("SELECT 1 FROM chats WHERE id = {chat}")).await?;
    Ok(if found.is_empty() {
        EventRefusal::NoChat
    } else {
        EventRefusal::NotMember
    })
}
