//! How many connections a burst opens, by the client's own count and by the gateway's.

use serde_json::{Value, json};

use super::{Gateway, chat_of, count, message, notifying, settled};

/// Peak and number of the connections that a burst of 400 opens, by both counts.
struct Opened {
    peak: f64,
    peak_at_gateway: f64,
    opened: f64,
    accepted: f64,
}

async fn burst(client: &Value) -> Opened {
    let gateway = Gateway::start(json!({ "service_time": { "fixed": "1s" } })).await;
    let server = notifying(&gateway.url(), client).await;
    let chat = chat_of(&server, 401).await;
    message(&server, chat).await;
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"], "delivered"), 400, "{sums}");
    Opened {
        peak: server.metric("hotchat_notify_connections_open_peak").await,
        peak_at_gateway: gateway.metric("connections_open_peak").await,
        opened: server.metric("hotchat_notify_connections_opened_total").await,
        accepted: gateway.metric("connections_accepted_total").await,
    }
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.1
}

#[tokio::test]
async fn without_a_bound_a_burst_becomes_as_many_connections() {
    let bounded = burst(&json!({ "queues": "shared", "connections": { "max": 40 }, "request_timeout": "10s" })).await;
    assert!(same(bounded.peak, 40.0), "{}", bounded.peak);
    assert!(
        same(bounded.peak, bounded.peak_at_gateway),
        "{}",
        bounded.peak_at_gateway
    );
    assert!(same(bounded.opened, 40.0) && same(bounded.opened, bounded.accepted));

    let unbounded = burst(&json!({ "queues": "shared", "connections": "unbounded", "request_timeout": "10s" })).await;
    assert!(unbounded.peak >= 5.0 * bounded.peak, "{}", unbounded.peak);
    assert!(same(unbounded.opened, unbounded.accepted));
    assert!(
        same(unbounded.peak, unbounded.peak_at_gateway),
        "{}",
        unbounded.peak_at_gateway
    );
}

#[tokio::test]
async fn roles_with_queues_of_their_own_divide_the_connections() {
    let divided = burst(&json!({ "queues": "per_role", "connections": { "max": 90 }, "request_timeout": "10s" })).await;
    assert!(
        same(divided.peak, 30.0) && same(divided.peak_at_gateway, 30.0),
        "{}",
        divided.peak
    );
}

#[tokio::test]
async fn over_http_2_few_connections_carry_a_burst() {
    let bounded = burst(&json!({ "protocol": "h2", "queues": "shared", "connections": { "max": 2 }, "streams": 50, "request_timeout": "10s" })).await;
    assert!(
        same(bounded.peak, 2.0) && same(bounded.peak_at_gateway, 2.0),
        "{}",
        bounded.peak
    );
    let unbounded =
        burst(&json!({ "protocol": "h2", "connections": "unbounded", "streams": 100, "request_timeout": "10s" })).await;
    assert!(unbounded.peak < 4.5 && unbounded.accepted > 0.5, "{}", unbounded.peak);
}

#[tokio::test]
async fn without_keep_alive_every_notification_opens_a_connection() {
    for protocol in ["h1", "h2"] {
        let gateway = Gateway::start(json!({})).await;
        let client = json!({ "protocol": protocol, "keep_alive": false });
        let server = notifying(&gateway.url(), &client).await;
        let chat = chat_of(&server, 51).await;
        message(&server, chat).await;
        let sums = settled(&server).await;
        assert_eq!(count(&sums["roles"]["message"], "delivered"), 50, "{protocol}: {sums}");
        assert!(
            same(gateway.metric("connections_accepted_total").await, 50.0),
            "{protocol}"
        );
        gateway.metric_becomes("connections_open", 0.0).await;
        server.metric_becomes("hotchat_notify_connections_open", 0.0).await;
    }
}
