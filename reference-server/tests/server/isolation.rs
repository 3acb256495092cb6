//! A failing shard and the others: what the breaker and the bulkhead contain, and that nothing leaks.
//!
//! A paused shard stands for one that has stalled: connected, and silent.

use std::time::{Duration, Instant};

use bmt_sandbox::Shard;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{LIMIT, Reply, Server, own_shard, send, usual};

const SICK: u64 = 1;

struct World {
    shards: [Shard; 2],
    server: Server,
    /// One chat on each shard.
    chats: [u64; 2],
}

/// Two shards, the second of which will fail.
async fn world(settings: Value) -> World {
    let (well, sick) = tokio::join!(own_shard(usual()), own_shard(usual()));
    let server = Server::start(&[well.url(), sick.url()], settings).await;
    let chats = [server.chat_on(0, 2).await, server.chat_on(SICK, 2).await];
    // Each gets a connection or two in advance.
    for chat in chats {
        assert_eq!(server.join(chat, 1, "first").await.status, 201);
        assert_eq!(server.count(chat).await.status, 200);
    }
    World {
        shards: [well, sick],
        server,
        chats,
    }
}

/// Short times, for tests.
fn breaker(scope: &str) -> Value {
    json!({
        "scope": scope, "window": "5s", "minimum_calls": 5, "slow_call": "400ms", "slow_rate": 0.3, "failure_rate": 0.3,
        "open": "500ms", "trials": 2,
    })
}

fn state(shard: u64, call: &str) -> String {
    format!("hotchat_breaker_state{{shard=\"{shard}\",call=\"{call}\"}}")
}

