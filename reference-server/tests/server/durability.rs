//! `kill -9` of a shard in the middle of a storm: every acknowledged write is there afterwards.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{LIMIT, Server, numbers, own_shard, usual};

const WORKERS: u64 = 16;
/// Joins acknowledged when the shard is killed.
const BEFORE_KILL: u64 = 300;

/// Joins new users until the shard fails; returns the users whose join was acknowledged.
async fn join_until_failure(
    server: Arc<Server>,
    chat: u64,
    worker: u64,
    acked: Arc<AtomicU64>,
    enough: Arc<Notify>,
) -> Vec<u64> {
    let mut members = Vec::new();
    for user in (worker..).step_by(usize::try_from(WORKERS).unwrap()) {
        let reply = server.join(chat, user, &format!("n{user}")).await;
        match reply.status {
            201 => members.push(user),
            503 | 504 => {
                assert!(
                    ["storage_unavailable", "storage_timeout"].contains(&reply.error()),
                    "{reply:?}"
                );
                break;
            }
            _ => panic!("{reply:?}"),
        }
        if acked.fetch_add(1, Ordering::Relaxed) + 1 == BEFORE_KILL {
            enough.notify_one();
        }
    }
    members
}

async fn every_acknowledged_join_survives(member_count: serde_json::Value) {
    let mut shard = own_shard(usual()).await;
    let settings = json!({ "member_count": member_count, "durability": "full", "storage_timeout": "2s" });
    let server = Arc::new(Server::start(&[shard.url()], settings).await);
    let chat = server.create_chat().await;
    let (acked, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let workers = (1..=WORKERS).map(|worker| {
        let (server, acked, enough) = (Arc::clone(&server), Arc::clone(&acked), Arc::clone(&enough));
        tokio::spawn(join_until_failure(server, chat, worker, acked, enough))
    });
    let workers: Vec<_> = workers.collect();
    enough.notified().await;
    shard.kill().await.unwrap();
    let acknowledged: BTreeSet<u64> = join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    assert!(u64::try_from(acknowledged.len()).unwrap() >= BEFORE_KILL);

    let down = server.get("/readyz").await;
    assert!(
        down.is(503, "not_ready") && down.body["shards"][0]["shard"] == 0,
        "{down:?}"
    );
    assert_eq!(server.get("/healthz").await.status, 200);
    let asked = Instant::now();
    assert!(server.join(chat, 900_000, "x").await.is(503, "storage_unavailable"));
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "a dead shard is reported at once"
    );

    shard.restart().await.unwrap();
    assert_eq!(server.get("/readyz").await.status, 200);
    // The pool still holds connections to the killed shard: no caller gets one of them.
    let back = server.join(chat, 900_001, "back").await;
    assert_eq!(back.status, 201, "{back:?}");
    let sql = "SELECT CAST(user_id AS SIGNED) FROM members WHERE state = 'JOINED'";
    let present: BTreeSet<u64> = numbers(&shard.url(), sql)
        .await
        .into_iter()
        .map(i64::cast_unsigned)
        .collect();
    let lost: Vec<_> = acknowledged.difference(&present).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(server.audited(chat).await, u64::try_from(present.len()).unwrap());
}

#[tokio::test]
async fn with_one_aggregate_row() {
    tokio::time::timeout(LIMIT, every_acknowledged_join_survives(json!("aggregate")))
        .await
        .unwrap();
}

#[tokio::test]
async fn with_slots() {
    let slots = json!({ "aggregate_slots": { "slots": 8 } });
    tokio::time::timeout(LIMIT, every_acknowledged_join_survives(slots))
        .await
        .unwrap();
}

#[tokio::test]
async fn with_scan() {
    tokio::time::timeout(LIMIT, every_acknowledged_join_survives(json!("scan")))
        .await
        .unwrap();
}
