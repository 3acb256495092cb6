//! Concurrent writers and readers, with something killed meanwhile: a reader who follows by cursor sees 1, 2, 3, …
//! without a gap, and every acknowledged revision is there.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::support::{LIMIT, Server, own_shard, send, usual};

const WRITERS: u64 = 12;
const READERS: u64 = 6;
/// Revisions acknowledged before the kill.
const BEFORE_KILL: u64 = 200;

/// The revisions acknowledged so far, and a notification at a given number.
#[derive(Default)]
struct Acknowledged {
    number: AtomicU64,
    enough: Notify,
}

/// Sends until it fails or `number` are sent; returns the acknowledged revisions.
async fn write(server: Arc<Server>, chat: u64, user: u64, number: u64, acknowledged: Arc<Acknowledged>) -> Vec<u64> {
    let event = json!({ "kind": "message", "body": format!("from {user}") });
    let mut revisions = Vec::new();
    for _ in 0..number {
        match send(server.event_request(chat, user, &event)).await {
            Ok(reply) if reply.status == 201 => revisions.push(reply.body["revision"].as_u64().unwrap()),
            Ok(reply) => {
                assert!([503, 504].contains(&reply.status), "{reply:?}");
                break;
            }
            Err(_) => break, // the server was killed
        }
        if acknowledged.number.fetch_add(1, Ordering::Relaxed) + 1 == BEFORE_KILL {
            acknowledged.enough.notify_one();
        }
    }
    revisions
}

/// Fetches from the cursor on and asserts that nothing is left out; returns the new cursor, or `None` when the fetch
/// failed.
async fn read_on(server: &Server, chat: u64, user: u64, cursor: u64) -> Option<u64> {
    let reply = send(server.fetch_request(chat, user, &format!("?after={cursor}")))
        .await
        .ok()?;
    if reply.status != 200 {
        assert!([503, 504].contains(&reply.status), "{reply:?}");
        return None;
    }
    let events = reply.body["events"].as_array().unwrap();
    for (event, expected) in events.iter().zip(cursor + 1..) {
        assert_eq!(event["revision"], expected, "a reader skipped an event");
    }
    let last = cursor + u64::try_from(events.len()).unwrap();
    assert_eq!(reply.body["revision"], last);
    Some(last)
}

/// Follows the chat until a fetch that began after `done` returns nothing; returns the last revision seen.
async fn follow(server: Arc<Server>, chat: u64, user: u64, done: watch::Receiver<bool>) -> u64 {
    let mut cursor = 0;
    loop {
        let last_look = *done.borrow();
        match read_on(&server, chat, user, cursor).await {
            Some(next) if next == cursor && last_look => return cursor,
            Some(next) => cursor = next,
            None => return cursor,
        }
    }
}

/// Concurrent writers and readers; returns what was acknowledged, and the last revision that each reader saw.
async fn crowd(server: &Arc<Server>, chat: u64, number: u64, acknowledged: &Arc<Acknowledged>) -> (Vec<u64>, Vec<u64>) {
    let (finish, done) = watch::channel(false);
    let reading: Vec<_> = (1..=READERS)
        .map(|user| tokio::spawn(follow(Arc::clone(server), chat, user, done.clone())))
        .collect();
    let writing: Vec<_> = (1..=WRITERS)
        .map(|user| tokio::spawn(write(Arc::clone(server), chat, user, number, Arc::clone(acknowledged))))
        .collect();
    let written = join_all(writing).await.into_iter().flat_map(Result::unwrap).collect();
    finish.send(true).unwrap();
    let read = join_all(reading).await.into_iter().map(Result::unwrap).collect();
    (written, read)
}

/// Reads the whole chat; returns the last revision.
async fn read_all(server: &Server, chat: u64) -> u64 {
    let mut cursor = 0;
    loop {
        let next = read_on(server, chat, 1, cursor).await.unwrap();
        if next == cursor {
            return cursor;
        }
        cursor = next;
    }
}

/// No acknowledged revision is lost or was reused; nobody has seen one that does not exist.
async fn all_there(server: &Server, chat: u64, written: &[u64], read: &[u64]) {
    let last = read_all(server, chat).await;
    let distinct: BTreeSet<u64> = written.iter().copied().collect();
    assert_eq!(distinct.len(), written.len(), "a revision was acknowledged twice");
    assert!(
        distinct.last().is_none_or(|&newest| newest <= last),
        "acknowledged and lost"
    );
    assert!(read.iter().all(|&seen| seen <= last), "seen and lost");
    // The database may still have committed requests of a killed server: never acknowledged, but no gap either.
    let sent = server.message(chat, 1, "afterwards").await;
    assert_eq!(sent.body, json!({ "revision": read_all(server, chat).await }));
}

#[tokio::test]
async fn readers_never_skip_an_event() {
    for isolation in ["read_committed", "repeatable_read"] {
        let server = Arc::new(Server::usual(json!({ "isolation": isolation })).await);
        let chat = server.create_chat().await;
        assert_eq!(server.seed(chat, WRITERS, 1).await.status, 201);
        let (written, read) = crowd(&server, chat, 50, &Arc::default()).await;
        let all = WRITERS * 50;
        assert_eq!(
            written.iter().collect::<BTreeSet<_>>(),
            (1..=all).collect::<Vec<_>>().iter().collect()
        );
        assert_eq!(read, vec![all; usize::try_from(READERS).unwrap()], "{isolation}");
    }
}

#[tokio::test]
async fn a_killed_server_leaves_no_gap_and_loses_nothing() {
    let shard = own_shard(usual()).await;
    let server = Arc::new(Server::start(&[shard.url()], json!({})).await);
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, WRITERS, 1).await.status, 201);
    let acknowledged = Arc::<Acknowledged>::default();
    let pid = server.child.pid();
    let killing = async {
        acknowledged.enough.notified().await;
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let storm = async { tokio::join!(crowd(&server, chat, u64::MAX, &acknowledged), killing).0 };
    let (written, read) = tokio::time::timeout(LIMIT, storm).await.unwrap();
    assert!(u64::try_from(written.len()).unwrap() >= BEFORE_KILL);
    let again = Server::start(&[shard.url()], json!({})).await;
    all_there(&again, chat, &written, &read).await;
}

#[tokio::test]
async fn a_killed_shard_leaves_no_gap_and_loses_nothing() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({ "storage_timeout": "2s" });
    let server = Arc::new(Server::start(&[shard.url()], settings).await);
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, WRITERS, 1).await.status, 201);
    let acknowledged = Arc::<Acknowledged>::default();
    let killing = async {
        acknowledged.enough.notified().await;
        shard.kill().await.unwrap();
    };
    let storm = async { tokio::join!(crowd(&server, chat, u64::MAX, &acknowledged), killing).0 };
    let (written, read) = tokio::time::timeout(LIMIT, storm).await.unwrap();
    assert!(u64::try_from(written.len()).unwrap() >= BEFORE_KILL);
    shard.restart().await.unwrap();
    all_there(&server, chat, &written, &read).await;
}
