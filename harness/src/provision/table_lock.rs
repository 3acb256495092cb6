//! A session of bmt that keeps a shard's tables locked, for a while at a time.
//!
//! It makes queries slow without a slow machine: they wait and hold their connection, as behind a report or a
//! migration that runs at the wrong time. `LOCK TABLES … WRITE` waits for running transactions, and later queries wait
//! behind it.
//!
//! The lock lives as long as its connection, so the database releases it however bmt ends; a request for it ends with
//! its connection as well. Rejected: `SLEEP` in the server's own queries (the server would have to know), and a query
//! that burns CPU (slow for every shard on the machine).

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the tables are free between two locks. All waiting queries are let in together when a lock ends, so it can
/// be short.
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
            // Closing releases the lock as well.
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bmt_sandbox::{Sandbox, Shard, ShardOptions, Template};

    use super::*;

    const HOLD: Duration = Duration::from_millis(400);

    /// A shard with two tables, and a connection to it.
    async fn shard(sandbox: &Sandbox) -> (Shard, MySqlConnection) {
        let template = Template::init(sandbox).await.unwrap();
        let shard = Shard::start(sandbox, &template, ShardOptions::default()).await.unwrap();
        let mut connection = MySqlConnection::connect(&shard.url()).await.unwrap();
        let tables = "CREATE TABLE a (i INT); CREATE TABLE `b c` (i INT)";
        connection.execute(sqlx::raw_sql(tables)).await.unwrap();
        (shard, connection)
    }

    async fn insert(connection: &mut MySqlConnection) -> Duration {
        let begun = Instant::now();
        let row = sqlx::raw_sql("INSERT INTO `b c` VALUES (1)");
        connection.execute(row).await.unwrap();
        begun.elapsed()
    }

    #[tokio::test]
    async fn queries_wait_for_the_lock_again_and_again_until_it_ends() {
        let sandbox = Sandbox::new().unwrap();
        let (shard, mut connection) = shard(&sandbox).await;
        let lock = TableLock::start(&shard.url(), HOLD).await.unwrap();
        assert!(insert(&mut connection).await > HOLD / 2, "it was locked just now");
        let mut waited = Duration::ZERO;
        for _ in 0..3 {
            tokio::time::sleep(HOLD / 4).await;
            waited += insert(&mut connection).await;
        }
        assert!(waited > HOLD, "locked again after each release: {waited:?}");
        lock.end().await;
        for _ in 0..3 {
            assert!(insert(&mut connection).await < HOLD / 2, "free");
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_given_up_does_not_hold_up_others_for_long() {
        let sandbox = Sandbox::new().unwrap();
        let (shard, mut connection) = shard(&sandbox).await;
        let mut long = MySqlConnection::connect(&shard.url()).await.unwrap();
        long.execute(sqlx::raw_sql("BEGIN; INSERT INTO a VALUES (1)"))
            .await
            .unwrap();
        let url = shard.url();
        let locking = TableLock::start(&url, HOLD);
        let interrupted = tokio::time::timeout(Duration::from_millis(300), locking).await;
        assert!(interrupted.is_err(), "it waits for the long transaction");
        let row = sqlx::raw_sql("INSERT INTO a VALUES (2)");
        let inserted = tokio::time::timeout(PATIENCE + Duration::from_secs(15), connection.execute(row)).await;
        inserted.expect("nobody waits behind the lock for ever").unwrap();
        long.execute(sqlx::raw_sql("COMMIT")).await.unwrap();
    }

    #[tokio::test]
    async fn the_lock_ends_with_its_connection_and_comes_back_with_the_shard() {
        let sandbox = Sandbox::new().unwrap();
        let (mut shard, mut connection) = shard(&sandbox).await;
        // Dropped without a word, as by a process that is killed.
        drop(TableLock::start(&shard.url(), Duration::from_secs(3600)).await.unwrap());
        let freed = tokio::time::timeout(Duration::from_secs(30), insert(&mut connection)).await;
        assert!(freed.is_ok());
        let lock = TableLock::start(&shard.url(), HOLD).await.unwrap();
        shard.kill().await.unwrap();
        shard.restart().await.unwrap();
        let mut connection = MySqlConnection::connect(&shard.url()).await.unwrap();
        let begun = Instant::now();
        while insert(&mut connection).await < HOLD / 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it was never locked again");
        }
        lock.end().await;
        assert!(insert(&mut connection).await < HOLD / 2);
        let error = TableLock::start("mysql://nobody@127.0.0.1:1/x", HOLD)
            .await
            .unwrap_err();
        assert!(error.contains("could not be locked"), "{error}");
    }
}
