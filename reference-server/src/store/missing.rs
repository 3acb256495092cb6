//! Finds acknowledged members and events that are missing: used after a fault, with what the server had acknowledged.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{MySqlConnection, Row};

use super::error::StoreError;
use super::{Store, sql};

/// Time limit of the queries about one chat.
const LIMIT: Duration = Duration::from_secs(5);

/// An event that should be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) revision: u64,
    pub(crate) body: String,
}

/// What is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Users who are not members.
    pub(crate) users: Vec<u64>,
    /// Events whose revision holds nothing, or a different event.
    pub(crate) events: Vec<Sent>,
}

impl Store {
    /// What is missing of a chat's `users` and `events`.
    pub(crate) async fn missing(
        &self,
        chat_id: u64,
        users: Vec<u64>,
        events: Vec<Sent>,
    ) -> Result<Missing, StoreError> {
        let place = self.place(chat_id);
        let revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
        let members = (!users.is_empty()).then(|| members(place.local, &users));
        let stored = (!revisions.is_empty()).then(|| stored(place.local, &revisions));
        let call = self.shard_of(place).call_by_operator(LIMIT, |connection| {
            let (members, stored) = (members.clone(), stored.clone());
            Box::pin(async move {
                let members = numbers(connection, members).await?;
                Ok((members, bodies(connection, stored).await?))
            })
        });
        let (members, stored) = call.await?;
        let is_stored = |event: &Sent| stored.get(&event.revision) == Some(&event.body);
        Ok(Missing {
            users: users.into_iter().filter(|user| !members.contains(user)).collect(),
            events: events.into_iter().filter(|event| !is_stored(event)).collect(),
        })
    }
}

fn members(chat: u64, users: &[u64]) -> String {
    let users = list(users);
    format!(
        "SELECT SQL_NO_CACHE user_id FROM members WHERE chat_id = {chat} AND state = 'JOINED' AND user_id IN ({users})"
    )
}

fn stored(chat: u64, revisions: &[u64]) -> String {
    let revisions = list(revisions);
    format!("SELECT SQL_NO_CACHE revision, body FROM events WHERE chat_id = {chat} AND revision IN ({revisions})")
}

fn list(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(",")
}

async fn numbers(connection: &mut MySqlConnection, question: Option<String>) -> Result<HashSet<u64>, sqlx::Error> {
    let Some(question) = question else {
        return Ok(HashSet::new());
    };
    let rows = sql::run_one(connection, question).await?.rows;
    rows.iter().map(|row| row.try_get_unchecked(0)).collect()
}

async fn bodies(
    connection: &mut MySqlConnection,
    question: Option<String>,
) -> Result<HashMap<u64, String>, sqlx::Error> {
    let Some(question) = question else {
        return Ok(HashMap::new());
    };
    let rows = sql::run_one(connection, question).await?.rows;
    let pair = |row: &sqlx::mysql::MySqlRow| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
    rows.iter().map(pair).collect()
}
