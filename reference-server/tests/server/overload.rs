//! Every limit rejects what exceeds it, in time, and names itself.
//!
//! A paused shard stands for one that has stalled: connected, and silent.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{LIMIT, Reply, Server, own_shard, send, usual};

const SHORT: Duration = Duration::from_millis(300);

async fn timed(answer: impl Future<Output = Reply>) -> (Reply, Duration) {
    let started = Instant::now();
    (answer.await, started.elapsed())
}

#[tokio::test]
async fn the_admission_limit_sheds_at_once_or_after_the_wait() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({
        "storage_timeout": "60s", "requests": { "in_progress": 2, "waiting": 3, "wait": "300ms", "deadline": "60s" },
    });
    let server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let join = |user: u64| tokio::spawn(send(server.join_request(chat, user, &format!("n{user}"))));
    let working = [join(1), join(2)];
    server.metric_becomes("hotchat_requests_in_progress", 2.0).await;
    let replies = join_all((3..=22).map(|user| {
        let server = &server;
        async move { timed(server.join(chat, user, &format!("n{user}"))).await }
    }));
    let (mut at_once, mut waited) = (0, 0);
    for (reply, took) in replies.await {
        assert!(reply.is(503, "overloaded"), "{reply:?}");
        assert_eq!(
            (reply.retry_after.as_deref(), &reply.body["retry_after_ms"]),
            (Some("1"), &json!(500))
        );
        if reply.body["message"].as_str().unwrap().contains("are waiting") {
            at_once += 1;
        } else {
            waited += 1;
            assert!(took >= SHORT && took < LIMIT, "{took:?}");
        }
    }
    assert!(waited >= 3 && at_once >= 1, "{waited} waited, {at_once} did not");
    let shed = |reason: &str| format!("hotchat_requests_shed_total{{reason=\"{reason}\"}}");
    assert!((server.metric(&shed("queue_full")).await - f64::from(at_once)).abs() < 0.1);
    assert!((server.metric(&shed("wait_timeout")).await - f64::from(waited)).abs() < 0.1);
    assert_eq!(server.get("/healthz").await.status, 200, "health is not limited");
    assert!(server.get("/readyz").await.is(503, "not_ready"));
    shard.resume().unwrap();
    for task in working {
        assert_eq!(task.await.unwrap().unwrap().status, 201);
    }
    assert_eq!(server.audited(chat).await, 2);
}

#[tokio::test]
async fn a_silent_shard_is_504_and_its_connection_is_not_reused() {
    for insert in ["values", "select_not_exists"] {
        let mut shard = own_shard(usual()).await;
        let settings = json!({ "storage_timeout": "300ms", "insert": insert, "pool": { "acquire_timeout": "300ms" } });
        let server = Server::start(&[shard.url()], settings).await;
        let chat = server.create_chat().await;
        assert_eq!(server.join(chat, 1, "a").await.status, 201);
        let open = r#"hotchat_pool_open{shard="0"}"#;
        while server.metric(open).await < 1.5 {
            tokio::join!(server.count(chat), server.count(chat), server.count(chat));
        }
        shard.pause().await.unwrap();
        let ((join, took), (leave, _)) = tokio::join!(timed(server.join(chat, 3, "c")), timed(server.leave(chat, 1)));
        assert!(
            join.is(504, "storage_timeout") && leave.is(504, "storage_timeout"),
            "{join:?} {leave:?}"
        );
        assert!(took >= SHORT && took < LIMIT, "{took:?}");
        server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 0.0).await;
        // A third connection may have been idle; without any, none can be opened.
        while !server.join(chat, 5, "e").await.is(503, "storage_unavailable") {}
        server.metric_becomes(open, 0.0).await;
        shard.resume().unwrap();
        // Statements already sent are executed now, on connections that are already closed: as a whole or not at all.
        assert_eq!(server.join(chat, 4, "d").await.status, 201);
        let started = Instant::now();
        while started.elapsed() < SHORT {
            server.audited(chat).await;
        }
    }
}

#[tokio::test]
async fn the_database_ends_a_stuck_statement() {
    let databases = crate::support::fresh_databases().await;
    let server = Server::start(&databases, json!({ "storage_timeout": "400ms" })).await;
    let chat = server.chat_on(0, 2).await;
    assert_eq!(server.join(chat, 1, "a").await.status, 201);
    let mut holder = <sqlx::MySqlConnection as sqlx::Connection>::connect(&databases[0])
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN; UPDATE member_counts SET joined = joined")
        .execute(&mut holder)
        .await
        .unwrap();
    let (reply, took) = timed(server.join(chat, 2, "b")).await;
    assert!(reply.is(504, "storage_timeout"), "{reply:?}");
    assert!(took < LIMIT);
    assert!(
        server.metric(r#"hotchat_pool_open{shard="0"}"#).await > 0.5,
        "its connection is still good"
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(server.audited(chat).await, 1, "the join was undone as a whole");
    assert_eq!(server.join(chat, 2, "b").await.body["member_count"], 2);
}

#[tokio::test]
async fn a_busy_pool_is_503_with_its_reason() {
    let mut shard = own_shard(usual()).await;
    let settings = json!({
        "storage_timeout": "60s", "pool": { "size": 1, "acquire_timeout": "300ms" }, "requests": { "deadline": "60s" },
    });
    let server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    shard.pause().await.unwrap();
    let first = tokio::spawn(send(server.join_request(chat, 1, "a")));
    server.metric_becomes(r#"hotchat_pool_in_use{shard="0"}"#, 1.0).await;
    let (reply, took) = timed(server.join(chat, 2, "b")).await;
    assert!(reply.is(503, "overloaded"), "{reply:?}");
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .contains("no database connection within 300ms"),
        "{reply:?}"
    );
    assert!(took >= SHORT && took < LIMIT, "{took:?}");
    assert!((server.metric(r#"hotchat_pool_timeouts_total{shard="0"}"#).await - 1.0).abs() < 0.1);
    shard.resume().unwrap();
    assert_eq!(first.await.unwrap().unwrap().status, 201);
}
