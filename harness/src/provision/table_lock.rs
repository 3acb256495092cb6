//! A session of our own that keeps a shard's tables locked, for a while at a time.
//!
//! This is how queries become slow without a slow machine: they wait, holding their connection, as behind a report or a migration that nobody should have
//! started at noon. `LOCK TABLES … WRITE` waits until running transactions have ended, and whoever comes later waits behind it.
//!
//! The lock lives as long as its connection, so the database gives it up whenever we end, however. Rejected: `SLEEP` in the server's own
//! queries (they would have to know), and a query that burns CPU (slow for every shard on the machine).

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the tables are free between two locks: those who waited are let in together when a lock ends, so it can be short.
const FREE: Duration = Duration::from_millis(10);
/// How long to wait before another try when the shard is away.
const AGAIN: Duration = Duration::from_millis(100);
/// How long the first lock may take: it waits for the transactions under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Locks again and again until it ends; dropped, it ends as well.
#[derive(Debug)]
pub(super) struct TableLock {
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TableLock {
    /// Returns when the tables are locked for the first time.
    pub(super) async fn start(url: &str, hold: Duration) -> Result<Self, String> {
        let options: MySqlConnectOptions = url.parse().map_err(|error: sqlx::Error| error.to_string())?;
        let options = options.disable_statement_logging();
        let first = tokio::time::timeout(PATIENCE, lock(&options)).await;
        let first = first
            .map_err(|_| format!("the tables could not be locked within {PATIENCE:?}"))?
            .map_err(|error| format!("the tables could not be locked: {error}"))?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = repeat(&options, hold, first) => {}
                _ = ended => {}
            }
        });
        Ok(Self { end: Some(end), task })
    }

    /// Returns when the connection is closed, and so the lock given up.
    pub(super) async fn end(mut self) {
        drop(self.end.take());
        // If it panicked, its connection is closed as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for TableLock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn repeat(options: &MySqlConnectOptions, hold: Duration, first: MySqlConnection) {
    let mut held = Some(first);
    loop {
        if let Some(mut connection) = held.take() {
            tokio::time::sleep(hold).await;
            // Closing gives up the lock as well, if it comes to that.
            let _ = connection.execute(sqlx::raw_sql("UNLOCK TABLES")).await;
            let _ = connection.close().await;
            tokio::time::sleep(FREE).await;
        } else {
            tokio::time::sleep(AGAIN).await;
        }
        held = lock(options).await.ok();
    }
}

/// A connection that holds a write lock on every table.
async fn lock(options: &MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    let tables = "SELECT TABLE_NAME FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME";
    let tables = connection.fetch_all(tables).await?;
    let names: Result<Vec<String>, _> = tables
        .iter()
        .map(|row| row.try_get::<String, _>(0).map(|name| format!("`{name}` WRITE")))
        .collect();
    let statement = format!("LOCK TABLES {}", names?.join(", "));
    connection
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement)))
        .await?;
    Ok(connection)
}
