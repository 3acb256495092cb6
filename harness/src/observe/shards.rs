//! Locks and threads of one database: a shard that bmt started, or somebody else's.
//!
//! `AUTO-INC` waits show in no counter of row locks, and no counter gives their duration: so the waiters are counted in
//! `INNODB_TRX` and integrated over time. Waits for the query cache show as a thread's state.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Executor as _, Row as _};

use super::address::Address;
use super::database::Foreign;

/// A shard that does not answer for this long is noted as not observed.
const PATIENCE: Duration = Duration::from_secs(1);

const WAITERS: &str = "SELECT \
    (SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_operation_state = 'setting auto-inc lock') AS autoinc, \
    (SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for query cache lock') AS query_cache";

const COUNTERS: &str = "SELECT LOWER(VARIABLE_NAME) AS name, CAST(VARIABLE_VALUE AS UNSIGNED) AS value \
    FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN \
    ('INNODB_ROW_LOCK_WAITS', 'INNODB_ROW_LOCK_TIME', 'INNODB_DEADLOCKS', 'THREADS_RUNNING', 'THREADS_CONNECTED', 'QUESTIONS', \
    'CONNECTIONS', 'ABORTED_CONNECTS', 'CONNECTION_ERRORS_MAX_CONNECTIONS') \
    UNION ALL SELECT NAME, CAST(COUNT AS UNSIGNED) FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_table_lock_waits'";

/// Number of rows that [`COUNTERS`] returns.
const COUNTERS_READ: u32 = 10;

/// What one shard said at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSample {
    /// Statements waiting for the `AUTO-INC` lock.
    pub autoinc_waiters: u64,
    /// Threads waiting for the query cache.
    pub query_cache_waiters: u64,
    /// Counters since the shard started, once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<ShardCounters>,
}

/// Counters and gauges of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardCounters {
    /// Waits for table locks inside InnoDB; `None` of a database of somebody else that does not count them.
    pub table_lock_waits: Option<u64>,
    /// Waits for row locks.
    pub row_lock_waits: u64,
    /// Their time in milliseconds.
    pub row_lock_wait_ms: u64,
    /// Deadlocks; the same.
    pub deadlocks: Option<u64>,
    /// Statements that clients sent.
    pub statements: u64,
    /// Threads running now.
    pub threads_running: u64,
    /// Threads connected now.
    pub threads_connected: u64,
    /// Connections that clients opened; `None` of a database of somebody else that does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dials: Option<Dials>,
}

/// Connections of one shard since it started, those of the observer included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dials {
    /// Attempts to connect, whatever came of them.
    pub opened: u64,
    /// Of these, those that came to nothing.
    pub failed: u64,
    /// Of these, those that were refused because it had as many as it may.
    pub refused: u64,
}

/// The observer's connection to one shard; opened when needed, and again after it broke.
pub(super) struct Watch {
    url: String,
    /// Of a database that bmt did not start.
    foreign: Option<Foreign>,
    connection: Option<Connected>,
    /// CPU that closed connections had used.
    cpu_before: Option<Duration>,
}

/// A connection, and the database's thread that serves it: what that thread uses is what observing costs the database.
struct Connected {
    connection: MySqlConnection,
    thread: Option<i64>,
    cpu_at_start: Option<Duration>,
}

