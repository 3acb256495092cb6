//! The join throttle, in its five implementations: real servers, a real Redis that is killed and frozen, the publish
//! role stopped and started.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::{Duration, Instant};

use bmt_sandbox::Redis;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{LIMIT, Reply, Server, fresh_databases, own_redis};

/// A response, and the times between which it was decided.
struct Tried {
    sent: Instant,
    received: Instant,
    reply: Reply,
}

async fn try_to_join(server: &Server, chat: u64, users: std::ops::Range<u64>) -> Vec<Tried> {
    let one = |user: u64| async move {
        let sent = Instant::now();
        let reply = server.join(chat, user, &format!("n{user}")).await;
        let received = Instant::now();
        Tried { sent, received, reply }
    };
    join_all(users.map(one)).await
}

fn admitted(tried: &[Tried]) -> usize {
    tried.iter().filter(|tried| tried.reply.status == 201).count()
}

/// The most joins that were certainly admitted within one window, wherever it begins.
fn most_in_a_window(tried: &[Tried], window: Duration) -> usize {
    let joined: Vec<&Tried> = tried.iter().filter(|tried| tried.reply.status == 201).collect();
    let within = |first: &&Tried| {
        let end = first.sent + window;
        joined
            .iter()
            .filter(|each| each.sent >= first.sent && each.received <= end)
            .count()
    };
    joined.iter().map(within).max().unwrap_or(0)
}

fn retry_ms(reply: &Reply) -> u64 {
    reply.body["retry_after_ms"].as_u64().unwrap()
}

async fn start(redis: &Redis, throttle: Value, limit: Value) -> Server {
    let settings = json!({ "join_throttle": throttle, "join_limit": limit });
    Server::try_start(&fresh_databases().await, settings, json!({ "redis": redis.url() }))
        .await
        .unwrap()
}

