//! A slow disk on a real shard: commits take longer while it lasts.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::{Duration, Instant};

use bmt_sandbox::{Sandbox, Shard, ShardOptions, Template, can_delay_flushes};
use sqlx::{Connection, MySqlConnection};

const DELAY: Duration = Duration::from_millis(100);

async fn shard(sandbox: &Sandbox) -> Shard {
    let template = Template::init(sandbox).await.unwrap();
    let options = ShardOptions {
        slow_disk: true,
        ..ShardOptions::default()
    };
    Shard::start(sandbox, &template, options).await.unwrap()
}

async fn connect(shard: &Shard) -> MySqlConnection {
    MySqlConnection::connect(&shard.url()).await.unwrap()
}

async fn time(connection: &mut MySqlConnection, sql: &'static str) -> Duration {
    let begun = Instant::now();
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
    begun.elapsed()
}

/// The shortest of some commits: what else the machine does only makes them longer.
async fn commit(connection: &mut MySqlConnection) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        shortest = shortest.min(time(connection, "INSERT INTO t (i) VALUES (1)").await);
    }
    shortest
}

#[tokio::test]
async fn commits_take_longer_during_and_not_before_or_after() {
    can_delay_flushes().unwrap();
    let sandbox = Sandbox::new().unwrap();
    let mut shard = shard(&sandbox).await;
    let mut connection = connect(&shard).await;
    time(
        &mut connection,
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, i INT)",
    )
    .await;
    let before = commit(&mut connection).await;
    shard.set_flush_delay(DELAY).unwrap();
    let during = commit(&mut connection).await;
    let reading = time(&mut connection, "SELECT COUNT(*) FROM t").await;
    // A change of the delay reaches what waits already.
    let last = time(&mut connection, "INSERT INTO t (i) VALUES (2)");
    let ((), last) = tokio::join!(
        async {
            tokio::time::sleep(DELAY / 10).await;
            shard.set_flush_delay(Duration::ZERO).unwrap();
        },
        last
    );
    let after = commit(&mut connection).await;
    eprintln!("a commit: {before:?} before, {during:?} during, {after:?} after; the last one {last:?}");
    assert!(before < DELAY && after < DELAY, "{before:?}, {after:?}");
    // Redo log and binary log: one to three flushes.
    assert!(during >= DELAY && during < DELAY * 5, "{during:?}");
    assert!(reading < DELAY, "reading flushes nothing: {reading:?}");
    assert!(last < DELAY, "{last:?}");
    // The delay outlives a restart of the shard, and a kill while it lasts does not hang.
    shard.set_flush_delay(DELAY).unwrap();
    shard.kill().await.unwrap();
    shard.restart().await.unwrap();
    let mut connection = connect(&shard).await;
    assert!(commit(&mut connection).await >= DELAY);
}

#[tokio::test]
async fn a_shard_without_the_option_says_so() {
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let shard = Shard::start(&sandbox, &template, ShardOptions::default())
        .await
        .unwrap();
    let error = shard.set_flush_delay(DELAY).unwrap_err().to_string();
    assert!(error.contains("slow_disk"), "{error}");
}
