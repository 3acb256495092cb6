//! Retries help where few fail, and do not multiply the load where all fail.

use serde_json::{Value, json};

use super::{Gateway, chat_of, count, message, notifying, settled};

fn client(share: f64, burst: u64) -> Value {
    json!({
        "queues": "shared",
        "connections": { "max": 20 },
        "retries": { "max": 10, "share": share, "burst": burst, "pause": "1ms" },
    })
}

#[tokio::test]
async fn few_failures_are_all_retried() {
    let gateway = Gateway::start(json!({ "unavailable": 0.05 })).await;
    let server = notifying(&gateway.url(), &client(0.5, 50)).await;
    let chat = chat_of(&server, 401).await;
    message(&server, chat).await;
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"], "delivered"), 400, "{sums}");
    let retries = server.metric(r#"hotchat_notify_retries_total{role="message"}"#).await;
    let failed = gateway.metric(r#"answers_total{role="message",status="503"}"#).await;
    assert!(
        failed > 0.5 && (retries - failed).abs() < 0.1,
        "{retries} retries, {failed} failed"
    );
}

#[tokio::test]
async fn when_all_fail_the_budget_bounds_the_load() {
    let gateway = Gateway::start(json!({ "unavailable": 1 })).await;
    let server = notifying(&gateway.url(), &client(0.1, 10)).await;
    let chat = chat_of(&server, 401).await;
    message(&server, chat).await;
    let sums = settled(&server).await;
    let of = &sums["roles"]["message"];
    assert_eq!(count(&of["dropped"], "no_budget"), 400, "{sums}");
    let retries = server.metric(r#"hotchat_notify_retries_total{role="message"}"#).await;
    assert!((40.0..=50.1).contains(&retries), "a tenth of 400, and ten: {retries}");
    let seen = gateway.metric(r#"requests_total{role="message"}"#).await;
    assert!((seen - 400.0 - retries).abs() < 0.1, "{seen} seen");
}
