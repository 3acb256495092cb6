//! Connections are counted, bounded, and closed when idle or slow.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{LIMIT, Server, fresh_databases, token};

async fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    let length = timeout(LIMIT, stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn connections_are_counted_and_closed_beyond_the_limit() {
    let more = json!({ "max_connections": 3 });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .unwrap();
    // The metrics' own connection is the first.
    assert!((server.metric("hotchat_connections_open").await - 1.0).abs() < 0.1);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&server.api).await.unwrap();
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    let mut beyond = TcpStream::connect(&server.api).await.unwrap();
    let mut byte = [0; 1];
    assert!(
        matches!(timeout(LIMIT, beyond.read(&mut byte)).await.unwrap(), Ok(0) | Err(_)),
        "closed, not answered"
    );
    assert!((server.metric("hotchat_connections_accepted_total").await - 4.0).abs() < 0.1);
    assert!((server.metric("hotchat_connections_refused_total").await - 1.0).abs() < 0.1);
    assert!((server.metric("hotchat_connections_open_peak").await - 3.0).abs() < 0.1);
    drop(open);
    server.metric_becomes("hotchat_connections_open", 1.0).await;
    let mut again = TcpStream::connect(&server.api).await.unwrap();
    assert!(ask(&mut again).await.starts_with("HTTP/1.1 200"), "there is room again");
}

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed() {
    let more = json!({ "idle_timeout": "200ms" });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .unwrap();
    for head in ["", "GET /healthz HTTP/1.1\r\nho"] {
        let mut stream = TcpStream::connect(&server.api).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut rest))
            .await
            .expect("it is closed")
            .unwrap();
    }
}

#[tokio::test]
async fn a_missing_body_is_408() {
    let more = json!({ "body_timeout": "200ms" });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .unwrap();
    let mut stream = TcpStream::connect(&server.api).await.unwrap();
    let head = format!(
        "POST /v1/chats HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 20\r\n\r\n{{",
        token(1)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let length = timeout(LIMIT, stream.read(&mut buffer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&buffer[..length]);
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"),
        "{answer}"
    );
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
}
