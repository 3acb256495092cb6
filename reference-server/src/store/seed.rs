//! Loads many members at once, so that a rehearsal does not begin in an empty chat.

use std::fmt::Write;
use std::time::Duration;

use sqlx::MySqlConnection;

use super::Store;
use super::count::Count;
use super::error::{Key, Meaning, StoreError, meaning};
use super::membership::JoinRefusal;
use super::sql::{Text, run};

/// Rows per statement: well under a megabyte, and within every statement time limit in use.
const ROWS: u64 = 1000;
const LIMIT: Duration = Duration::from_secs(120);

impl Store {
    /// Inserts members `first_user … first_user + number − 1`, named `seed-<user>`; returns the count afterwards.
    pub(crate) async fn seed(
        &self,
        chat_id: u64,
        first_user: u64,
        number: u64,
    ) -> Result<Result<u64, JoinRefusal>, StoreError> {
        let place = self.place(chat_id);
        let count = self.count;
        let call = self.shard_of(place).call_by_operator(LIMIT, |connection| {
            Box::pin(seed(connection, count, place.local, first_user..first_user + number))
        });
        call.await
    }
}

async fn seed(
    connection: &mut MySqlConnection,
    count: Count,
    chat: u64,
    users: std::ops::Range<u64>,
) -> Result<Result<u64, JoinRefusal>, sqlx::Error> {
    run(connection, "BEGIN".to_owned()).await?;
    let mut first = users.start;
    while first < users.end {
        let end = users.end.min(first + ROWS);
        if let Err(error) = run(connection, insert(chat, first..end)).await {
            let refusal = match meaning(&error) {
                Meaning::Duplicate(Key::User) => JoinRefusal::AlreadyMember,
                Meaning::Duplicate(Key::Name) => JoinRefusal::NameTaken,
                Meaning::NoParent => JoinRefusal::NoChat,
                _ => return Err(error),
            };
            run(connection, "ROLLBACK".to_owned()).await?;
            return Ok(Err(refusal));
        }
        first = end;
    }
    run(connection, format!("{}COMMIT", add(count, chat, users))).await?;
    Ok(count.read(connection, chat).await?.ok_or(JoinRefusal::NoChat))
}

fn insert(chat: u64, users: std::ops::Range<u64>) -> String {
    let mut sql = "INSERT INTO members (chat_id, user_id, name, state) VALUES ".to_owned();
    for user in users {
        let name = format!("seed-{user}");
        write!(sql, "({chat},{user},{},'JOINED'),", Text(&name)).expect("writing to a string never fails");
    }
    sql.pop();
    sql
}

/// One update per slot that got members; nothing if rows are counted.
fn add(count: Count, chat: u64, users: std::ops::Range<u64>) -> String {
    let mut per_slot = vec![0_u64; count.rows_per_chat() as usize];
    if !per_slot.is_empty() {
        for user in users {
            per_slot[count.slot(user) as usize] += 1;
        }
    }
    let added = per_slot.iter().enumerate().filter(|(_, n)| **n > 0);
    added
        .map(|(slot, n)| {
            format!("UPDATE member_counts SET joined = joined + {n} WHERE chat_id = {chat} AND slot = {slot}; ")
        })
        .collect()
}
