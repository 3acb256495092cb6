//! Fetching: everything after a revision, and whether the caller may see it, in one statement.
//!
//! The member's row is looked up by its unique key, the events follow in the order of their primary key. The outer join
//! gives a member who has missed nothing one row without an event; who gets no row is no member. So the usual fetch, with
//! or without news, is one round trip, and only a refusal takes a second look.
//!
//! The rows are kept as they came from the wire and read when the answer is written: no event is copied in between.

use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row};

use super::super::Store;
use super::super::error::StoreError;
use super::super::sql::run_one;
use super::{EventRefusal, refusal};

/// One event, as it lies in the answer of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) revision: u64,
    pub(crate) kind: &'a str,
    pub(crate) user_id: u64,
    pub(crate) body: &'a str,
}

/// The rows of a fetch: one or more.
pub(crate) struct Fetched {
    shard: usize,
    rows: Vec<MySqlRow>,
}

impl Fetched {
    /// The events, by revision.
    pub(crate) fn events(&self) -> Result<Vec<Event<'_>>, StoreError> {
        let read: Result<Vec<_>, _> = self.rows.iter().filter_map(|row| event(row).transpose()).collect();
        read.map_err(|source| StoreError::Internal {
            shard: self.shard,
            source,
        })
    }
}

/// `None` for the row of a member who has missed nothing.
fn event(row: &MySqlRow) -> Result<Option<Event<'_>>, sqlx::Error> {
    let Some(revision) = row.try_get_unchecked::<Option<u64>, _>(0)? else {
        return Ok(None);
    };
    Ok(Some(Event {
        revision,
        kind: row.try_get_unchecked(1)?,
        user_id: row.try_get_unchecked(2)?,
        body: row.try_get_unchecked(3)?,
    }))
}

impl Store {
    /// At most `limit` events after revision `after`, for a member of the chat.
    pub(crate) async fn fetch(
        &self,
        chat_id: u64,
        user: u64,
        after: u64,
        limit: u32,
    ) -> Result<Result<Fetched, EventRefusal>, StoreError> {
        let place = self.place(chat_id);
        let (chat, shard) = (place.local, place.shard);
        let call = self
            .shard_of(place)
            .call(|connection| Box::pin(fetch(connection, chat, user, after, limit)));
        Ok(call.await?.map(|rows| Fetched { shard, rows }))
    }
}

async fn fetch(
    connection: &mut MySqlConnection,
    chat: u64,
    user: u64,
    after: u64,
    limit: u32,
) -> Result<Result<Vec<MySqlRow>, EventRefusal>, sqlx::Error> {
    let rows = run_one(connection, sql(chat, user, after, limit)).await?.rows;
    if rows.is_empty() {
        return refusal(connection, chat).await.map(Err);
    }
    Ok(Ok(rows))
}

fn sql(chat: u64, user: u64, after: u64, limit: u32) -> String {
    format!(
        "SELECT SQL_NO_CACHE e.revision, e.kind, e.user_id, e.body FROM members m \
         LEFT JOIN events e ON e.chat_id = {chat} AND e.revision > {after} \
         WHERE m.chat_id = {chat} AND m.user_id = {user} AND m.state = 'JOINED' ORDER BY e.revision LIMIT {limit}"
    )
}
