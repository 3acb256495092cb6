//! SIGTERM: requests in progress are finished, within bounds.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{LIMIT, Server, own_shard, send, usual};

#[tokio::test]
async fn a_request_in_progress_is_answered_before_exit() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({ "storage_timeout": "60s", "requests": { "deadline": "60s" }, "drain": "60s" });
    let mut server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let request = tokio::spawn(send(server.join_request(chat, 1, "ann")));
    server.metric_becomes("hotchat_requests_in_progress", 1.0).await;
    let api = server.api.clone();
    let resume_once_closed = async {
        let started = Instant::now();
        while TcpStream::connect(&api).await.is_ok() {
            assert!(started.elapsed() < LIMIT, "it goes on accepting");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shard.resume().unwrap();
    };
    let (ended, ()) = tokio::join!(server.child.terminate(LIMIT), resume_once_closed);
    assert_eq!(ended.unwrap().code(), Some(0));
    let reply = request.await.unwrap().unwrap();
    assert_eq!((reply.status, &reply.body["member_count"]), (201, &json!(1)));
}

#[tokio::test]
async fn draining_is_bounded() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({ "storage_timeout": "60s", "requests": { "deadline": "60s" }, "drain": "200ms" });
    let mut server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let request = tokio::spawn(send(server.join_request(chat, 1, "ann")));
    server.metric_becomes("hotchat_requests_in_progress", 1.0).await;
    let ended = server.child.terminate(LIMIT).await.unwrap();
    assert_eq!(ended.code(), Some(0), "it ends by itself, in time");
    assert!(
        request.await.unwrap().is_err(),
        "cut off rather than answered incorrectly"
    );
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_shutdown() {
    let mut server = Server::usual(json!({ "drain": "60s" })).await;
    assert_eq!(server.get("/healthz").await.status, 200); // the client keeps this connection
    let idle = TcpStream::connect(&server.api).await.unwrap();
    server.metric_becomes("hotchat_connections_open", 2.0).await;
    let ended = server.child.terminate(LIMIT).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    drop(idle);
}
