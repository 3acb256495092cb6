//! Callers that disconnect in the middle, or whose deadline has passed: their work ends, in the database as well, is
//! completed or undone as a whole, and nothing leaks. Only the statements of a send outlive its caller, so that a
//! stored event is published.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, MySqlConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::publish::pushed;
use crate::push::listen;
use crate::support::{LIMIT, Server, numbers, own_shard, token, usual};

/// Sends a request and does not wait for the response.
async fn half_a_request(server: &Server, chat: u64, what: &str, user: u64, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(&server.api).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /v1/chats/{chat}/{what} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        token(user),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn half_a_join(server: &Server, chat: u64, user: u64) -> TcpStream {
    half_a_request(server, chat, "members", user, &json!({ "name": format!("n{user}") })).await
}

const CANCELLED: &str = r#"hotchat_storage_cancelled_total{shard="0"}"#;

#[tokio::test]
async fn joins_on_a_silent_shard_end_with_their_callers_and_are_atomic() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({ "storage_timeout": "30s", "requests": { "deadline": "30s" } });
    let server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let callers = join_all((1..=20).map(|user| half_a_join(&server, chat, user))).await;
    server.metric_becomes("hotchat_requests_in_progress", 20.0).await;
    drop(callers);
    // The shard is silent, and yet the server holds nothing of these requests.
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
    server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
    server
        .metric_becomes(
            r#"hotchat_requests_total{route="/v1/chats/{id}/members",outcome="disconnected"}"#,
            20.0,
        )
        .await;
    shard.resume().unwrap();
    // Statements already sent are now executed or killed.
    let members = loop {
        let members = server.audited(chat).await;
        let next = server.join(chat, 1_000_000, "last").await;
        if next.status == 201 {
            assert!(next.body["member_count"].as_u64().unwrap() > members, "{next:?}");
            break server.audited(chat).await;
        }
    };
    assert!((1..=21).contains(&members), "{members}");
}

/// Running statements on the shard that contain the text, except this query.
async fn running(url: &str, text: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist \
         WHERE INFO LIKE '%{text}%' AND ID <> CONNECTION_ID()"
    );
    numbers(url, &sql).await[0]
}

async fn until_running(url: &str, text: &str, number: i64) {
    let started = Instant::now();
    while running(url, text).await != number {
        assert!(started.elapsed() < LIMIT, "{text}: never {number} of them");
    }
}

/// Makes every join wait.
const LOCK: &str = "BEGIN; UPDATE member_counts SET joined = joined";

/// A caller abandons a join that waits for a lock; returns whether the join ends in the database within this time,
/// while the lock is still held.
async fn abandoned_join_ends(server: &Server, url: &str, chat: u64, user: u64, within: Duration) -> bool {
    let mut holder = MySqlConnection::connect(url).await.unwrap();
    sqlx::raw_sql(LOCK).execute(&mut holder).await.unwrap();
    // An earlier join, which got the lock, has ended.
    until_running(url, "LAST_INSERT_ID(joined", 0).await;
    let caller = half_a_join(server, chat, user).await;
    until_running(url, "LAST_INSERT_ID(joined", 1).await;
    drop(caller);
    let gave_up = Instant::now();
    let mut ended = false;
    while !ended && gave_up.elapsed() < within {
        ended = running(url, "LAST_INSERT_ID(joined").await == 0;
    }
    holder.close().await.unwrap();
    ended
}

#[tokio::test]
async fn a_disconnected_callers_statement_ends_in_the_database() {
    let mut shard = own_shard(usual()).await;
    let server = Server::start(&[shard.url()], json!({})).await;
    let (url, chat) = (shard.url(), server.create_chat().await);
    assert_eq!(server.join(chat, 1, "a").await.status, 201);
    let mut holder = MySqlConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(LOCK).execute(&mut holder).await.unwrap();
    let callers = join_all((2..=4).map(|user| half_a_join(&server, chat, user))).await;
    until_running(&url, "LAST_INSERT_ID(joined", 3).await;
    drop(callers);
    // They wait for a lock that is never released: only a kill ends them.
    until_running(&url, "LAST_INSERT_ID(joined", 0).await;
    server.metric_becomes(CANCELLED, 3.0).await;
    server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(server.audited(chat).await, 1, "rolled back as a whole");

    // A restarted shard numbers its sessions afresh; once the kill connection is back, sessions can be killed again.
    shard.restart().await.unwrap();
    while server.join(chat, 9, "i").await.status != 201 {}
    let cancels = async {
        let mut user = 10;
        while !abandoned_join_ends(&server, &url, chat, user, Duration::from_millis(500)).await {
            // Sessions older than that connection, and then idle.
            let names = [1, 2, 3].map(|more| (user + more, format!("n{}", user + more)));
            join_all(names.iter().map(|(user, name)| server.join(chat, *user, name))).await;
            user += 10;
        }
        user
    };
    let user = tokio::time::timeout(LIMIT, cancels).await.unwrap();
    // None of those is used any more, so from now on every call can be killed, long before a statement reaches its own
    // time limit.
    for later in 10..15 {
        let ended = abandoned_join_ends(&server, &url, chat, user + later, Duration::from_secs(3)).await;
        assert!(ended, "{later}");
    }
}

