//! A database that bmt did not start: what it lets be seen, without changing anything there.
//!
//! Only statements that read are sent, and settings of the observer's own session: nothing is switched on that is off.
//! A user without the privilege `PROCESS` may be shown no transactions but its own, and no error: so it is asked for
//! first, and without it nothing is taken for a figure. Whoever is refused does not ask again: other servers lock an
//! account for that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Executor as _, Row as _};

use super::address::Address;

/// A connection that failed is not opened again sooner.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Of MariaDB and of MySQL, which lacks some of them.
const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
    ('Innodb_row_lock_waits', 'Innodb_row_lock_time', 'Innodb_deadlocks', 'Threads_running', 'Threads_connected', 'Questions', \
    'Connections', 'Aborted_connects', 'Connection_errors_max_connections')";

/// All columns: the one that says whether a counter is on has another name in each of the two.
const METRICS: &str =
    "SELECT * FROM information_schema.INNODB_METRICS WHERE NAME IN ('lock_table_lock_waits', 'lock_deadlocks')";

/// Ends a statement of ours that takes long; MySQL calls it differently, and neither knows the other's.
const SESSION: [&str; 2] = [
    "SET SESSION max_statement_time = 1",
    "SET SESSION max_execution_time = 1000",
];

/// What is known of somebody else's database.
#[derive(Debug)]
pub(super) struct Foreign {
    address: Address,
    /// Why nothing more is asked.
    refused: Option<String>,
    last_try: Option<Instant>,
    asked: u64,
    failed: u64,
    problem: String,
    /// Counters that are off.
    off: Vec<&'static str>,
}

impl Foreign {
    pub(super) fn new(address: &Address) -> Self {
        Self {
            address: address.clone(),
            refused: None,
            last_try: None,
            asked: 0,
            failed: 0,
            problem: String::new(),
            off: Vec::new(),
        }
    }

    /// Whether a connection may be opened now.
    pub(super) fn may_connect(&mut self) -> bool {
        if self.refused.is_some() || self.last_try.is_some_and(|last| last.elapsed() < AGAIN_AFTER) {
            return false;
        }
        self.last_try = Some(Instant::now());
        true
    }

    /// Prepares a new connection; an error where nothing may be seen.
    pub(super) async fn begin(&mut self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        for statement in SESSION {
            let _ = connection.execute(statement).await;
        }
        let metrics = match connection.fetch_all(METRICS).await {
            // Some versions say so, others show nothing.
            Err(error) if is_refusal(&error) => Vec::new(),
            other => other?,
        };
        if metrics.is_empty() {
            self.refused = Some("its user lacks the privilege PROCESS, so locks of others cannot be seen".to_owned());
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(())
    }

    /// Counters by their names in lower case; those that are off or not known are left out.
    pub(super) async fn counters(
        &mut self,
        connection: &mut MySqlConnection,
    ) -> Result<BTreeMap<String, u64>, sqlx::Error> {
        let mut counters = BTreeMap::new();
        for row in connection.fetch_all(STATUS).await? {
            let (name, value): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(value) = value.parse() {
                counters.insert(name.to_ascii_lowercase(), value);
            }
        }
        self.off.clear();
        for row in connection.fetch_all(METRICS).await? {
            let name: String = row.try_get("NAME")?;
            let (name, shown) = match name.as_str() {
                "lock_table_lock_waits" => ("lock_table_lock_waits", "lock_table_lock_waits"),
                // MariaDB counts deadlocks in a variable as well, whatever is on.
                "lock_deadlocks" if !counters.contains_key("innodb_deadlocks") => {
                    ("innodb_deadlocks", "lock_deadlocks")
                }
                _ => continue,
            };
            if is_on(&row) {
                counters.insert(name.to_owned(), row.try_get::<i64, _>("COUNT")?.unsigned_abs());
            } else {
                self.off.push(shown);
            }
        }
        Ok(counters)
    }

    /// It was asked, and answered or not; a time-out is no error of the database's.
    pub(super) fn note(&mut self, error: Option<Option<&sqlx::Error>>) {
        self.asked += 1;
        let Some(error) = error else { return };
        self.failed += 1;
        self.problem = error.map_or("no answer within 1s".to_owned(), words);
        if error.is_some_and(is_refusal) {
            self.refused
                .get_or_insert_with(|| "it refused the user or the database".to_owned());
        }
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let address = &self.address;
        if let Some(refused) = &self.refused {
            return vec![format!("observe.mysql: {address} is not observed: {refused}")];
        }
        let mut notes = Vec::new();
        if self.failed > 0 {
            notes.push(format!(
                "observe.mysql: {address} did not answer {} of {} times: {}",
                self.failed, self.asked, self.problem
            ));
        }
        let off = self.off.iter().map(|name| {
            format!(
                "observe.mysql: {name} is off on {address}, so that figure is unknown; whoever runs it may say SET GLOBAL \
                 innodb_monitor_enable = '{name}'"
            )
        });
        notes.into_iter().chain(off).collect()
    }
}

/// MySQL says `enabled`, MariaDB 1.
fn is_on(row: &MySqlRow) -> bool {
    let is_enabled = row
        .try_get::<String, _>("STATUS")
        .is_ok_and(|status| status == "enabled");
    is_enabled || row.try_get::<i8, _>("ENABLED").is_ok_and(|enabled| enabled != 0)
}

/// What went wrong, without what the server says: that names the user.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => format!("error {}", error.code().unwrap_or_default()),
        sqlx::Error::Io(error) => error.kind().to_string(),
        sqlx::Error::Configuration(_) => "its address cannot be read".to_owned(),
        _ => "it does not speak as MariaDB and MySQL do".to_owned(),
    }
}

/// Access denied to the server (28000) or to the database or table (42000).
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "28000" | "42000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_told_without_user_and_tried_once_a_second() {
        let mut foreign = Foreign::new(&Address::new("mysql://u:secret@h/shop"));
        assert!(foreign.notes().is_empty());
        assert!(foreign.may_connect() && !foreign.may_connect());
        foreign.note(None);
        foreign.note(Some(None));
        assert_eq!(
            foreign.notes(),
            ["observe.mysql: mysql://h/shop did not answer 1 of 2 times: no answer within 1s"]
        );
    }
}
