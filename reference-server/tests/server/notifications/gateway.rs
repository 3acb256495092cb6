//! The gateway by itself: what its connections cost, and what can be changed while it runs.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::Gateway;
use crate::support::LIMIT;

/// One notification; the status and how long it took.
async fn notified(gateway: &Gateway, role: &str) -> (u16, Duration) {
    let started = Instant::now();
    let request = gateway
        .client
        .post(format!("{}/v1/notifications/{role}", gateway.url()))
        .json(&json!({ "chat_id": 1, "user_id": 2, "revision": 3 }));
    let status = request.timeout(LIMIT).send().await.unwrap().status().as_u16();
    (status, started.elapsed())
}

fn stat(gateway: &Gateway) -> procfs::process::Stat {
    let pid = i32::try_from(gateway.child.pid()).unwrap();
    procfs::process::Process::new(pid).unwrap().stat().unwrap()
}

#[tokio::test]
async fn settings_change_while_it_runs_whole_or_not_at_all() {
    let gateway = Gateway::start(json!({ "service_time": { "fixed": "0s" } })).await;
    assert_eq!(notified(&gateway, "message").await.0, 204);
    gateway.patch(json!({ "slow": { "message": "1s" } })).await;
    let (message, reaction) = (
        notified(&gateway, "message").await,
        notified(&gateway, "reaction").await,
    );
    assert!(message.1 >= Duration::from_secs(1), "{message:?}");
    assert!(reaction.1 < Duration::from_secs(1), "{reaction:?}");
    let kind = json!({ "service_time": { "fixed": null, "exponential": { "mean": "1ms" } }, "slow": null });
    gateway.patch(kind).await;
    assert_eq!(notified(&gateway, "message").await.0, 204);
    gateway.patch(json!({ "rejected": 1 })).await;
    assert_eq!(notified(&gateway, "message").await.0, 400);
    let bad = json!({ "rejected": 0, "heap": { "budget": { "mib": 0 } } });
    let reply = gateway.ask(Method::PATCH, "/admin/settings", Some(bad)).await;
    assert!(reply.is(400, "settings_refused"), "{reply:?}");
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .contains("settings.heap.budget.mib"),
        "{reply:?}"
    );
    let settings = gateway.ask(Method::GET, "/admin/settings", None).await.body;
    assert_eq!(
        (&settings["rejected"], &settings["heap"]),
        (&json!(1.0), &json!("unlimited"))
    );
    let stranger = gateway.client.get(format!("http://{}/admin/settings", gateway.admin));
    assert_eq!(stranger.send().await.unwrap().status().as_u16(), 401);
    assert_eq!(notified(&gateway, "nonsense").await.0, 404);
}

#[tokio::test]
async fn connections_hold_memory_and_too_much_of_it_slows_everything() {
    let budget = json!({ "budget": { "mib": 8, "cpu": "0s", "time": "400ms" } });
    let gateway = Gateway::start(json!({ "connection_memory_kib": 1024, "heap": budget })).await;
    let (_, quick) = notified(&gateway, "message").await;
    assert!(quick < Duration::from_millis(400), "{quick:?}");
    let resident = || stat(&gateway).rss * procfs::page_size();
    let before = resident();
    let mut open = Vec::new();
    for _ in 0..31 {
        open.push(TcpStream::connect(&gateway.address).await.unwrap());
    }
    // With that of the first notification 32: four times the budget.
    gateway.metric_becomes("connections_open", 32.0).await;
    gateway
        .metric_becomes("connection_memory_bytes", 32.0 * 1024.0 * 1024.0)
        .await;
    assert!(resident() > before + 25 * 1024 * 1024, "memory is really held");
    let (_, slow) = notified(&gateway, "message").await;
    assert!(slow >= Duration::from_millis(1200), "an excess of three: {slow:?}");
    assert!(gateway.metric("over_budget_seconds_total").await > 0.2);
    drop(open);
    gateway.metric_becomes("connections_open", 1.0).await;
    let (_, quick) = notified(&gateway, "message").await;
    assert!(quick < slow / 2, "{quick:?}");
}

#[tokio::test]
async fn a_handshake_costs_cpu_and_connections_can_be_bounded() {
    let gateway = Gateway::start(json!({ "handshake_cpu": "20ms" })).await;
    let cpu = || (stat(&gateway).utime + stat(&gateway).stime) as f64 / procfs::ticks_per_second() as f64;
    let before = cpu();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(TcpStream::connect(&gateway.address).await.unwrap());
    }
    gateway.metric_becomes("connections_open", 20.0).await;
    let started = Instant::now();
    while cpu() < before + 0.35 {
        assert!(started.elapsed() < LIMIT, "twenty times 20 ms are burnt");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.patch(json!({ "connections": { "max": 20 } })).await;
    let mut beyond = TcpStream::connect(&gateway.address).await.unwrap();
    let mut byte = [0; 1];
    let read = tokio::time::timeout(LIMIT, beyond.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "closed, not served");
    gateway.metric_becomes("connections_refused_total", 1.0).await;
    assert!(gateway.metric("connections_open_peak").await < 20.5);
}

#[tokio::test]
async fn it_stops_when_asked_to() {
    let mut gateway = Gateway::start(json!({ "service_time": { "fixed": "10s" } })).await;
    let client = gateway.client.clone();
    let url = format!("{}/v1/notifications/message", gateway.url());
    let sending = tokio::spawn(async move {
        client
            .post(url)
            .json(&json!({ "chat_id": 1, "user_id": 2, "revision": 3 }))
            .send()
            .await
    });
    gateway.metric_becomes("requests_in_progress", 1.0).await;
    let started = Instant::now();
    let status = gateway.child.terminate(LIMIT).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(sending.await.unwrap().is_err());
}

#[test]
fn its_schema_is_printed_and_a_bad_file_is_located() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_hotchat"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let output = run(&["push-gateway", "--schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["properties"]["connection_memory_kib"]["maximum"], 65_536);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "admin_token: long-enough\nsettings:\n  streams: 0\n").unwrap();
    let output = run(&["push-gateway", "--config", path]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    for part in [path, ":3:12", "settings.streams", "expected 1 to 100000"] {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    assert_eq!(run(&["push-gateway"]).status.code(), Some(2), "nothing to do");
    assert_eq!(
        run(&["--schema", "push-gateway", "--schema"]).status.code(),
        Some(2),
        "two things to do"
    );
}