#[tokio::test]
async fn an_event_whose_sender_hangs_up_while_it_is_stored_is_published() {
    let shard = own_shard(usual()).await;
    let settings = json!({ "storage_timeout": "30s", "requests": { "deadline": "30s" } });
    let server = Server::start(&[shard.url()], settings).await;
    let (url, chat) = (shard.url(), server.create_chat().await);
    assert_eq!(server.join(chat, 1, "a").await.status, 201);
    let mut listener = listen(&server, &format!("?chat_id={chat}"), &token(1)).await.unwrap();
    let mut holder = MySqlConnection::connect(&url).await.unwrap();
    let lock = "BEGIN; UPDATE chat_revisions SET revision = revision";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let event = json!({ "kind": "message", "body": "x" });
    let sender = half_a_request(&server, chat, "events", 1, &event).await;
    until_running(&url, "LAST_INSERT_ID(revision", 1).await;
    drop(sender);
    let noticed = r#"hotchat_requests_total{route="/v1/chats/{id}/events",outcome="disconnected"} 1"#;
    let started = Instant::now();
    while !server.get("/metrics").await.body.as_str().unwrap().contains(noticed) {
        assert!(started.elapsed() < LIMIT, "nobody has noticed");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let revision = pushed(&mut listener).await;
    assert_eq!(server.fetch(chat, 1, "").await.body["revision"], revision);
    assert!(server.metric(CANCELLED).await.abs() < 0.5);
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
}

#[tokio::test]
async fn a_request_ends_with_its_deadline_and_so_do_its_statements() {
    let shard = own_shard(usual()).await;
    let settings = json!({ "requests": { "in_progress": 1, "wait": "30s", "deadline": "700ms" } });
    let server = Server::start(&[shard.url()], settings).await;
    let (url, chat) = (shard.url(), server.create_chat().await);
    assert_eq!(server.join(chat, 1, "a").await.status, 201);
    let mut holder = MySqlConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(LOCK).execute(&mut holder).await.unwrap();
    let started = Instant::now();
    let works = server.join(chat, 2, "b");
    let waits = async {
        server.metric_becomes("hotchat_requests_in_progress", 1.0).await;
        tokio::join!(server.join(chat, 3, "c"), server.join(chat, 4, "d"))
    };
    let (worked, (second, third)) = tokio::join!(works, waits);
    assert!(started.elapsed() < Duration::from_secs(5), "storage alone may take 5 s");
    assert!(worked.is(504, "storage_timeout"), "{worked:?}");
    // Each of them got its slot with little time left, or none.
    for reply in [second, third] {
        let late = reply.is(503, "overloaded") || reply.is(504, "storage_timeout");
        assert!(late, "{reply:?}");
    }
    until_running(&url, "LAST_INSERT_ID(joined", 0).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(server.audited(chat).await, 1);
    assert_eq!(server.join(chat, 2, "b").await.status, 201);
}

#[tokio::test]
async fn count_and_rows_agree_after_mass_disconnects() {
    for count in [
        json!("aggregate"),
        json!({ "aggregate_slots": { "slots": 4 } }),
        json!("scan"),
    ] {
        let server = Server::usual(json!({ "member_count": count, "pool": { "size": 8 } })).await;
        let chat = server.create_chat().await;
        let hang_ups = (1..=300_u64).map(|user| {
            let server = &server;
            async move {
                let caller = half_a_join(server, chat, user).await;
                // From immediately to about when the response arrives.
                tokio::time::sleep(Duration::from_micros(user * 37 % 4000)).await;
                drop(caller);
            }
        });
        join_all(hang_ups).await;
        server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
        server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
        // The last statements may still be executed, or be killed, for a moment; then nothing changes on its own.
        let started = Instant::now();
        for last in 1_000_000.. {
            let members = server.audited(chat).await;
            let next = server.join(chat, last, &format!("n{last}")).await;
            assert_eq!(next.status, 201, "no transaction was left open: {next:?}");
            if next.body["member_count"] == members + 1 {
                break;
            }
            assert!(started.elapsed() < LIMIT, "{members}, then {next:?}");
        }
        server.audited(chat).await;
    }
}
