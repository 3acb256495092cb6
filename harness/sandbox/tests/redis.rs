//! A real Redis: started, frozen, killed, started again.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use bmt_sandbox::{Redis, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(redis: &Redis, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let n = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..n]).into_owned()
}

#[tokio::test]
async fn it_starts_empty_every_time_on_the_same_port() {
    let sandbox = Sandbox::new().unwrap();
    let mut redis = Redis::start(&sandbox).await.unwrap();
    let (port, pid) = (redis.port(), redis.pid());
    assert_eq!(ask(&redis, "SET a 1").await, "+OK\r\n");
    assert_eq!(ask(&redis, "GET a").await, "$1\r\n1\r\n");
    redis.kill().await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(redis.ensure_running().is_err());
    redis.restart().await.unwrap();
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), pid);
    assert_eq!(ask(&redis, "GET a").await, "$-1\r\n");
    assert_eq!(
        ask(&redis, "CONFIG GET maxmemory-policy").await.lines().last(),
        Some("volatile-ttl")
    );
    assert!(redis.stop().await.unwrap().success());
}

#[tokio::test]
async fn a_paused_redis_answers_again_when_it_is_resumed() {
    let sandbox = Sandbox::new().unwrap();
    let mut redis = Redis::start(&sandbox).await.unwrap();
    redis.pause().await.unwrap();
    let answer = ask(&redis, "PING");
    tokio::pin!(answer);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err(), "a paused server must not answer");
    redis.resume().unwrap();
    assert_eq!(answer.await, "+PONG\r\n");
}
