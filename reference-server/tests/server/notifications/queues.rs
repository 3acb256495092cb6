//! Whose trouble a slow role is, and what a full queue drops.

use serde_json::{Value, json};

use super::{Gateway, chat_of, count, message, notifying, reaction, settled};

/// How long the only notification of a reaction waited behind 240 messages that take 100 ms each.
async fn delay_of_a_reaction(queues: &str) -> f64 {
    let gateway = Gateway::start(json!({ "slow": { "message": "100ms" } })).await;
    let client = json!({ "queues": queues, "connections": { "max": 6 }, "audience": { "reaction": { "first": 2 } } });
    let server = notifying(&gateway.url(), &client).await;
    let chat = chat_of(&server, 241).await;
    message(&server, chat).await;
    server
        .metric_becomes(r#"hotchat_notify_enqueued_total{role="message"}"#, 240.0)
        .await;
    reaction(&server, chat).await;
    let sums = settled(&server).await;
    let delivered = |role: &str| count(&sums["roles"][role], "delivered");
    assert_eq!((delivered("message"), delivered("reaction")), (240, 1), "{sums}");
    server
        .metric(r#"hotchat_notify_delay_seconds_sum{role="reaction"}"#)
        .await
}

#[tokio::test]
async fn a_slow_role_delays_the_others_only_where_they_share_its_queue() {
    let shared = delay_of_a_reaction("shared").await;
    let own = delay_of_a_reaction("per_role").await;
    // Forty rounds of 100 ms were before it, or none.
    assert!(own < shared / 3.0, "own {own}, shared {shared}");
}

async fn overflow(more: Value) -> Value {
    let gateway = Gateway::start(json!({ "service_time": { "fixed": "50ms" } })).await;
    let mut client = json!({ "queues": "shared", "connections": { "max": 2 }, "capacity": 20 });
    client
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let server = notifying(&gateway.url(), &client).await;
    let chat = chat_of(&server, 501).await;
    message(&server, chat).await;
    // One more, which finds a full queue, or one that is nearly full.
    reaction(&server, chat).await;
    settled(&server).await
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    for when_full in ["drop_oldest", "drop_newest"] {
        let sums = overflow(json!({ "when_full": when_full, "audience": { "reaction": { "first": 2 } } })).await;
        let of = &sums["roles"]["message"];
        assert_eq!(count(of, "enqueued"), 500, "{sums}");
        assert!(count(&of["dropped"], "full") >= 400, "{when_full}: {of}");
        assert!(count(of, "delivered") >= 19, "{when_full}: {of}");
        let reaction = &sums["roles"]["reaction"];
        if when_full == "drop_oldest" {
            assert_eq!(count(reaction, "delivered"), 1, "what came last is sent: {sums}");
        }
        assert_eq!(count(reaction, "enqueued"), 1);
    }
}
