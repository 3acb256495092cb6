//! Fetching: everything after a revision, and whether the caller may see it, in one statement.
//!
//! The member's row is a constant to the optimizer (looked up once, by its unique key), and the events follow in the
//! order of their primary key. An empty result needs a second look: there may be no events, or the caller may not see
//! them.
//!
//! Rejected: a `LEFT JOIN` from the member's row to the events, which answers both at once. It sorts in a temporary
//! table, which a TEXT column puts on disk: ten times the CPU time in the database.
//!
//! The statement is prepared once per connection, unlike all others (`sql.rs` explains why those are text): a hot chat
//! is fetched thousands of times a second, and parsing the same text each time took a fifth of the database's CPU time
//! (54 µs a fetch against 42, three pairs of runs of `workloads/hot-chat.yaml`).
//!
//! A reader must not skip an event, and the database alone does not guarantee that. `MariaDB` collects the transactions
//! in progress for a read view in a walk during which others commit: the view may show an event and not the one
//! committed just before it. Revisions have no gaps, so a hole in the rows can mean nothing else, and the next view
//! does not have it. A fetch that encounters a hole looks again, and never returns what lies behind one.
//!
//! The rows are kept as received and decoded when the response is written: no event is copied in between.

use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row};

use super::super::error::StoreError;
use super::super::{CallKind, Place, Store};
use super::{EventRefusal, is_member, refusal};
use crate::deadline::Deadline;

/// An event, borrowed from the database's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) revision: u64,
    pub(crate) kind: &'a str,
    pub(crate) user_id: u64,
    pub(crate) body: &'a str,
}

/// Attempts of a fetch that encounters holes.
const LOOKS: u32 = 4;

/// Consecutive events, starting right after the caller's cursor.
pub(crate) struct Fetched {
    shard: usize,
    rows: Vec<MySqlRow>,
    holes: u32,
}

impl Fetched {
    /// The events, in revision order.
    pub(crate) fn events(&self) -> Result<Vec<Event<'_>>, StoreError> {
        let read: Result<Vec<_>, _> = self.rows.iter().map(event).collect();
        read.map_err(|source| StoreError::Internal {
            shard: self.shard,
            source,
        })
    }

    /// How many holes the fetch encountered.
    pub(crate) fn holes(&self) -> u32 {
        self.holes
    }
}

fn event(row: &MySqlRow) -> Result<Event<'_>, sqlx::Error> {
    Ok(Event {
        revision: row.try_get_unchecked(0)?,
        kind: row.try_get_unchecked(1)?,
        user_id: row.try_get_unchecked(2)?,
        body: row.try_get_unchecked(3)?,
    })
}

impl Store {
    /// At most `limit` events after revision `after`, for a member of the chat.
    pub(crate) async fn fetch(
        &self,
        deadline: &Deadline,
        chat_id: u64,
        user: u64,
        after: u64,
        limit: u32,
    ) -> Result<Result<Fetched, EventRefusal>, StoreError> {
        let place = self.place(chat_id);
        let call = self.shard_of(place).call(CallKind::Fetch, deadline, |connection| {
            Box::pin(fetch(connection, place, user, after, limit))
        });
        call.await
    }
}

async fn fetch(
    connection: &mut MySqlConnection,
    place: Place,
    user: u64,
    after: u64,
    limit: u32,
) -> Result<Result<Fetched, EventRefusal>, sqlx::Error> {
    let (chat, shard) = (place.local, place.shard);
    let mut holes = 0;
    loop {
        let query = sqlx::query(FETCH)
            .bind(chat)
            .bind(after)
            .bind(chat)
            .bind(user)
            .bind(limit);
        let mut rows = query.fetch_all(&mut *connection).await?;
        if rows.is_empty() && !is_member(connection, chat, user).await? {
            return refusal(connection, chat).await.map(Err);
        }
        let seen = following(after, &rows)?;
        let hole = seen < rows.len();
        holes += u32::from(hole);
        if !hole || holes == LOOKS {
            rows.truncate(seen);
            return Ok(Ok(Fetched { shard, rows, holes }));
        }
    }
}

/// How many rows come before the first hole.
fn following(after: u64, rows: &[MySqlRow]) -> Result<usize, sqlx::Error> {
    for (place, row) in (1..).zip(rows) {
        if row.try_get_unchecked::<u64, _>(0)? != after.saturating_add(place) {
            return Ok(usize::try_from(place - 1).expect("one of the rows"));
        }
    }
    Ok(rows.len())
}

const FETCH: &str = "SELECT SQL_NO_CACHE revision, kind, user_id, body FROM events WHERE chat_id = ? AND revision > ? \
     AND (SELECT state FROM members WHERE chat_id = ? AND user_id = ?) = 'JOINED' ORDER BY revision LIMIT ?";
