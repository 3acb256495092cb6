//! Callers that go away in the middle: their work is finished or undone as a whole, and nothing leaks.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Server, own_shard, token, usual};

/// Sends a join and does not wait for the answer.
async fn half_a_join(server: &Server, chat: u64, user: u64) -> TcpStream {
    let mut stream = TcpStream::connect(&server.api).await.unwrap();
    let body = json!({ "name": format!("n{user}") }).to_string();
    let head = format!(
        "POST /v1/chats/{chat}/members HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        token(user),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_join_whose_caller_has_gone_is_finished_as_a_whole() {
    let mut shard = own_shard(usual()).await;
    let server = Server::start(&[shard.url()], json!({ "storage_timeout": "30s" })).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let callers = join_all((1..=20).map(|user| half_a_join(&server, chat, user))).await;
    server.metric_becomes("hotchat_requests_in_progress", 20.0).await;
    drop(callers);
    let gone = r#"hotchat_requests_total{route="/v1/chats/{id}/members",outcome="disconnected"}"#;
    let started = std::time::Instant::now();
    while server.metric("hotchat_connections_open").await > 1.5 {
        assert!(
            started.elapsed() < crate::support::LIMIT,
            "connections of callers that went away stay open"
        );
    }
    assert!((server.metric(gone).await - 20.0).abs() < 0.1);
    assert!(
        (server.metric("hotchat_requests_in_progress").await - 20.0).abs() < 0.1,
        "the work goes on"
    );
    shard.resume().unwrap();
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
    server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
    assert_eq!(server.audited(chat).await, 20);
}

#[tokio::test]
async fn count_and_rows_agree_after_a_hammering_by_callers_that_hang_up() {
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
                // From at once to about when the answer comes.
                tokio::time::sleep(Duration::from_micros(user * 37 % 4000)).await;
                drop(caller);
            }
        });
        join_all(hang_ups).await;
        server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
        server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
        let members = server.audited(chat).await;
        let next = server.join(chat, 1_000_000, "last").await;
        assert_eq!(
            (next.status, &next.body["member_count"]),
            (201, &json!(members + 1)),
            "no transaction was left open"
        );
    }
}
