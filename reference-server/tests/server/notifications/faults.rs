//! Nothing is lost silently, whatever is done to the gateway.

use std::time::{Duration, Instant};

use bmt_sandbox::Proxy;
use serde_json::{Value, json};

use super::{Gateway, chat_of, count, message, notifying, settled, sums};
use crate::support::{LIMIT, Server};

const BURST: u64 = 300;

fn client() -> Value {
    json!({ "queues": "shared", "connections": { "max": 10 }, "request_timeout": "600ms", "connect_timeout": "300ms" })
}

/// Waits until some of the burst are delivered, and most are not.
async fn amid_the_burst(server: &Server) {
    let started = Instant::now();
    while count(&sums(server).await["roles"]["message"], "delivered") < 20 {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn dropped(of: &Value) -> u64 {
    let dropped = of["dropped"].as_object().unwrap().values();
    dropped.map(|number| number.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_sum_holds_when_the_gateway_is_killed() {
    for protocol in ["h1", "h2"] {
        let mut gateway = Gateway::start(json!({ "service_time": { "fixed": "40ms" } })).await;
        let mut client = client();
        client["protocol"] = json!(protocol);
        client["streams"] = json!(1);
        let server = notifying(&gateway.url(), &client).await;
        let chat = chat_of(&server, BURST + 1).await;
        message(&server, chat).await;
        amid_the_burst(&server).await;
        gateway.child.kill().await.unwrap();
        let sums = settled(&server).await;
        let of = &sums["roles"]["message"];
        assert_eq!(count(of, "enqueued"), BURST);
        // Those on their way are unknown, and the few that the system took while the process ended. The rest was not
        // sent.
        assert!((1..=40).contains(&count(of, "unknown")), "{protocol}: {of}");
        assert!(count(&of["dropped"], "failed") > 0, "{protocol}: {of}");
        assert_eq!(
            count(of, "delivered") + count(of, "unknown") + dropped(of),
            BURST,
            "{protocol}: {of}"
        );
        assert!(count(&sums["connections"], "failed") > 0, "{sums}");
        server.metric_becomes("hotchat_notify_connections_open", 0.0).await;
    }
}

#[tokio::test]
async fn the_sum_holds_when_the_gateway_stands_still_for_a_while() {
    let mut gateway = Gateway::start(json!({ "service_time": { "fixed": "40ms" } })).await;
    let server = notifying(&gateway.url(), &client()).await;
    let chat = chat_of(&server, BURST + 1).await;
    message(&server, chat).await;
    amid_the_burst(&server).await;
    gateway.child.pause().await.unwrap();
    let started = Instant::now();
    while count(&sums(&server).await["roles"]["message"], "unknown") < 10 {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.child.resume().unwrap();
    let sums = settled(&server).await;
    let of = &sums["roles"]["message"];
    let (delivered, unknown) = (count(of, "delivered"), count(of, "unknown"));
    assert_eq!(delivered + unknown + dropped(of), BURST, "{of}");
    assert!(delivered > 20, "it went on: {of}");
    // The gateway accepted whatever counts as delivered, and at most the unknown ones beside them.
    gateway.metric_becomes("requests_in_progress", 0.0).await;
    let accepted = gateway.metric(r#"answers_total{role="message",status="204"}"#).await;
    assert!(
        (delivered as f64..=(delivered + unknown) as f64).contains(&accepted),
        "{accepted} accepted, {of}"
    );
}

#[tokio::test]
async fn the_sum_holds_when_connections_are_reset() {
    let gateway = Gateway::start(json!({ "service_time": { "fixed": "40ms" } })).await;
    let proxy = Proxy::start(gateway.address.parse().unwrap()).unwrap();
    let url = format!("http://127.0.0.1:{}", proxy.port());
    let server = notifying(&url, &client()).await;
    let chat = chat_of(&server, BURST + 1).await;
    message(&server, chat).await;
    amid_the_burst(&server).await;
    proxy.cut().await.unwrap();
    let sums = settled(&server).await;
    let of = &sums["roles"]["message"];
    assert!((1..=40).contains(&count(of, "unknown")), "{of}");
    assert!(count(&of["dropped"], "failed") > 0, "{of}");
    assert_eq!(
        count(of, "delivered") + count(of, "unknown") + dropped(of),
        BURST,
        "{of}"
    );
    proxy.restore().await.unwrap();
    let before = count(of, "delivered");
    message(&server, chat).await;
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"], "delivered"), before + BURST, "{sums}");
}

#[tokio::test]
async fn the_metrics_are_balanced_on_every_page() {
    let gateway =
        Gateway::start(json!({ "service_time": { "exponential": { "mean": "3ms" } }, "rejected": 0.2 })).await;
    let more = json!({ "queues": "shared", "connections": { "max": 10 }, "capacity": 500 });
    let server = notifying(&gateway.url(), &more).await;
    let chat = chat_of(&server, 401).await;
    for round in 0..30 {
        if round % 3 == 0 {
            message(&server, chat).await;
        }
        let page = server.get("/metrics").await.body;
        let of = |name: &str| {
            let lines = page.as_str().unwrap().lines();
            let wanted =
                |line: &&str| line.starts_with(&format!("hotchat_notify_{name}")) && line.contains(r#"role="message""#);
            let values = lines
                .filter(wanted)
                .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
            values.sum::<u64>()
        };
        let ended = of("delivered_total") + of("dropped_total") + of("unknown_total");
        assert_eq!(of("enqueued_total"), ended + of("queued{") + of("in_flight{"), "{page}");
    }
    let sums = settled(&server).await;
    assert!(count(&sums["roles"]["message"]["dropped"], "rejected") > 0, "{sums}");
}
