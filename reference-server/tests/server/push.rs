//! The WebSocket of a member: who may open one, and how it ends.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{LIMIT, Server, fresh_databases, own_redis, signed, token};

/// Tries to listen to `query` with `token`.
pub(crate) async fn listen(
    server: &Server,
    query: &str,
    token: &str,
) -> tungstenite::Result<WebSocketStream<TcpStream>> {
    let mut request = format!("ws://{}/v1/push{query}", server.api).into_client_request()?;
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = TcpStream::connect(&server.api).await?;
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// Status and error of a rejection.
async fn refused(server: &Server, query: &str, token: &str) -> (u16, String) {
    match listen(server, query, token).await {
        Err(tungstenite::Error::Http(response)) => {
            let body: serde_json::Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
            (response.status().as_u16(), body["error"].as_str().unwrap().to_owned())
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn only_members_listen_and_rejections_come_before_the_upgrade() {
    let server = Server::usual(json!({ "push": { "max_chats": 3 } })).await;
    let (mine, other) = (server.chat_on(0, 2).await, server.chat_on(1, 2).await);
    assert_eq!(server.join(mine, 1, "ann").await.status, 201);
    assert_eq!(server.join(other, 2, "bob").await.status, 201);
    let expired = signed("1.1000");
    let (good, mine_only) = (token(1), format!("?chat_id={mine}"));
    let both = format!("?chat_id={mine}&chat_id={other}");
    let table = [
        (mine_only.as_str(), "1.2.3", 401, "unauthorized"),
        (&mine_only, &expired, 401, "unauthorized"),
        (&both, &good, 403, "not_member"),
        (&mine_only, &token(3), 403, "not_member"),
        ("?chat_id=999999", &good, 403, "not_member"),
        ("", &good, 400, "malformed"),
        ("?chat_id=x", &good, 400, "malformed"),
        ("?chat_id=1&chat_id=2&chat_id=3&chat_id=4", &good, 400, "malformed"),
        ("?chat=1", &good, 400, "malformed"),
    ];
    for (query, token, status, error) in table {
        assert_eq!(
            refused(&server, query, token).await,
            (status, error.to_owned()),
            "{query}"
        );
    }
    let plain = server.request(Method::GET, &format!("/v1/push{mine_only}"));
    let plain = crate::support::send(plain.bearer_auth(&good)).await.unwrap();
    assert!(plain.is(400, "malformed"), "{plain:?}");
    let twice = format!("?chat_id={mine}&chat_id={mine}");
    let _listening = listen(&server, &twice, &good).await.unwrap();
    server.metric_becomes("hotchat_push_members", 1.0).await;
    assert_eq!(server.leave(mine, 1).await.status, 204);
    assert_eq!(refused(&server, &mine_only, &good).await.0, 403, "the member has left");
}

#[tokio::test]
async fn members_count_as_open_connections_until_they_disconnect() {
    let more = json!({ "max_connections": 3 });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .unwrap();
    let chat = server.create_chat().await; // the client keeps this connection
    assert_eq!(server.join(chat, 1, "ann").await.status, 201);
    let query = format!("?chat_id={chat}");
    let first = listen(&server, &query, &token(1)).await.unwrap();
    let second = listen(&server, &query, &token(1)).await.unwrap();
    server.metric_becomes("hotchat_push_members", 2.0).await;
    assert!((server.metric("hotchat_connections_open").await - 3.0).abs() < 0.1);
    assert!(listen(&server, &query, &token(1)).await.is_err(), "there is no room");
    drop((first, second));
    server.metric_becomes("hotchat_push_members", 0.0).await;
    server.metric_becomes("hotchat_connections_open", 1.0).await;
}

#[tokio::test]
async fn members_get_close_frames_and_do_not_delay_shutdown() {
    let mut server = Server::usual(json!({ "drain": "60s" })).await;
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, 20, 1).await.status, 201);
    let query = format!("?chat_id={chat}");
    let mut members = Vec::new();
    for user in 1..=20 {
        members.push(listen(&server, &query, &token(user)).await.unwrap());
    }
    server.metric_becomes("hotchat_push_members", 20.0).await;
    let silent = members.split_off(10); // these never answer the close frame
    let started = Instant::now();
    let goodbyes = async {
        for member in &mut members {
            match timeout(LIMIT, member.next()).await.unwrap().unwrap().unwrap() {
                Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Away),
                other => panic!("{other:?}"),
            }
        }
    };
    let (ended, ()) = tokio::join!(server.child.terminate(LIMIT), goodbyes);
    assert_eq!(ended.unwrap().code(), Some(0));
    assert!(
        started.elapsed() < LIMIT / 2,
        "the silent ones were waited for: {:?}",
        started.elapsed()
    );
    drop(silent);
}

#[tokio::test]
async fn trailing_pushes_come_in_time_also_when_the_publish_role_has_stopped() {
    let redis = own_redis().await;
    let settings = json!({ "push_throttle": { "fixed": { "drop": 1.0 } }, "trailing_push": { "within": "1s" } });
    let more = json!({ "redis": redis.url() });
    let server = Server::try_start(&fresh_databases().await, settings, more)
        .await
        .unwrap();
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, 30, 1).await.status, 201);
    let always = json!({ "push_overrides": { "always": [chat] } });
    let patched = server.ask_admin(Method::PATCH, "/admin/settings", Some(always)).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let query = format!("?chat_id={chat}");
    let mut members = Vec::new();
    for user in 1..=30 {
        members.push(listen(&server, &query, &token(user)).await.unwrap());
    }
    server.metric_becomes("hotchat_push_members", 30.0).await;

    let sent = Instant::now();
    let revision = server.message(chat, 1, "x").await.body["revision"].as_u64().unwrap();
    server
        .metric_becomes("hotchat_pushes_total{outcome=\"dropped\"}", 30.0)
        .await;
    let stop = Some(json!({ "running": false }));
    assert_eq!(server.ask_admin(Method::PUT, "/admin/publish", stop).await.status, 200);
    for member in &mut members {
        let push = timeout(LIMIT, member.next()).await.unwrap().unwrap().unwrap();
        let push: serde_json::Value = serde_json::from_str(push.to_text().unwrap()).unwrap();
        assert_eq!(push, json!({ "chat_id": chat, "revision": revision }));
    }
    // Half a second of margin for a machine busy with other tests.
    assert!(sent.elapsed() < Duration::from_millis(1500), "{:?}", sent.elapsed());
    server.metric_becomes("hotchat_trailing_pushes_total", 30.0).await;
}
