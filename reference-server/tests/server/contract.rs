//! The public API: status and JSON of every case.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, send, signed, token};

async fn post(server: &Server, path: &str, token: &str, body: impl Into<reqwest::Body>) -> crate::support::Reply {
    send(server.request(Method::POST, path).bearer_auth(token).body(body))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_member_joins_is_counted_leaves_and_joins_again() {
    for insert in ["values", "select_not_exists"] {
        let server = Server::usual(json!({ "insert": insert })).await;
        let chat = server.create_chat().await;
        let first = server.join(chat, 1, "ann").await;
        assert_eq!(
            (first.status, &first.body["member_count"]),
            (201, &json!(1)),
            "{first:?}"
        );
        let second = server.join(chat, 2, "bob").await;
        assert_eq!(second.body["member_count"], 2);
        assert_ne!(first.body["member_id"], second.body["member_id"]);

        assert!(
            server.join(chat, 1, "ann").await.is(409, "already_member"),
            "same user, same name"
        );
        assert!(
            server.join(chat, 1, "cid").await.is(409, "already_member"),
            "same user, free name"
        );
        assert!(server.join(chat, 3, "bob").await.is(409, "name_taken"));
        assert_eq!(server.count(chat).await.body, json!({ "joined": 2 }));

        let left = server.leave(chat, 1).await;
        assert_eq!((left.status, &left.body), (204, &Value::Null));
        assert!(server.leave(chat, 1).await.is(404, "not_found"), "leaving twice");
        assert!(server.leave(chat, 9).await.is(404, "not_found"), "never joined");
        assert_eq!(server.count(chat).await.body, json!({ "joined": 1 }));

        assert!(
            server.join(chat, 1, "bob").await.is(409, "name_taken"),
            "back under a taken name"
        );
        assert_eq!(server.join(chat, 3, "ann").await.status, 201, "the name was given back");
        let back = server.join(chat, 1, "zoe").await;
        assert_eq!((back.status, &back.body["member_count"]), (201, &json!(3)));
        assert_eq!(back.body["member_id"], first.body["member_id"], "the same row");
        assert_eq!(server.audited(chat).await, 3);
    }
}

#[tokio::test]
async fn chats_rotate_over_the_shards_and_ids_encode_the_shard() {
    let server = Server::usual(json!({})).await;
    for expected in [0, 1, 0, 1] {
        let request = server.request(Method::POST, "/v1/chats").bearer_auth(token(1));
        let reply = send(request.json(&json!({ "name": "chat" }))).await.unwrap();
        assert_eq!(reply.status, 201);
        assert_eq!(reply.body["shard"], expected);
        assert_eq!(reply.body["chat_id"].as_u64().unwrap() % 2, expected);
    }
}

#[tokio::test]
async fn missing_chats_are_404_for_every_counting_and_insert_policy() {
    let counts = [
        json!("scan"),
        json!("query_cache"),
        json!("aggregate"),
        json!({ "aggregate_slots": { "slots": 4 } }),
    ];
    for count in counts {
        for insert in ["values", "select_not_exists"] {
            let server = Server::usual(json!({ "insert": insert, "member_count": count })).await;
            for chat in [0, 1, 8_000_000, u64::MAX] {
                assert!(
                    server.join(chat, 1, "ann").await.is(404, "not_found"),
                    "{count} {insert} {chat}"
                );
                assert!(server.count(chat).await.is(404, "not_found"), "{count} {chat}");
                assert!(server.leave(chat, 1).await.is(404, "not_found"), "{count} {chat}");
            }
            let empty = server.create_chat().await;
            assert_eq!(
                server.count(empty).await.body,
                json!({ "joined": 0 }),
                "an empty chat is not a missing one"
            );
        }
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_rejected_in_json() {
    let server = Server::usual(json!({})).await;
    assert!(server.get("/v1/nothing").await.is(404, "not_found"));
    assert!(
        server.get("/admin/settings").await.is(404, "not_found"),
        "the admin API is not on the public address"
    );
    assert!(server.get("/v1/chats").await.is(405, "method_not_allowed"));
    let reply = send(server.request(Method::PUT, "/v1/chats/1/members")).await.unwrap();
    assert!(
        reply.is(405, "method_not_allowed") && reply.body["message"].is_string(),
        "{reply:?}"
    );
}

#[tokio::test]
async fn malformed_requests_are_400() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    let members = format!("/v1/chats/{chat}/members");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(65));
    let bodies = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"name":""}"#,
        r#"{"name":7}"#,
        r#"{"name":"a","x":1}"#,
        "{\"name\":\"a\\u0000\"}",
        &long,
    ];
    for body in bodies {
        assert!(
            post(&server, &members, &token(1), body.to_owned())
                .await
                .is(400, "malformed"),
            "{body}"
        );
        assert!(
            post(&server, "/v1/chats", &token(1), body.to_owned())
                .await
                .is(400, "malformed"),
            "{body}"
        );
    }
    for path in [
        "/v1/chats/x/members",
        "/v1/chats/-1/members",
        "/v1/chats/18446744073709551616/members",
    ] {
        assert!(
            post(&server, path, &token(1), r#"{"name":"a"}"#)
                .await
                .is(400, "malformed"),
            "{path}"
        );
    }
    let longest = "ü".repeat(64);
    assert_eq!(server.join(chat, 1, &longest).await.status, 201);
    assert!(server.join(chat, 2, &longest).await.is(409, "name_taken"));
    assert_eq!(server.join(chat, 2, "'); DROP TABLE members; --").await.status, 201);
    assert_eq!(server.audited(chat).await, 2);
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_a_larger_one_is_413() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    let path = format!("/v1/chats/{chat}/members");
    let padded = |bytes: usize| {
        let body = r#"{"name":"ann"}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert!(
        post(&server, &path, &token(1), padded(64 * 1024 + 1))
            .await
            .is(413, "body_too_large")
    );
    // Without a Content-Length the size shows only while reading.
    let chunks = (0..80).map(|_| Ok::<_, std::io::Error>("x".repeat(1024)));
    let chunks = futures_util::stream::iter(chunks);
    let chunked = post(&server, &path, &token(1), reqwest::Body::wrap_stream(chunks)).await;
    assert!(chunked.is(413, "body_too_large"), "{chunked:?}");
    assert_eq!(post(&server, &path, &token(1), padded(64 * 1024)).await.status, 201);
}