impl Watch {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            foreign: None,
            connection: None,
            cpu_before: Some(Duration::ZERO),
        }
    }

    /// Of a database that bmt did not start.
    pub(super) fn foreign(address: &Address) -> Self {
        Self {
            foreign: Some(Foreign::new(address)),
            ..Self::new(address.whole())
        }
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        self.foreign.as_ref().map(Foreign::notes).unwrap_or_default()
    }

    /// What the shard says, and how many queries that took; `None` when it did not answer in time.
    pub(super) async fn sample(&mut self, counters: bool) -> (Option<ShardSample>, u64) {
        let queries = 1 + u64::from(counters);
        let is_open = self.connection.is_some();
        if !is_open && !self.foreign.as_mut().is_none_or(Foreign::may_connect) {
            return (None, 0);
        }
        let answer = tokio::time::timeout(PATIENCE, self.query(counters)).await;
        if let Some(foreign) = &mut self.foreign {
            foreign.note(match &answer {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(Some(error)),
                Err(_) => Some(None),
            });
        }
        match answer {
            Ok(Ok(sample)) => (Some(sample), queries),
            Ok(Err(_)) | Err(_) => {
                self.cpu_before = self.database_cpu();
                self.connection = None;
                (None, queries)
            }
        }
    }

    /// CPU that this shard has spent on being observed; `None` where its threads cannot be seen from here.
    pub(super) fn database_cpu(&self) -> Option<Duration> {
        if self.foreign.is_some() {
            return None;
        }
        let open = match &self.connection {
            Some(connected) => thread_cpu(connected.thread)?.saturating_sub(connected.cpu_at_start?),
            None => Duration::ZERO,
        };
        Some(self.cpu_before? + open)
    }

    async fn query(&mut self, counters: bool) -> Result<ShardSample, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connected) => &mut connected.connection,
            None => {
                let connected = connect(&self.url, self.foreign.as_mut()).await?;
                &mut self.connection.insert(connected).connection
            }
        };
        let waiters = connection.fetch_one(WAITERS).await?;
        Ok(ShardSample {
            autoinc_waiters: waiters.try_get::<i64, _>("autoinc")?.unsigned_abs(),
            query_cache_waiters: waiters.try_get::<i64, _>("query_cache")?.unsigned_abs(),
            counters: match &mut self.foreign {
                _ if !counters => None,
                Some(foreign) => ShardCounters::of(&foreign.counters(connection).await?),
                None => read_counters(connection).await?,
            },
        })
    }
}

/// CPU of a thread of this machine; `None` where there is no such thread to be seen.
fn thread_cpu(thread: Option<i64>) -> Option<Duration> {
    let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", thread?)).ok()?;
    statistics
        .split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

async fn connect(url: &str, foreign: Option<&mut Foreign>) -> Result<Connected, sqlx::Error> {
    let options: MySqlConnectOptions = url.parse()?;
    let mut connection = options.disable_statement_logging().connect().await?;
    if let Some(foreign) = foreign {
        foreign.begin(&mut connection).await?;
        // Its threads may be another machine's.
        return Ok(Connected {
            connection,
            cpu_at_start: None,
            thread: None,
        });
    }
    // Off by default, and the only count of waits for table locks, AUTO-INC among them.
    connection
        .execute(sqlx::raw_sql(
            "SET GLOBAL innodb_monitor_enable = 'lock_table_lock_waits'",
        ))
        .await?;
    let own = "SELECT TID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()";
    let thread = connection
        .fetch_one(own)
        .await
        .ok()
        .and_then(|row| row.try_get::<i64, _>(0).ok());
    Ok(Connected {
        connection,
        cpu_at_start: thread_cpu(thread),
        thread,
    })
}

impl ShardCounters {
    /// Of counters by name; `None` where one lacks that every database has.
    fn of(counters: &BTreeMap<String, u64>) -> Option<Self> {
        let of = |name: &str| counters.get(name).copied();
        Some(Self {
            table_lock_waits: of("lock_table_lock_waits"),
            row_lock_waits: of("innodb_row_lock_waits")?,
            row_lock_wait_ms: of("innodb_row_lock_time")?,
            deadlocks: of("innodb_deadlocks"),
            statements: of("questions")?,
            threads_running: of("threads_running")?,
            threads_connected: of("threads_connected")?,
            dials: of("connections")
                .zip(of("aborted_connects"))
                .zip(of("connection_errors_max_connections"))
                .map(|((opened, failed), refused)| Dials {
                    opened,
                    failed,
                    refused,
                }),
        })
    }
}

/// `None` of a database that lacks one of the counters: its 0 would look like a figure.
async fn read_counters(connection: &mut MySqlConnection) -> Result<Option<ShardCounters>, sqlx::Error> {
    let (mut counters, mut dials) = (ShardCounters::default(), Dials::default());
    let mut read = 0;
    for row in connection.fetch_all(COUNTERS).await? {
        let value = row.try_get::<u64, _>("value")?;
        match row.try_get::<String, _>("name")?.as_str() {
            "innodb_row_lock_waits" => counters.row_lock_waits = value,
            "innodb_row_lock_time" => counters.row_lock_wait_ms = value,
            "innodb_deadlocks" => counters.deadlocks = Some(value),
            "questions" => counters.statements = value,
            "threads_running" => counters.threads_running = value,
            "threads_connected" => counters.threads_connected = value,
            "connections" => dials.opened = value,
            "aborted_connects" => dials.failed = value,
            "connection_errors_max_connections" => dials.refused = value,
            "lock_table_lock_waits" => counters.table_lock_waits = Some(value),
            _ => continue,
        }
        read += 1;
    }
    counters.dials = Some(dials);
    Ok((read == COUNTERS_READ).then_some(counters))
}
