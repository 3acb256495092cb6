//! From a stored event to its members: real shards, a real Redis that is killed and frozen, the role stopped and
//! started.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::{Duration, Instant};

use bmt_sandbox::Redis;
use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::push::listen;
use crate::support::{LIMIT, Server, fresh_databases, own_redis, token};

/// Twenty fetches in two seconds make a chat hot; then every push is dropped, and none is made up for.
fn settings() -> Value {
    json!({
        "hot_chat": { "fetches": 20, "window": "2s", "ttl": "1s" },
        "push_throttle": { "fixed": { "drop": 1.0 } },
        "trailing_push": "none",
    })
}

fn with(mut settings: Value, more: &Value) -> Value {
    let hot_chat = settings["hot_chat"].as_object_mut().unwrap();
    hot_chat.extend(more.as_object().unwrap().clone());
    settings
}

async fn start(redis: &Redis, settings: Value) -> Server {
    let more = json!({ "redis": redis.url() });
    Server::try_start(&fresh_databases().await, settings, more)
        .await
        .unwrap()
}

/// A chat with member 1, and the member's connection.
async fn chat_with_listener(server: &Server) -> (u64, WebSocketStream<TcpStream>) {
    let chat = server.create_chat().await;
    assert_eq!(server.join(chat, 1, "ann").await.status, 201);
    let listener = listen(server, &format!("?chat_id={chat}"), &token(1)).await.unwrap();
    (chat, listener)
}