#[tokio::test]
async fn only_a_genuine_token_that_has_not_expired_is_accepted() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    let path = format!("/v1/chats/{chat}/members");
    let good = token(1);
    let forged = good.replacen("1.", "2.", 1);
    for bad in [
        forged.as_str(),
        "",
        "x",
        "1.2.3",
        &signed("1.1"),
        &signed("x.9999999999"),
        &good[1..],
    ] {
        let reply = post(&server, &path, bad, r#"{"name":"a"}"#).await;
        assert!(reply.is(401, "unauthorized"), "{bad}: {reply:?}");
    }
    for (method, path) in [
        (Method::POST, "/v1/chats"),
        (Method::GET, "/v1/chats/1/members/count"),
        (Method::DELETE, "/v1/chats/1/members/1"),
    ] {
        let reply = send(server.request(method, path)).await.unwrap();
        assert!(reply.is(401, "unauthorized"), "{path}: {reply:?}");
    }
    let path = format!("/v1/chats/{chat}/members/7");
    let reply = send(server.request(Method::DELETE, &path).bearer_auth(token(1)))
        .await
        .unwrap();
    assert!(reply.is(403, "forbidden"), "removing somebody else: {reply:?}");
}

#[tokio::test]
async fn health_readiness_and_metrics_need_no_token() {
    let server = Server::usual(json!({})).await;
    assert_eq!(server.get("/healthz").await.body, json!({ "status": "ok" }));
    assert_eq!(server.get("/readyz").await.body, json!({ "ready": true }));
    let chat = server.create_chat().await;
    server.join(chat, 1, "ann").await;
    server.join(chat, 1, "ann").await;
    server.get("/nothing").await;
    let route = r#"{route="/v1/chats/{id}/members",outcome="#;
    assert!((server.metric(&format!(r#"hotchat_requests_total{route}"ok"}}"#)).await - 1.0).abs() < 0.1);
    assert!(
        (server
            .metric(&format!(r#"hotchat_requests_total{route}"already_member"}}"#))
            .await
            - 1.0)
            .abs()
            < 0.1
    );
    let present = [
        r#"hotchat_requests_total{route="(none)",outcome="not_found"}"#,
        r#"hotchat_request_duration_seconds_count{route="/v1/chats/{id}/members"}"#,
        "hotchat_connections_accepted_total",
        "hotchat_connections_open",
        "hotchat_connections_open_peak",
        "hotchat_connections_refused_total",
        "hotchat_requests_in_progress",
        "hotchat_requests_waiting",
        r#"hotchat_requests_shed_total{reason="queue_full"}"#,
        r#"hotchat_requests_shed_total{reason="wait_timeout"}"#,
        r#"hotchat_requests_shed_total{reason="controlled_delay"}"#,
        r#"hotchat_requests_shed_total{reason="low_priority"}"#,
        "hotchat_requests_limit",
        "hotchat_requests_queue_seconds_count",
        r#"hotchat_pool_open{shard="0"}"#,
        r#"hotchat_pool_in_use{shard="1"}"#,
        r#"hotchat_pool_in_use_peak{shard="0"}"#,
        r#"hotchat_pool_wait_seconds_sum{shard="0"}"#,
        r#"hotchat_pool_wait_seconds_count{shard="0"}"#,
        r#"hotchat_pool_timeouts_total{shard="0"}"#,
        r#"hotchat_deadlock_retries_total{shard="0"}"#,
        r#"hotchat_storage_errors_total{shard="0",kind="timeout"}"#,
    ];
    for name in present {
        assert!(server.metric(name).await >= 0.0, "{name}");
    }
}
