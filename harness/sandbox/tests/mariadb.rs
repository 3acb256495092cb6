//! Real shards: options in force, data kept over a kill, failures explained.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use bmt_sandbox::{Durability, Sandbox, SandboxError, Shard, ShardOptions, Template};
use sqlx::{Connection, MySqlConnection, Row};

async fn ask(shard: &Shard, sql: &'static str) -> Vec<i64> {
    let mut connection = MySqlConnection::connect(&shard.url()).await.unwrap();
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    let values = (0..row.len()).map(|i| row.try_get_unchecked(i).unwrap()).collect();
    connection.close().await.unwrap();
    values
}

const OPTIONS: &str = "SELECT CAST(@@innodb_autoinc_lock_mode AS SIGNED), CAST(@@query_cache_size AS SIGNED), \
     CAST(@@query_cache_type = 'ON' AS SIGNED), CAST(@@sync_binlog AS SIGNED), \
     CAST(@@innodb_flush_log_at_trx_commit AS SIGNED), CAST(@@log_bin AS SIGNED), CAST(@@max_connections AS SIGNED)";

#[tokio::test]
async fn two_shards_run_with_the_options_each_was_given() {
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let old = ShardOptions {
        autoinc_lock_mode: 1,
        query_cache: true,
        ..ShardOptions::default()
    };
    let extra = vec!["--max-connections=123".to_owned()];
    let new = ShardOptions {
        durability: Durability::Relaxed,
        extra,
        ..ShardOptions::default()
    };
    let (old, new) = tokio::join!(
        Shard::start(&sandbox, &template, old),
        Shard::start(&sandbox, &template, new)
    );
    let (old, new) = (old.unwrap(), new.unwrap());
    assert_ne!((old.port(), old.name()), (new.port(), new.name()));
    assert_eq!(ask(&old, OPTIONS).await, [1, 16 << 20, 1, 1, 1, 1, 2000]);
    assert_eq!(ask(&new, OPTIONS).await, [2, 0, 0, 0, 2, 1, 123]);
    assert!(old.version().contains("MariaDB"), "{}", old.version());
    assert_eq!(
        ask(
            &old,
            "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='hotchat'"
        )
        .await,
        [1]
    );
}

#[tokio::test]
async fn committed_rows_survive_a_kill_and_the_port_stays() {
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let mut shard = Shard::start(&sandbox, &template, ShardOptions::default())
        .await
        .unwrap();
    let mut connection = MySqlConnection::connect(&shard.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (i INT); INSERT INTO t VALUES (1), (2)")
        .execute(&mut connection)
        .await
        .unwrap();
    let (port, pid) = (shard.port(), shard.pid());
    shard.kill().await.unwrap();
    assert!(shard.try_wait().unwrap().is_some());
    assert!(MySqlConnection::connect(&shard.url()).await.is_err());
    shard.restart().await.unwrap();
    assert_eq!(shard.port(), port);
    assert_ne!(shard.pid(), pid);
    assert_eq!(ask(&shard, "SELECT COUNT(*) FROM t").await, [2]);
    assert!(
        shard.stop().await.unwrap().success(),
        "an orderly stop ends with 0: {}",
        shard.error_log_tail()
    );
}

#[tokio::test]
async fn a_shard_that_dies_at_once_says_why() {
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let extra = vec!["--no-such-option=1".to_owned()];
    let options = ShardOptions {
        extra,
        ..ShardOptions::default()
    };
    let error = Shard::start(&sandbox, &template, options).await.unwrap_err();
    assert!(matches!(error, SandboxError::ChildDied { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("unknown variable 'no-such-option=1'"), "{text}");
    assert!(
        text.ends_with("remove that option from the shard's extra options"),
        "{text}"
    );
}

#[tokio::test]
async fn a_paused_shard_answers_again_when_it_is_resumed() {
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let mut shard = Shard::start(&sandbox, &template, ShardOptions::default())
        .await
        .unwrap();
    let mut connection = MySqlConnection::connect(&shard.url()).await.unwrap();
    shard.pause().await.unwrap();
    let query = sqlx::query_scalar::<_, i64>("SELECT 1").fetch_one(&mut connection);
    tokio::pin!(query);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut query).await;
    assert!(early.is_err(), "a paused shard must not answer");
    shard.resume().unwrap();
    assert_eq!(query.await.unwrap(), 1);
}

#[tokio::test]
async fn an_error_quotes_few_lines_and_names_the_log_that_is_kept() {
    let kept = tempfile::tempdir().unwrap();
    let log = kept.path().join("shard-0.log");
    let sandbox = Sandbox::new().unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    let options = |extra: &[&str]| ShardOptions {
        log: Some(log.clone()),
        extra: extra.iter().map(|&option| option.to_owned()).collect(),
        ..ShardOptions::default()
    };
    let mut shard = Shard::start(&sandbox, &template, options(&[])).await.unwrap();
    shard.kill().await.unwrap();
    let text = shard.ensure_running("run again").unwrap_err().to_string();
    assert!(text.contains(&log.display().to_string()), "{text}");
    assert!(!text.contains("[Note]") && text.lines().count() <= 12, "{text}");
    let refused = Shard::start(&sandbox, &template, options(&["--no-such-option=1"])).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("unknown variable 'no-such-option=1'"), "{text}");
    assert!(!text.contains("[Note]") && text.lines().count() <= 12, "{text}");
    drop((shard, template, sandbox));
    let all = std::fs::read_to_string(&log).unwrap();
    assert!(
        all.contains("ready for connections") && all.contains("unknown variable"),
        "{all}"
    );
}
