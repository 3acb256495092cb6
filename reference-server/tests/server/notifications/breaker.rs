//! The breaker of a queue: it opens within its window, keeps the others out of it, and recovers by itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Gateway, chat_of, count, message, notifying, reaction, settled, sums};
use crate::support::{LIMIT, Server};

fn guarded(queues: &str) -> Value {
    json!({
        "queues": queues,
        "connections": { "max": 30 },
        "request_timeout": "60s",
        "breaker": {
            "scope": "queue", "window": "2s", "minimum_calls": 5, "slow_call": "300ms", "open": "300ms", "jitter": 0, "trials": 2,
        },
        "audience": { "reaction": { "first": 10 } },
    })
}

const OPEN: f64 = 1.0;

/// Sends messages until the breaker of `queue` is closed again.
async fn recovers(server: &Server, chat: u64, queue: &str) {
    let started = Instant::now();
    let state = format!("hotchat_notify_breaker_state{{queue=\"{queue}\"}}");
    loop {
        message(server, chat).await;
        settled(server).await;
        if server.metric(&state).await.abs() < 0.5 {
            return;
        }
        assert!(started.elapsed() < LIMIT, "the breaker stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_gateway_that_fails_is_left_alone_until_it_recovers() {
    let gateway = Gateway::start(json!({ "unavailable": 1 })).await;
    let server = notifying(&gateway.url(), &guarded("shared")).await;
    let chat = chat_of(&server, 101).await;
    message(&server, chat).await;
    let state = r#"hotchat_notify_breaker_state{queue="shared"}"#;
    server.metric_becomes(state, OPEN).await;
    let after = settled(&server).await;
    let dropped = &after["roles"]["message"]["dropped"];
    assert!(
        count(dropped, "breaker") > 0 && count(dropped, "rejected") >= 5,
        "{after}"
    );
    assert_eq!(count(dropped, "breaker") + count(dropped, "rejected"), 100, "{after}");
    // What it let through is what the gateway saw.
    let seen = gateway.metric(r#"requests_total{role="message"}"#).await;
    assert!(
        (seen - count(dropped, "rejected") as f64).abs() < 0.1,
        "{seen}: {after}"
    );

    gateway.patch(json!({ "unavailable": 0 })).await;
    recovers(&server, chat, "shared").await;
    let to = |to: &str| format!("hotchat_notify_breaker_transitions_total{{queue=\"shared\",to=\"{to}\"}}");
    for state in ["open", "half_open", "closed"] {
        assert!(server.metric(&to(state)).await > 0.5, "{state}");
    }
    let before = count(&settled(&server).await["roles"]["message"], "delivered");
    message(&server, chat).await;
    let after = settled(&server).await;
    assert_eq!(count(&after["roles"]["message"], "delivered"), before + 100, "{after}");
}

#[tokio::test]
async fn a_gateway_that_stands_still_is_noticed_before_its_time_outs() {
    let mut gateway = Gateway::start(json!({})).await;
    let server = notifying(&gateway.url(), &guarded("shared")).await;
    let chat = chat_of(&server, 101).await;
    gateway.child.pause().await.unwrap();
    // It takes every slot; nobody asks the breaker for anything after that.
    message(&server, chat).await;
    let state = r#"hotchat_notify_breaker_state{queue="shared"}"#;
    server.metric_becomes(state, OPEN).await;
    server
        .metric_becomes(r#"hotchat_notify_dropped_total{role="message",reason="breaker"}"#, 70.0)
        .await;
    gateway.child.resume().unwrap();
    recovers(&server, chat, "shared").await;
    let after = settled(&server).await;
    assert_eq!(
        count(&after["roles"]["message"], "unknown"),
        0,
        "it answered after all: {after}"
    );
}

#[tokio::test]
async fn one_roles_breaker_is_not_the_others() {
    let gateway = Gateway::start(json!({ "slow": { "message": "500ms" } })).await;
    let server = notifying(&gateway.url(), &guarded("per_role")).await;
    let chat = chat_of(&server, 101).await;
    message(&server, chat).await;
    let state = |queue: &str| format!("hotchat_notify_breaker_state{{queue=\"{queue}\"}}");
    server.metric_becomes(&state("message"), OPEN).await;
    reaction(&server, chat).await;
    let after = settled(&server).await;
    assert_eq!(count(&after["roles"]["reaction"], "delivered"), 9, "{after}");
    assert!(server.metric(&state("reaction")).await.abs() < 0.5);
    assert!(count(&sums(&server).await["roles"]["message"]["dropped"], "breaker") > 0);
}
