//! Settings that change at run time: by the admin API and by editing the file.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::push::listen;
use crate::support::{LIMIT, Reply, Server, fresh_databases, own_redis, send, token};

async fn patch(server: &Server, change: Value) -> Reply {
    server.ask_admin(Method::PATCH, "/admin/settings", Some(change)).await
}

async fn revision(server: &Server) -> Value {
    server
        .ask_admin(Method::GET, "/admin/settings/revision", None)
        .await
        .body
}

async fn settings(server: &Server) -> Value {
    server.ask_admin(Method::GET, "/admin/settings", None).await.body
}

/// Waits until the response of `/admin/settings/revision` matches.
async fn until(server: &Server, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let now = revision(server).await;
        if wanted(&now) {
            return now;
        }
        assert!(started.elapsed() < LIMIT, "{now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A chat of one member with seven events.
async fn seven_events(server: &Server) -> u64 {
    let chat = server.create_chat().await;
    server.seed(chat, 1, 1).await;
    for _ in 0..7 {
        let event = json!({ "kind": "message", "body": "x" });
        assert_eq!(send(server.event_request(chat, 1, &event)).await.unwrap().status, 201);
    }
    chat
}

async fn fetched(server: &Server, chat: u64) -> usize {
    server.fetch(chat, 1, "").await.body["events"].as_array().unwrap().len()
}

/// Replaces the file's settings; `write` puts the text in place.
fn edit(server: &Server, settings: &Value, write: impl FnOnce(&str)) {
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&server.file).unwrap()).unwrap();
    config["settings"] = settings.clone();
    write(&config.to_string());
}

#[tokio::test]
async fn a_patch_takes_effect_at_once() {
    let server = Server::usual(json!({ "fetch": { "limit": 5 } })).await;
    let chat = seven_events(&server).await;
    assert_eq!(fetched(&server, chat).await, 5);
    let start = revision(&server).await;
    assert_eq!(
        (&start["revision"], &start["source"], &start["refused"]),
        (&json!(1), &json!("start"), &Value::Null)
    );

    let reply = patch(
        &server,
        json!({ "fetch": { "limit": 3 }, "hot_chat": { "fetches": 9 } }),
    )
    .await;
    assert_eq!((reply.status, &reply.body["revision"]), (200, &json!(2)));
    assert_eq!(reply.body["settings"], settings(&server).await);
    assert_eq!(reply.body["settings"]["hot_chat"]["fetches"], 9);
    assert_eq!(fetched(&server, chat).await, 3);
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let applied = reply.body["applied_at_ms"].as_u64().unwrap();
    assert!(
        now - applied < 30_000 && applied >= start["applied_at_ms"].as_u64().unwrap(),
        "{applied}"
    );
    assert_eq!(revision(&server).await["source"], "admin");
    assert!((server.metric("hotchat_settings_revision").await - 2.0).abs() < 0.5);
    assert!((server.metric("hotchat_settings_applied_at_seconds").await * 1000.0 - applied as f64).abs() < 2.0);
}

#[tokio::test]
async fn a_rejected_patch_changes_nothing_and_is_reported() {
    let server = Server::usual(json!({})).await;
    let before = settings(&server).await;
    let table = [
        (
            json!({ "fetch": { "limit": 7 }, "hot_chat": { "release": 2 } }),
            ["settings.hot_chat.release: 2 is", "0.01 to 1"],
        ),
        (
            json!({ "fetch": { "limit": 7 }, "bus": { "partitions": 4 } }),
            ["settings.bus.partitions", "restart"],
        ),
        (
            json!({ "push_throttle": { "fixed": { "drop": 0.9 } } }),
            ["settings.push_throttle", "add `redis:"],
        ),
    ];
    for (change, parts) in table {
        let reply = patch(&server, change.clone()).await;
        assert!(reply.is(400, "settings_refused"), "{change}: {reply:?}");
        let message = reply.body["message"].as_str().unwrap();
        assert!(parts.iter().all(|part| message.contains(part)), "{change}: {message}");
        let after = revision(&server).await;
        assert_eq!((&after["revision"], &after["source"]), (&json!(1), &json!("start")));
        assert_eq!(
            (&after["refused"]["message"], &after["refused"]["source"]),
            (&json!(message), &json!("admin"))
        );
    }
    assert_eq!(settings(&server).await, before);
    assert!((server.metric("hotchat_settings_refused_total{source=\"admin\"}").await - 3.0).abs() < 0.5);
    assert!(
        server
            .ask_admin(Method::PUT, "/admin/settings", None)
            .await
            .is(405, "method_not_allowed")
    );
}

