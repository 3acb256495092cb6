//! How a connection to a shard is opened, and when an idle one is no longer trusted.
//!
//! The pool is `deadpool` around the driver's connections, not the driver's own pool: that one sends a ping each time a
//! connection is returned (a round trip per request), and while a shard is down it retries silently until the acquire
//! time-out, so that a dead shard looks like a busy pool.
//!
//! Idle connections are not tested before use. Instead, when any connection to the shard breaks, all connections at
//! least as old as the break are discarded at their next use; so are those older than the kill connection, when that
//! was replaced.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection, MySqlConnection};

use super::sql;
use crate::config::{Isolation, Settings};

/// When a connection last broke, or the kill connection was replaced.
#[derive(Debug)]
pub(crate) struct Breaks {
    since: Instant,
    last_nanos: AtomicU64,
}

impl Breaks {
    pub(crate) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            since: now,
            last_nanos: AtomicU64::new(0),
        })
    }

    pub(crate) fn note(&self, now: Instant) {
        let nanos = u64::try_from(now.duration_since(self.since).as_nanos()).unwrap_or(u64::MAX);
        self.last_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    fn outlived_by(&self, created: Instant) -> bool {
        let last = self.last_nanos.load(Ordering::Relaxed);
        last == 0 || created > self.since + Duration::from_nanos(last)
    }
}

/// Opens connections with the session settings of the experiment.
#[derive(Debug)]
pub(crate) struct Connector {
    options: MySqlConnectOptions,
    session: String,
    breaks: Arc<Breaks>,
}

impl Connector {
    pub(crate) fn new(options: MySqlConnectOptions, session: String, breaks: Arc<Breaks>) -> Self {
        Self {
            options,
            session,
            breaks,
        }
    }
}

/// A connection, and its session number in the database.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) connection: MySqlConnection,
    pub(crate) id: u64,
}

impl Manager for Connector {
    type Type = Connected;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Connected, sqlx::Error> {
        let mut connection = MySqlConnection::connect_with(&self.options).await?;
        let start = format!("{}; SELECT CONNECTION_ID()", self.session);
        let answers = sql::run(&mut connection, start).await?;
        let id = answers.last().map(sql::Answer::number).transpose()?.flatten();
        let id = id.ok_or_else(|| sqlx::Error::Protocol("the database reported no session number".to_owned()))?;
        Ok(Connected { connection, id })
    }

    async fn recycle(&self, _: &mut Connected, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if self.breaks.outlived_by(metrics.created) {
            Ok(())
        } else {
            Err(RecycleError::message("older than the last broken connection"))
        }
    }
}

/// The driver's own session statements are left out: ours go in one round trip.
pub(crate) fn options(url: &str) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = MySqlConnectOptions::from_str(url)?;
    Ok(options
        .set_names(false)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .disable_statement_logging())
}

/// The statements that begin every session.
///
/// `max_statement_time` (`MariaDB` only) is slightly shorter than our own limit, so that the server ends a stuck
/// statement and its connection stays usable; our limit then covers a server that does not answer at all.
pub(crate) fn session(settings: &Settings, mariadb: bool) -> String {
    let isolation = match settings.isolation {
        Isolation::ReadCommitted => "READ COMMITTED",
        Isolation::RepeatableRead => "REPEATABLE READ",
    };
    let limit = settings.storage_timeout.get().as_secs_f64();
    let lock_wait = limit.ceil();
    let statement_time = if mariadb {
        format!(", max_statement_time={:.3}", limit * 0.95)
    } else {
        String::new()
    };
    format!(
        "SET NAMES utf8mb4; SET SESSION TRANSACTION ISOLATION LEVEL {isolation}; \
         SET SESSION sql_mode='STRICT_TRANS_TABLES', time_zone='+00:00', \
         innodb_lock_wait_timeout={lock_wait}{statement_time}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_break_only_younger_connections_are_trusted() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let breaks = Breaks::new(start);
        assert!(breaks.outlived_by(at(0)));
        breaks.note(at(50));
        assert!(!breaks.outlived_by(at(10)) && !breaks.outlived_by(at(50)));
        assert!(breaks.outlived_by(at(51)));
        breaks.note(at(20)); // reported late
        assert!(!breaks.outlived_by(at(40)));
    }

    #[test]
    fn the_database_ends_a_stuck_statement_slightly_before_our_limit() {
        let session = session(&Settings::default(), true);
        assert!(session.contains("READ COMMITTED"), "{session}");
        assert!(
            session.contains("innodb_lock_wait_timeout=5, max_statement_time=4.750"),
            "{session}"
        );
    }
}