async fn change(server: &Server, patch: Value) {
    let reply = server.ask_admin(Method::PATCH, "/admin/settings", Some(patch)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

async fn run_publish(server: &Server, running: bool) {
    let body = json!({ "running": running });
    let reply = server.ask_admin(Method::PUT, "/admin/publish", Some(body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

async fn decided(server: &Server, decision: &str) -> f64 {
    let metric = format!(r#"hotchat_join_throttle_decisions_total{{decision="{decision}"}}"#);
    server.metric(&metric).await
}

const CALLS: &str = "hotchat_join_throttle_redis_calls_total";
const LAG: &str = "hotchat_join_throttle_lag_seconds";
const UP: &str = "hotchat_redis_up";

#[tokio::test]
async fn a_burst_of_three_times_the_limit_is_held_to_it_and_gets_retry_after() {
    let redis = own_redis().await;
    let window = Duration::from_secs(1);
    for throttle in [
        json!("local"),
        json!("redis"),
        json!({ "local_shared": { "processes": 1 } }),
    ] {
        let server = start(&redis, throttle.clone(), json!({ "joins": 20 })).await;
        let (chat, quiet) = (server.create_chat().await, server.create_chat().await);
        let (mut tried, started, mut user) = (Vec::new(), Instant::now(), 1);
        while started.elapsed() < window * 4 {
            tried.extend(try_to_join(&server, chat, user..user + 60).await);
            user += 60;
        }
        let most = most_in_a_window(&tried, window);
        assert!(most <= 20, "{throttle}: {most}");
        assert!(
            admitted(&tried) >= 40,
            "{throttle}: {} in four windows",
            admitted(&tried)
        );
        let refused: Vec<&Reply> = tried
            .iter()
            .map(|tried| &tried.reply)
            .filter(|reply| reply.status != 201)
            .collect();
        for reply in &refused {
            assert!(reply.is(429, "throttled"), "{throttle}: {reply:?}");
            let millis = retry_ms(reply);
            assert!(
                millis <= 1025 + 500,
                "{throttle}: a window, a sub-window, and half a window: {reply:?}"
            );
            let seconds = millis.div_ceil(1000).to_string();
            assert_eq!(reply.retry_after.as_deref(), Some(&*seconds), "{throttle}: {reply:?}");
            assert!(
                reply.body["message"]
                    .as_str()
                    .unwrap()
                    .contains("try again in a moment")
            );
        }
        let mut times: Vec<u64> = refused.iter().map(|reply| retry_ms(reply)).collect();
        times.sort_unstable();
        times.dedup();
        assert!(
            times.len() > 20,
            "{throttle}: they do not all come back at once: {times:?}"
        );
        assert_eq!(server.audited(chat).await, admitted(&tried) as u64, "{throttle}");
        assert_eq!(server.join(quiet, 1, "a").await.status, 201, "{throttle}: another chat");
        assert!((decided(&server, "refused").await - refused.len() as f64).abs() < 0.1);
        assert!((decided(&server, "admitted").await - admitted(&tried) as f64 - 1.0).abs() < 0.1);
    }
}

#[tokio::test]
async fn two_servers_keep_and_use_a_shared_limit() {
    let redis = own_redis().await;
    let window = Duration::from_secs(2);
    let settings = json!({
        "join_throttle": { "local_shared": { "processes": 2 } },
        "join_limit": { "joins": 40, "window": "2s" },
    });
    let (databases, more) = (fresh_databases().await, json!({ "redis": redis.url() }));
    let one = Server::try_start(&databases, settings.clone(), more.clone())
        .await
        .unwrap();
    let two = Server::try_start(&databases, settings, more).await.unwrap();
    let chat = one.create_chat().await;
    let (mut tried, started, mut user) = (Vec::new(), Instant::now(), 1);
    while started.elapsed() < window * 4 {
        let (first, second) = (user..user + 15, user + 15..user + 30);
        let (mut first, second) = tokio::join!(try_to_join(&one, chat, first), try_to_join(&two, chat, second));
        first.extend(second);
        tried.extend(first);
        user += 30;
    }
    let most = most_in_a_window(&tried, window);
    assert!(most <= 40, "{most}");
    assert!(most > 8 + 8, "more than the reserves: {most}");
    assert_eq!(one.audited(chat).await, admitted(&tried) as u64);
}

/// Commands of this name executed by Redis.
async fn commands(redis: &Redis, name: &str) -> u64 {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn quiet_chats_cause_no_redis_commands_unless_redis_counts() {
    let redis = own_redis().await;
    let server = start(&redis, json!("local"), json!({})).await;
    for user in 1..=10 {
        let chat = server.create_chat().await;
        assert_eq!(server.join(chat, user, "a").await.status, 201);
    }
    assert!(server.metric(CALLS).await.abs() < 0.1);
    assert_eq!(commands(&redis, "eval").await, 0);
    change(&server, json!({ "join_throttle": "redis" })).await;
    for user in 1..=10 {
        let chat = server.create_chat().await;
        assert_eq!(server.join(chat, user, "a").await.status, 201);
    }
    assert!((server.metric(CALLS).await - 10.0).abs() < 0.1);
    assert_eq!(commands(&redis, "eval").await, 10);
}

#[tokio::test]
async fn by_the_bus_it_is_as_late_as_the_publish_role() {
    let limit = json!({ "joins": 10, "window": "1m" });
    let bus = json!({ "partitions": 1 });
    let server = Server::usual(json!({ "join_throttle": "bus", "join_limit": limit, "bus": bus })).await;
    let caught_up = || server.metric_becomes(r#"hotchat_bus_lag_records{partition="0"}"#, 0.0);
    let chat = server.create_chat().await;
    run_publish(&server, false).await;
    let rush = try_to_join(&server, chat, 1..31).await;
    assert_eq!(admitted(&rush), 30, "three times the limit: nobody counts");
    assert!((decided(&server, "open").await - 30.0).abs() < 0.1);
    assert!(server.metric(LAG).await > 0.0);
    run_publish(&server, true).await;
    caught_up().await;
    assert!(server.metric(LAG).await.abs() < f64::EPSILON);
    let late = server.join(chat, 31, "late").await;
    assert!(late.is(429, "throttled") && retry_ms(&late) > 50_000, "{late:?}");

    // Given time to count, it keeps the limit.
    let calm = server.create_chat().await;
    for user in 1..=10 {
        assert_eq!(server.join(calm, user, &format!("n{user}")).await.status, 201);
        caught_up().await;
    }
    assert!(server.join(calm, 11, "late").await.is(429, "throttled"));

    change(&server, json!({ "join_limit": { "when_away": "closed" } })).await;
    run_publish(&server, false).await;
    let other = server.create_chat().await;
    let refused = server.join(other, 1, "a").await;
    assert!(
        refused.is(429, "throttled") && retry_ms(&refused) >= 1000,
        "{refused:?}"
    );
    assert!((decided(&server, "closed").await - 1.0).abs() < 0.1);
    run_publish(&server, true).await;
    assert_eq!(server.join(other, 1, "a").await.status, 201);
}

#[tokio::test]
async fn when_away_decides_while_redis_is_away() {
    let mut redis = own_redis().await;
    let server = start(&redis, json!("redis"), json!({ "joins": 3, "window": "1m" })).await;
    let chat = server.create_chat().await;
    redis.pause().await.unwrap();
    let started = Instant::now();
    let frozen = try_to_join(&server, chat, 1..11).await;
    assert_eq!(admitted(&frozen), 10, "open");
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert!((decided(&server, "open").await - 10.0).abs() < 0.1);
    server.metric_becomes(UP, 0.0).await;
    let calls = server.metric(CALLS).await;
    change(&server, json!({ "join_limit": { "when_away": "closed" } })).await;
    assert!(server.join(chat, 11, "n11").await.is(429, "throttled"));
    assert!((server.metric(CALLS).await - calls).abs() < 0.1, "Redis is not called");
    assert!((decided(&server, "closed").await - 1.0).abs() < 0.1);

    redis.kill().await.unwrap();
    redis.restart().await.unwrap();
    server.metric_becomes(UP, 1.0).await;
    let again = try_to_join(&server, chat, 21..31).await;
    assert_eq!(admitted(&again), 3, "it counts again, from nothing");
}

#[tokio::test]
async fn without_redis_a_shared_limit_is_the_reserve_or_an_even_part() {
    let mut redis = own_redis().await;
    let shared = json!({ "local_shared": { "processes": 2 } });
    let limit = json!({ "joins": 40, "window": "1m", "when_away": "closed" });
    let server = start(&redis, shared, limit).await;
    redis.kill().await.unwrap();
    server.metric_becomes(UP, 0.0).await;
    let chat = server.create_chat().await;
    assert_eq!(admitted(&try_to_join(&server, chat, 1..41).await), 4, "a fifth of 20");
    change(&server, json!({ "join_limit": { "when_away": "open" } })).await;
    assert_eq!(admitted(&try_to_join(&server, chat, 41..81).await), 16, "20 in all");
    // Counts are kept when this process continues on its own.
    change(&server, json!({ "join_throttle": "local" })).await;
    assert_eq!(admitted(&try_to_join(&server, chat, 81..121).await), 20, "40 in all");
}

#[tokio::test]
async fn throttle_and_limit_change_at_run_time() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    assert_eq!(admitted(&try_to_join(&server, chat, 1..11).await), 10, "no throttle");
    assert!(decided(&server, "admitted").await.abs() < 0.1);
    change(
        &server,
        json!({ "join_throttle": "local", "join_limit": { "joins": 3, "window": "1m" } }),
    )
    .await;
    assert_eq!(admitted(&try_to_join(&server, chat, 11..21).await), 3);
    change(&server, json!({ "join_limit": { "joins": 5 } })).await;
    assert_eq!(admitted(&try_to_join(&server, chat, 21..31).await), 2, "two more");
    let patch = json!({ "join_throttle": "redis" });
    let reply = server.ask_admin(Method::PATCH, "/admin/settings", Some(patch)).await;
    assert!(reply.is(400, "settings_refused"), "{reply:?}");
    assert!(
        reply.body["message"].as_str().unwrap().contains("add `redis:"),
        "{reply:?}"
    );
    assert!(server.join(chat, 31, "n31").await.is(429, "throttled"), "as before");
    change(&server, json!({ "join_throttle": null })).await;
    assert_eq!(server.join(chat, 31, "n31").await.status, 201);
}

#[tokio::test]
async fn an_admitted_join_that_fails_uses_its_place() {
    let server = Server::usual(json!({ "join_throttle": "local", "join_limit": { "joins": 3, "window": "1m" } })).await;
    let chat = server.create_chat().await;
    assert_eq!(server.join(chat, 1, "a").await.status, 201);
    assert!(server.join(chat, 1, "a").await.is(409, "already_member"));
    assert_eq!(server.join(chat, 2, "b").await.status, 201);
    assert!(server.join(chat, 3, "c").await.is(429, "throttled"));
    assert!(server.leave(chat, 1).await.status == 204, "leaving is nobody's rush");
}