#[tokio::test]
async fn editing_the_file_changes_the_running_server() {
    let server = Server::usual(json!({ "fetch": { "limit": 5 } })).await;
    let chat = seven_events(&server).await;
    edit(&server, &json!({ "fetch": { "limit": 2 } }), |text| {
        std::fs::write(&server.file, text).unwrap();
    });
    let now = until(&server, |now| now["revision"] == 2).await;
    assert_eq!((&now["source"], &now["refused"]), (&json!("file"), &Value::Null));
    assert_eq!(fetched(&server, chat).await, 2);
    // The file replaces what was changed by the admin API; the same length, put in place by rename.
    assert_eq!(
        patch(&server, json!({ "fetch": { "limit": 6 } })).await.body["revision"],
        3
    );
    edit(&server, &json!({ "fetch": { "limit": 4 } }), |text| {
        let beside = server.file.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &server.file).unwrap();
    });
    until(&server, |now| now["revision"] == 4).await;
    assert_eq!(fetched(&server, chat).await, 4);
}

#[tokio::test]
async fn a_bad_file_is_rejected_with_its_place_and_the_last_good_settings_stay() {
    let server = Server::usual(json!({ "fetch": { "limit": 5 } })).await;
    let good = std::fs::read_to_string(&server.file).unwrap();
    let bad = |settings: &str| {
        let settings = format!("{{\n  \"fetch\": {settings}}}");
        good.replace("{\"fetch\":{\"limit\":5}}", &settings)
    };
    let table = [
        (
            bad("{\"limit\": 0}"),
            vec![":2:22: settings.fetch.limit: 0 is out of range, expected 1 to 1000"],
        ),
        (
            bad("{\"limit\": 7}, \"drain\": \"1s\""),
            vec![":2:35: settings.drain: cannot change from \"5s\" to \"1s\"", "restart"],
        ),
        (bad("{\"limit\": 7").replace("}}", ""), vec![":"]),
    ];
    for (text, parts) in table {
        let last = revision(&server).await["refused"].clone();
        std::fs::write(&server.file, &text).unwrap();
        let now = until(&server, |now| now["refused"] != last && now["refused"] != Value::Null).await;
        let message = now["refused"]["message"].as_str().unwrap();
        assert!(message.starts_with(&server.file.display().to_string()), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        assert_eq!(
            (&now["revision"], &now["refused"]["source"]),
            (&json!(1), &json!("file"))
        );
        assert_eq!(settings(&server).await["fetch"]["limit"], 5);
    }
    std::fs::write(&server.file, &good).unwrap();
    let now = until(&server, |now| now["refused"] == Value::Null).await;
    assert_eq!(now["revision"], 1, "it says again what is in force");
}

#[tokio::test]
async fn detector_throttle_and_trailing_push_follow_the_file() {
    let redis = own_redis().await;
    let more = json!({ "redis": redis.url() });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .unwrap();
    let chat = seven_events(&server).await;
    let mut member = listen(&server, &format!("?chat_id={chat}"), &token(1)).await.unwrap();
    for _ in 0..21 {
        fetched(&server, chat).await;
    }
    let (set, dropped) = (
        "hotchat_hot_marks_total{change=\"set\"}",
        "hotchat_pushes_total{outcome=\"dropped\"}",
    );
    let text = json!({
        "hot_chat": { "fetches": 20, "window": "10s" },
        "push_throttle": { "fixed": { "drop": 1 } },
        "trailing_push": { "within": "50ms" },
    });
    assert!(server.metric(set).await.abs() < 0.5, "5000 fetches are allowed");
    edit(&server, &text, |text| std::fs::write(&server.file, text).unwrap());
    until(&server, |now| now["revision"] == 2).await;
    for _ in 0..21 {
        fetched(&server, chat).await;
    }
    server.metric_becomes(set, 1.0).await;
    let event = json!({ "kind": "message", "body": "x" });
    assert_eq!(send(server.event_request(chat, 1, &event)).await.unwrap().status, 201);
    server.metric_becomes(dropped, 1.0).await;
    let push = tokio::time::timeout(LIMIT, member.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let push: Value = serde_json::from_str(push.to_text().unwrap()).unwrap();
    assert_eq!(push, json!({ "chat_id": chat, "revision": 8 }), "the trailing push");
    server.metric_becomes("hotchat_trailing_pushes_total", 1.0).await;
}
