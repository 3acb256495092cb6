//! Statements as text, several in one round trip.
//!
//! Text rather than prepared statements (except for a fetch, see `events/fetch.rs`), for two reasons. The query cache
//! stores a prepared statement's answer under its text *and* its parameters only if the client requests it in a
//! particular way; the incident used plain text. And several statements in one packet (`BEGIN; INSERT …; UPDATE …;
//! COMMIT`) hold the hot row's lock for no round trip at all.
//!
//! Only integers and [`Text`] enter a statement; [`Text`] is written as a hexadecimal literal, which cannot carry an
//! injection.

use std::fmt;

use futures_util::TryStreamExt;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Either, MySqlConnection, Row};

/// A string as an SQL literal.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_utf8mb4 x'{}'", hex::encode(self.0))
    }
}

/// Result of one statement.
pub(crate) struct Answer {
    /// Rows inserted, or rows that an update's `WHERE` matched.
    pub(crate) affected: u64,
    /// The generated id, or the value set by `LAST_INSERT_ID(…)`.
    pub(crate) last_id: u64,
    pub(crate) rows: Vec<MySqlRow>,
}

impl Answer {
    /// The number in the first column of the first row; `None` without a row or for NULL.
    pub(crate) fn number(&self) -> Result<Option<u64>, sqlx::Error> {
        match self.rows.first() {
            None => Ok(None),
            Some(row) => row.try_get_unchecked::<Option<u64>, _>(0),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The second column of the first row.
    pub(crate) fn second_text(&self) -> Result<Option<String>, sqlx::Error> {
        self.rows
            .first()
            .map(|row| row.try_get_unchecked::<String, _>(1))
            .transpose()
    }
}

/// Runs all statements in one round trip; the first failure ends it and is returned.
///
/// A transaction begun before the failure is still open then.
pub(crate) async fn run(connection: &mut MySqlConnection, sql: String) -> Result<Vec<Answer>, sqlx::Error> {
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    let mut answers = Vec::with_capacity(5);
    let mut rows = Vec::new();
    while let Some(item) = stream.try_next().await? {
        match item {
            Either::Right(row) => rows.push(row),
            Either::Left(done) => answers.push(Answer {
                affected: done.rows_affected(),
                last_id: done.last_insert_id(),
                rows: std::mem::take(&mut rows),
            }),
        }
    }
    Ok(answers)
}

/// The answer to the only statement.
pub(crate) async fn run_one(connection: &mut MySqlConnection, sql: String) -> Result<Answer, sqlx::Error> {
    let mut answers = run(connection, sql).await?;
    answers
        .pop()
        .ok_or_else(|| sqlx::Error::Protocol("a statement got no answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_injected_through_a_text() {
        assert_eq!(Text("a'); DROP").to_string(), "_utf8mb4 x'6127293b2044524f50'");
        assert_eq!(Text("ü\0\\").to_string(), "_utf8mb4 x'c3bc005c'");
        assert_eq!(Text("").to_string(), "_utf8mb4 x''");
    }
}