/// The revision of the next push.
pub(crate) async fn pushed(listener: &mut WebSocketStream<TcpStream>) -> u64 {
    match timeout(LIMIT, listener.next()).await.unwrap().unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str::<Value>(&text).unwrap()["revision"]
            .as_u64()
            .unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn send_one(server: &Server, chat: u64) -> u64 {
    let reply = server.message(chat, 1, "x").await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["revision"].as_u64().unwrap()
}

async fn fetch_often(server: &Server, chat: u64, times: usize) {
    for reply in join_all((0..times).map(|_| server.fetch(chat, 1, ""))).await {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// Keeps the chat hot until `done`.
async fn keep_hot<T>(server: &Server, chat: u64, done: impl Future<Output = T>) -> T {
    let fetching = async {
        loop {
            fetch_often(server, chat, 5).await;
        }
    };
    tokio::select! {
        done = done => done,
        () = fetching => unreachable!("it goes on for ever"),
    }
}

/// Waits until a counter has reached a value.
async fn reaches(server: &Server, metric: &str, value: f64) {
    let started = Instant::now();
    while server.metric(metric).await < value {
        assert!(started.elapsed() < LIMIT, "{metric} does not reach {value}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn make_hot(server: &Server, chat: u64) {
    let before = server.metric(SET).await;
    fetch_often(server, chat, 21).await;
    reaches(server, SET, before + 1.0).await;
}

const SET: &str = r#"hotchat_hot_marks_total{change="set"}"#;
const RENEWED: &str = r#"hotchat_hot_marks_total{change="renewed"}"#;
const EXPIRED: &str = r#"hotchat_hot_marks_total{change="expired"}"#;
const DROPPED: &str = r#"hotchat_pushes_total{outcome="dropped"}"#;
const UP: &str = "hotchat_redis_up";

/// The value and time to live (milliseconds) of a chat's mark.
async fn mark(redis: &Redis, chat: u64) -> (Option<String>, i64) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("hotchat:hot:{chat}");
    let (get, pttl) = (
        redis::cmd("GET").arg(&key).clone(),
        redis::cmd("PTTL").arg(&key).clone(),
    );
    let value = get.query_async(&mut connection).await.unwrap();
    (value, pttl.query_async(&mut connection).await.unwrap())
}

#[tokio::test]
async fn a_hot_chat_is_marked_and_throttled_until_it_cools_and_the_others_are_not_touched() {
    let redis = own_redis().await;
    let server = start(&redis, settings()).await;
    let (hot, mut hot_listener) = chat_with_listener(&server).await;
    let (quiet, mut quiet_listener) = chat_with_listener(&server).await;
    fetch_often(&server, hot, 20).await;
    fetch_often(&server, quiet, 20).await;
    let first = send_one(&server, hot).await;
    assert_eq!(
        pushed(&mut hot_listener).await,
        first,
        "exactly the limit is not over it"
    );

    make_hot(&server, hot).await;
    let (value, ttl_ms) = mark(&redis, hot).await;
    let value: Value = serde_json::from_str(&value.unwrap()).unwrap();
    assert!(value["fetches"].as_u64().unwrap() > 20 && value["since_ms"].as_u64().is_some());
    assert!((1..=1000).contains(&ttl_ms), "{ttl_ms}");
    assert_eq!(mark(&redis, quiet).await.0, None);
    assert!((server.metric("hotchat_hot_detection_delay_seconds_count").await - 1.0).abs() < 0.1);
    keep_hot(&server, hot, async {
        reaches(&server, RENEWED, 2.0).await;
        for _ in 0..10 {
            send_one(&server, hot).await;
            let revision = send_one(&server, quiet).await;
            assert_eq!(pushed(&mut quiet_listener).await, revision);
        }
        reaches(&server, DROPPED, 10.0).await;
    })
    .await;
    reaches(&server, EXPIRED, 1.0).await;
    server.metric_becomes("hotchat_hot_chats", 0.0).await;
    assert_eq!(mark(&redis, hot).await.0, None);
    let revision = send_one(&server, hot).await;
    assert_eq!(
        pushed(&mut hot_listener).await,
        revision,
        "none of the dropped ones came"
    );
    assert!((server.metric(DROPPED).await - 10.0).abs() < 0.1);
}

#[tokio::test]
async fn a_chat_cools_beside_one_that_stays_hot() {
    let redis = own_redis().await;
    let mut settings = settings();
    settings["bus"] = json!({ "partitions": 1 });
    let server = start(&redis, settings).await;
    let (cooling, _first) = chat_with_listener(&server).await;
    let (hot, _second) = chat_with_listener(&server).await;
    make_hot(&server, cooling).await;
    make_hot(&server, hot).await;
    let cooled = async {
        while mark(&redis, cooling).await.0.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(mark(&redis, hot).await.0.is_some());
    };
    timeout(LIMIT, keep_hot(&server, hot, cooled)).await.unwrap();
}

#[tokio::test]
async fn a_mark_of_one_server_throttles_the_pushes_of_another() {
    let redis = own_redis().await;
    let databases = fresh_databases().await;
    let more = json!({ "redis": redis.url() });
    let settings = with(settings(), &json!({ "ttl": "30s" }));
    let counting = Server::try_start(&databases, settings.clone(), more.clone())
        .await
        .unwrap();
    let pushing = Server::try_start(&databases, settings, more).await.unwrap();
    let (chat, _listener) = chat_with_listener(&pushing).await;
    make_hot(&counting, chat).await;
    send_one(&pushing, chat).await;
    reaches(&pushing, DROPPED, 1.0).await;
    assert!(pushing.metric(SET).await.abs() < 0.1, "it has counted nothing itself");
}

#[tokio::test]
async fn a_frozen_redis_stops_no_push_and_throttles_again_when_it_is_back() {
    let mut redis = own_redis().await;
    let server = start(&redis, settings()).await;
    let (chat, mut listener) = chat_with_listener(&server).await;
    server.metric_becomes(UP, 1.0).await;
    make_hot(&server, chat).await;
    redis.pause().await.unwrap();
    let asked = Instant::now();
    let revision = send_one(&server, chat).await;
    assert_eq!(pushed(&mut listener).await, revision, "unthrottled without Redis");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    server.metric_becomes(UP, 0.0).await;
    let asked = Instant::now();
    for _ in 0..50 {
        let revision = send_one(&server, chat).await;
        assert_eq!(pushed(&mut listener).await, revision);
    }
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "nobody waits for it again: {:?}",
        asked.elapsed()
    );
    redis.resume().unwrap();
    server.metric_becomes(UP, 1.0).await;
    let log = server.child.log_tail();
    assert_eq!(
        log.matches("redis is away").count(),
        1,
        "a change is logged once: {log}"
    );
    let dropped = server.metric(DROPPED).await;
    keep_hot(&server, chat, async {
        while mark(&redis, chat).await.0.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        send_one(&server, chat).await;
        reaches(&server, DROPPED, dropped + 1.0).await;
    })
    .await;
}

#[tokio::test]
async fn with_the_last_known_marks_a_hot_chat_stays_throttled_without_redis() {
    let mut redis = own_redis().await;
    let server = start(
        &redis,
        with(settings(), &json!({ "without_redis": "last_known", "ttl": "30s" })),
    )
    .await;
    let (hot, _hot_listener) = chat_with_listener(&server).await;
    let (quiet, mut quiet_listener) = chat_with_listener(&server).await;
    make_hot(&server, hot).await;
    redis.kill().await.unwrap();
    server.metric_becomes(UP, 0.0).await;
    for expected in 1..=5_u32 {
        send_one(&server, hot).await;
        reaches(&server, DROPPED, f64::from(expected)).await;
        let revision = send_one(&server, quiet).await;
        assert_eq!(pushed(&mut quiet_listener).await, revision);
    }
    assert!(server.metric("hotchat_redis_errors_total").await > 0.0);
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_gets_the_marks_again() {
    let mut redis = own_redis().await;
    let server = start(&redis, settings()).await;
    let (chat, _listener) = chat_with_listener(&server).await;
    make_hot(&server, chat).await;
    redis.kill().await.unwrap();
    server.metric_becomes(UP, 0.0).await;
    redis.restart().await.unwrap();
    server.metric_becomes(UP, 1.0).await;
    let marked = keep_hot(&server, chat, async {
        while mark(&redis, chat).await.0.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    timeout(LIMIT, marked).await.unwrap();
}

#[tokio::test]
async fn a_server_starts_without_its_redis() {
    let mut redis = own_redis().await;
    redis.kill().await.unwrap();
    let server = start(&redis, settings()).await;
    assert!(server.metric(UP).await.abs() < 0.1);
    let (chat, mut listener) = chat_with_listener(&server).await;
    let revision = send_one(&server, chat).await;
    assert_eq!(pushed(&mut listener).await, revision);
    redis.restart().await.unwrap();
    server.metric_becomes(UP, 1.0).await;
}

#[tokio::test]
async fn overrides_stand_above_the_detector() {
    let redis = own_redis().await;
    let server = start(&redis, settings()).await;
    let (never, mut never_listener) = chat_with_listener(&server).await;
    let (always, _always_listener) = chat_with_listener(&server).await;
    let overrides = json!({ "push_overrides": { "never": [never], "always": [always] } });
    let patched = server
        .ask_admin(Method::PATCH, "/admin/settings", Some(overrides))
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    make_hot(&server, never).await;
    let revision = send_one(&server, never).await;
    assert_eq!(pushed(&mut never_listener).await, revision);
    send_one(&server, always).await;
    reaches(&server, DROPPED, 1.0).await;
}

async fn run_publish(server: &Server, running: bool) {
    let body = json!({ "running": running });
    let reply = server
        .ask_admin(Method::PUT, "/admin/publish", Some(body.clone()))
        .await;
    assert_eq!((reply.status, reply.body), (200, body));
}

#[tokio::test]
async fn what_was_sent_while_the_role_was_stopped_is_pushed_when_it_starts() {
    let server = Server::usual(json!({ "bus": { "partitions": 1 } })).await;
    let (chat, mut listener) = chat_with_listener(&server).await;
    let first = send_one(&server, chat).await;
    assert_eq!(pushed(&mut listener).await, first);
    let (lag, age) = (
        r#"hotchat_bus_lag_records{partition="0"}"#,
        r#"hotchat_bus_lag_seconds{partition="0"}"#,
    );
    server.metric_becomes(lag, 0.0).await;
    for round in 0..2 {
        run_publish(&server, false).await;
        run_publish(&server, false).await;
        for _ in 0..100 {
            send_one(&server, chat).await;
        }
        assert!((server.metric(lag).await - 100.0).abs() < 0.1);
        assert!(server.metric(age).await > 0.0);
        run_publish(&server, true).await;
        run_publish(&server, true).await;
        while pushed(&mut listener).await < first + (round + 1) * 100 {}
        server.metric_becomes(lag, 0.0).await;
        assert!(server.metric(age).await.abs() < f64::EPSILON);
    }
    let sent = server.metric(r#"hotchat_bus_published_total{record="sent"}"#).await;
    assert!((sent - 201.0).abs() < 0.1);
    assert!((server.metric(r#"hotchat_bus_published_total{record="joined"}"#).await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn a_full_bus_refuses_records_and_stores_the_events() {
    let bus = json!({ "partitions": 1, "capacity": 3, "full_wait": "50ms" });
    let server = Server::usual(json!({ "bus": bus })).await;
    let (chat, mut listener) = chat_with_listener(&server).await;
    server
        .metric_becomes(r#"hotchat_bus_lag_records{partition="0"}"#, 0.0)
        .await;
    run_publish(&server, false).await;
    fetch_often(&server, chat, 5).await;
    let refused = |record| format!(r#"hotchat_bus_refused_total{{record="{record}"}}"#);
    assert!((server.metric(&refused("fetched")).await - 2.0).abs() < 0.1);
    let asked = Instant::now();
    let revision = send_one(&server, chat).await;
    assert!(asked.elapsed() >= Duration::from_millis(50), "it waits for room");
    assert!((server.metric(&refused("sent")).await - 1.0).abs() < 0.1);
    assert_eq!(
        server.fetch(chat, 1, "").await.body["revision"],
        revision,
        "it is stored"
    );
    run_publish(&server, true).await;
    server
        .metric_becomes(r#"hotchat_bus_lag_records{partition="0"}"#, 0.0)
        .await;
    let next = send_one(&server, chat).await;
    assert_eq!(pushed(&mut listener).await, next, "the next push makes up for it");
}