async fn patch(server: &Server, change: Value) {
    let reply = server.ask_admin(Method::PATCH, "/admin/settings", Some(change)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Requests the count of a chat every few milliseconds until a response matches, without waiting for the earlier ones.
async fn counted_until(server: &Server, chat: u64, wanted: impl Fn(&Reply) -> bool) -> Reply {
    let started = Instant::now();
    let (answers, mut replies) = tokio::sync::mpsc::unbounded_channel();
    loop {
        let path = format!("/v1/chats/{chat}/members/count");
        let request = server.request(Method::GET, &path).bearer_auth(crate::support::token(1));
        let answers = answers.clone();
        tokio::spawn(async move {
            if let Ok(reply) = send(request).await {
                drop(answers.send(reply));
            }
        });
        let next = tokio::time::timeout(Duration::from_millis(20), replies.recv()).await;
        if let Ok(Some(reply)) = next
            && wanted(&reply)
        {
            return reply;
        }
        assert!(started.elapsed() < LIMIT, "no such answer");
    }
}

/// Everything that calls hold has been returned.
async fn nothing_is_held(server: &Server) {
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
    server.metric_becomes("hotchat_requests_waiting", 0.0).await;
    for shard in 0..2 {
        for gauge in ["pool_in_use", "bulkhead_in_progress", "bulkhead_waiting"] {
            server
                .metric_becomes(&format!("hotchat_{gauge}{{shard=\"{shard}\"}}"), 0.0)
                .await;
        }
    }
}

#[tokio::test]
async fn calls_to_a_paused_shard_are_rejected_at_once_and_the_other_is_unaffected() {
    let isolated = json!({
        "breaker": breaker("shard"),
        "bulkhead": { "scope": "shard", "in_progress": 4, "waiting": 4, "wait": "100ms" },
        "requests": { "in_progress": 16, "waiting": 16 },
    });
    let World {
        mut shards,
        server,
        chats,
    } = world(isolated).await;
    shards[1].pause().await.unwrap();
    let paused = Instant::now();
    let open = counted_until(&server, chats[1], |reply| reply.is(503, "breaker_open")).await;
    // No call has ended by itself yet: the storage time-out is 5 s.
    assert!(paused.elapsed() < Duration::from_secs(4), "{:?}", paused.elapsed());
    let retry_ms = open.body["retry_after_ms"].as_u64().unwrap();
    assert!(
        (1..=600).contains(&retry_ms) && open.retry_after.as_deref() == Some("1"),
        "{open:?}"
    );
    server.metric_becomes(&state(SICK, "count"), 1.0).await;
    for user in 2..30 {
        let started = Instant::now();
        let reply = server.join(chats[0], user, &format!("n{user}")).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    assert!(server.metric(&state(0, "count")).await.abs() < 0.5);
    assert!(
        server.metric(&state(SICK, "leave")).await.abs() < 0.5,
        "each kind of call has its own"
    );
    shards[1].resume().unwrap();
    let well = counted_until(&server, chats[1], |reply| reply.status == 200).await;
    assert_eq!(well.body["joined"], 1);
    while server.metric(&state(SICK, "count")).await > 0.5 {
        server.count(chats[1]).await;
    }
    nothing_is_held(&server).await;
    let to = |to: &str| format!("hotchat_breaker_transitions_total{{shard=\"1\",call=\"count\",to=\"{to}\"}}");
    for entered in ["open", "half_open", "closed"] {
        assert!(server.metric(&to(entered)).await > 0.5, "{entered}");
    }
    let refusals = r#"hotchat_breaker_refusals_total{shard="1",call="count"}"#;
    assert!(server.metric(refusals).await > 0.5);
    assert_eq!(
        (server.audited(chats[0]).await, server.audited(chats[1]).await),
        (29, 1)
    );
}

#[tokio::test]
async fn a_global_breaker_blocks_healthy_shards_too() {
    let World {
        mut shards,
        server,
        chats,
    } = world(json!({ "breaker": breaker("global") })).await;
    shards[1].pause().await.unwrap();
    counted_until(&server, chats[1], |reply| reply.is(503, "breaker_open")).await;
    let well = server.count(chats[0]).await;
    assert!(well.is(503, "breaker_open"), "{well:?}");
    assert!((server.metric(&state(0, "count")).await - 1.0).abs() < 0.5);
    shards[1].resume().unwrap();
    counted_until(&server, chats[0], |reply| reply.status == 200).await;
    while server.metric(&state(0, "count")).await > 0.5 {
        server.count(chats[0]).await;
    }
    nothing_is_held(&server).await;
}

#[tokio::test]
async fn the_bulkhead_bounds_the_calls_held_by_a_failing_shard() {
    let settings = json!({
        "bulkhead": { "scope": "shard", "in_progress": 3, "waiting": 2, "wait": "300ms" },
        "requests": { "deadline": "20s" }, "storage_timeout": "20s", "pool": { "acquire_timeout": "20s" },
    });
    let World {
        mut shards,
        server,
        chats,
    } = world(settings).await;
    shards[1].pause().await.unwrap();
    let calls = (0..10).map(|user| server.join_request(chats[1], 100 + user, &format!("n{user}")));
    let calls: Vec<_> = calls.map(|request| tokio::spawn(send(request))).collect();
    let inside = r#"hotchat_bulkhead_in_progress{shard="1"}"#;
    server.metric_becomes(inside, 3.0).await;
    let refused = |reason: &str| format!("hotchat_bulkhead_refusals_total{{shard=\"1\",reason=\"{reason}\"}}");
    server.metric_becomes(&refused("full"), 5.0).await;
    server.metric_becomes(&refused("wait"), 2.0).await;
    assert!(server.metric(r#"hotchat_pool_in_use{shard="1"}"#).await < 3.5);
    assert_eq!(server.join(chats[0], 2, "b").await.status, 201);
    // Room for two more, live: two of the four concurrent calls fit.
    patch(&server, json!({ "bulkhead": { "in_progress": 5, "waiting": 0 } })).await;
    let more = (0..4).map(|user| server.join_request(chats[1], 200 + user, &format!("m{user}")));
    let more: Vec<_> = more.map(|request| tokio::spawn(send(request))).collect();
    server.metric_becomes(&refused("full"), 7.0).await;
    server.metric_becomes(inside, 5.0).await;
    shards[1].resume().unwrap();
    let replies = join_all(calls.into_iter().chain(more)).await;
    let replies: Vec<Reply> = replies.into_iter().map(|reply| reply.unwrap().unwrap()).collect();
    let joined = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(joined, 5);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert!(
            reply.is(503, "bulkhead_full") && reply.body["retry_after_ms"] == 500,
            "{reply:?}"
        );
    }
    nothing_is_held(&server).await;
    assert_eq!(server.audited(chats[1]).await, 6);
}

#[tokio::test]
async fn disconnected_callers_leak_neither_slot_nor_trial() {
    let mut breaker = breaker("shard");
    // Time to disconnect before anything is slow. The breaker learns nothing of the calls that wait for the bulkhead,
    // only of these two.
    breaker["slow_call"] = json!("2s");
    breaker["minimum_calls"] = json!(2);
    let isolated = json!({
        "breaker": breaker, "bulkhead": { "scope": "shard", "in_progress": 2, "waiting": 4, "wait": "1500ms" },
    });
    let World {
        mut shards,
        server,
        chats,
    } = world(isolated).await;
    shards[1].pause().await.unwrap();
    for _ in 0..3 {
        let calls = (0..6).map(|user| server.join_request(chats[1], 100 + user, &format!("n{user}")));
        let calls: Vec<_> = calls.map(|request| tokio::spawn(send(request))).collect();
        server
            .metric_becomes(r#"hotchat_bulkhead_waiting{shard="1"}"#, 4.0)
            .await;
        // Callers who disconnect at once say nothing about the shard.
        for call in calls {
            call.abort();
        }
        nothing_is_held(&server).await;
    }
    assert!(server.metric(&state(SICK, "join")).await.abs() < 0.5);
    counted_until(&server, chats[1], |reply| reply.is(503, "breaker_open")).await;
    shards[1].resume().unwrap();
    counted_until(&server, chats[1], |reply| reply.status == 200).await;
    nothing_is_held(&server).await;
    server.audited(chats[1]).await;
}

#[tokio::test]
async fn breaker_and_bulkhead_can_be_switched_at_run_time() {
    let World {
        mut shards,
        server,
        chats,
    } = world(json!({ "requests": { "deadline": "1s" } })).await;
    shards[1].pause().await.unwrap();
    for _ in 0..6 {
        let path = format!("/v1/chats/{}/members/count", chats[1]);
        let request = server.request(Method::GET, &path).bearer_auth(crate::support::token(1));
        drop(tokio::spawn(send(request)));
    }
    server.metric_becomes("hotchat_requests_in_progress", 6.0).await;
    assert!(server.metric(r#"hotchat_bulkhead_in_progress{shard="1"}"#).await.abs() < 0.5);
    patch(
        &server,
        json!({ "breaker": breaker("shard"), "bulkhead": { "scope": "shard", "in_progress": 1 } }),
    )
    .await;
    counted_until(&server, chats[1], |reply| reply.error() == "bulkhead_full").await;
    // One at a time is let through, and none of them succeeds.
    patch(&server, json!({ "bulkhead": { "in_progress": 20 } })).await;
    counted_until(&server, chats[1], |reply| reply.is(503, "breaker_open")).await;
    patch(
        &server,
        json!({ "breaker": { "scope": "none" }, "bulkhead": { "scope": "none" } }),
    )
    .await;
    let late = server.count(chats[1]).await;
    assert!(
        late.is(504, "storage_timeout") || late.is(503, "overloaded") || late.is(503, "storage_unavailable"),
        "{late:?}"
    );
    assert!(server.metric(&state(SICK, "count")).await.abs() < 0.5);
    shards[1].resume().unwrap();
    counted_until(&server, chats[1], |reply| reply.status == 200).await;
    nothing_is_held(&server).await;
    patch(&server, json!({ "breaker": breaker("shard") })).await;
    assert_eq!(server.count(chats[1]).await.status, 200, "it begins closed");
}
