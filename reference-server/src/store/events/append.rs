//! Sending: the event gets the chat's next revision.
//!
//! The transaction that inserts the event increments the chat's row in `chat_revisions`. Its lock, held until the
//! commit, lets the next event in only when this one is committed, and a rollback takes the number back: revisions are
//! in the order of the commits and have no gaps. Everything goes in one packet, so the lock is held for no round trip.
//!
//! The update checks that the sender is a member. Otherwise it changes nothing, the revision stays NULL and the insert
//! fails, which ends the packet before its commit. The value goes through `LAST_INSERT_ID`, which is cleared first: the
//! session still holds the value of an earlier call.

use sqlx::MySqlConnection;

use super::super::error::{Meaning, StoreError, meaning};
use super::super::sql::{Text, run};
use super::super::{CallKind, Store};
use super::{EventRefusal, Kind, refusal};
use crate::deadline::Deadline;

impl Store {
    /// Stores an event; returns its revision.
    pub(crate) async fn send(
        &self,
        deadline: &Deadline,
        chat_id: u64,
        user: u64,
        kind: Kind,
        body: &str,
    ) -> Result<Result<u64, EventRefusal>, StoreError> {
        let place = self.place(chat_id);
        let sql = sql(place.local, user, kind, body);
        let call = self.shard_of(place).call(CallKind::Send, deadline, |connection| {
            Box::pin(append(connection, sql.clone(), place.local))
        });
        call.await
    }
}

async fn append(
    connection: &mut MySqlConnection,
    sql: String,
    chat: u64,
) -> Result<Result<u64, EventRefusal>, sqlx::Error> {
    match run(connection, sql).await {
        Ok(answers) => Ok(Ok(answers[UPDATE].last_id)),
        Err(error) if meaning(&error) == Meaning::NoRevision => {
            run(connection, "ROLLBACK".to_owned()).await?;
            refusal(connection, chat).await.map(Err)
        }
        Err(error) => Err(error),
    }
}

/// Index of the update among the statements.
const UPDATE: usize = 2;

fn sql(chat: u64, user: u64, kind: Kind, body: &str) -> String {
    let (kind, body) = (kind.name(), Text(body));
    format!(
        "BEGIN; DO LAST_INSERT_ID(0); \
         UPDATE chat_revisions SET revision = LAST_INSERT_ID(revision + 1) WHERE chat_id = {chat} AND EXISTS \
         (SELECT 1 FROM members WHERE chat_id = {chat} AND user_id = {user} AND state = 'JOINED'); \
         INSERT INTO events (chat_id, revision, user_id, kind, body) \
         VALUES ({chat}, NULLIF(LAST_INSERT_ID(), 0), {user}, '{kind}', {body}); COMMIT"
    )
}
