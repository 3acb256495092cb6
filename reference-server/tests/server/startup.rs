//! What prevents the server from starting, and the error it prints.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::process::{Command, Output};

use bmt_sandbox::{Durability, PortLease, SandboxError, ShardOptions};
use serde_json::{Value, json};

use crate::support::{Server, fresh_databases, own_shard};

async fn refused(shards: &[String], settings: Value) -> String {
    match Server::try_start(shards, settings, json!({})).await {
        Err(SandboxError::ChildDied { status, log, .. }) => {
            assert_eq!(status.code(), Some(1), "{log}");
            log.lines
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[tokio::test]
async fn shards_that_contradict_the_settings_are_rejected() {
    let durability = Durability::Relaxed;
    let shard = own_shard(ShardOptions {
        autoinc_lock_mode: 1,
        durability,
        ..ShardOptions::default()
    })
    .await;
    let shards = [shard.url()];
    let message = refused(&shards, json!({ "durability": "relaxed" })).await;
    assert_says(
        &message,
        &[
            "shard 0 runs with innodb_autoinc_lock_mode=1",
            "`settings.autoinc_lock_mode` requires 2",
        ],
    );
    let message = refused(&shards, json!({ "autoinc_lock_mode": 1 })).await;
    assert_says(
        &message,
        &[
            "innodb_flush_log_at_trx_commit=2",
            "`settings.durability` requires full",
        ],
    );
    let settings = json!({ "autoinc_lock_mode": 1, "durability": "relaxed", "member_count": "query_cache" });
    assert_says(
        &refused(&shards, settings).await,
        &["shard 0 has no query cache", "query_cache_size>0"],
    );
    let settings = json!({ "autoinc_lock_mode": 1, "durability": "relaxed" });
    assert!(Server::try_start(&shards, settings, json!({})).await.is_ok());
    let full = fresh_databases().await;
    assert_says(
        &refused(&full, json!({ "durability": "relaxed" })).await,
        &["requires relaxed"],
    );
}

#[tokio::test]
async fn a_database_counted_by_another_policy_is_rejected() {
    let shards = fresh_databases().await;
    let server = Server::start(&shards, json!({ "member_count": "aggregate" })).await;
    server.create_chat().await;
    drop(server);
    let slots = json!({ "member_count": { "aggregate_slots": { "slots": 4 } } });
    assert_says(
        &refused(&shards, slots).await,
        &["shard 0 holds 1 chats counted by another policy"],
    );
    assert_says(
        &refused(&shards, json!({ "member_count": "scan" })).await,
        &["counted by another policy"],
    );
    let again = Server::start(&shards, json!({ "member_count": "aggregate" })).await;
    assert_eq!(again.get("/readyz").await.status, 200, "migrations are applied once");
}

#[tokio::test]
async fn an_unreachable_shard_is_named() {
    let port = PortLease::take().unwrap();
    let mut shards = fresh_databases().await;
    shards[1] = format!("mysql://nobody@127.0.0.1:{}/x", port.port());
    assert_says(
        &refused(&shards, json!({})).await,
        &["shard 1 is unreachable", "check its address"],
    );
}

#[tokio::test]
async fn two_servers_may_start_on_the_same_empty_shards() {
    let shards = fresh_databases().await;
    let (a, b) = tokio::join!(Server::start(&shards, json!({})), Server::start(&shards, json!({})));
    let chat = a.create_chat().await;
    assert_eq!(a.join(chat, 1, "ann").await.body["member_count"], 1);
    assert_eq!(b.join(chat, 2, "bob").await.body["member_count"], 2);
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hotchat"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn an_invalid_configuration_exits_with_2_and_names_the_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(
        path,
        "secret: long-enough\nadmin_token: long-enough\nshards: [x]\nsettings:\n  insert: vlaues\n",
    )
    .unwrap();
    let output = run(&["--config", path]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_says(
        &message,
        &[path, ":5:11", "settings.insert", "vlaues", "select_not_exists"],
    );
    assert!(output.stdout.is_empty());

    let output = run(&["--config", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
    assert_says(&String::from_utf8(output.stderr).unwrap(), &["/no/such/file"]);
    assert_eq!(run(&[]).status.code(), Some(2), "nothing to do");
}

#[test]
fn the_schema_is_printed() {
    let output = run(&["--schema"]);
    assert!(output.status.success());
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["properties"]["autoinc_lock_mode"]["maximum"], 2);
}
