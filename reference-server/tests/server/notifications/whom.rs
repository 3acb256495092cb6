//! Who is notified of what.

use serde_json::json;

use super::{Gateway, chat_of, count, message, notifying, reaction, settled};
use crate::push::listen;
use crate::support::{Server, send, token};
use reqwest::Method;

#[tokio::test]
async fn each_member_who_is_not_online_is_notified_once() {
    let gateway = Gateway::start(json!({})).await;
    let server = notifying(&gateway.url(), &json!({})).await;
    // Three pages.
    let chat = chat_of(&server, 2500).await;
    let query = format!("?chat_id={chat}");
    let mut online = Vec::new();
    for user in [2, 3, 3] {
        online.push(listen(&server, &query, &token(user)).await.unwrap());
    }
    server.metric_becomes("hotchat_push_members", 3.0).await;
    message(&server, chat).await;
    let sums = settled(&server).await;
    let of = |role: &str| sums["roles"][role].clone();
    assert_eq!(count(&of("message"), "delivered"), 2500 - 1 - 2, "{sums}");
    assert_eq!(count(&of("message"), "enqueued"), 2500 - 1 - 2, "{sums}");
    assert_eq!(
        count(&of("reaction"), "enqueued") + count(&of("join_notice"), "enqueued"),
        0
    );
    assert!((gateway.metric(r#"requests_total{role="message"}"#).await - 2497.0).abs() < 0.1);
    assert!((server.metric(r#"hotchat_notify_events_total{role="message"}"#).await - 1.0).abs() < 0.1);

    // Of the ten members with the lowest ids, one has reacted and two are online.
    reaction(&server, chat).await;
    let read = json!({ "kind": "read", "body": "x" });
    assert_eq!(send(server.event_request(chat, 1, &read)).await.unwrap().status, 201);
    // Somebody joins, which is told to the first member.
    assert_eq!(server.join(chat, 9000, "zoe").await.status, 201);
    let sums = settled(&server).await;
    let delivered = |role: &str| count(&sums["roles"][role], "delivered");
    assert_eq!(
        (delivered("message"), delivered("reaction"), delivered("join_notice")),
        (2497, 7, 1),
        "{sums}"
    );

    // Back in the chat with a member who has left, nobody else is online.
    drop(online);
    server.metric_becomes("hotchat_push_members", 0.0).await;
    assert_eq!(server.leave(chat, 2500).await.status, 204);
    message(&server, chat).await;
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"], "delivered"), 2497 + 2499, "{sums}");
}

#[tokio::test]
async fn an_audience_can_be_nobody() {
    let gateway = Gateway::start(json!({})).await;
    let audience = json!({ "audience": { "message": "none", "reaction": "all", "join_notice": { "first": 3 } } });
    let server = notifying(&gateway.url(), &audience).await;
    let chat = chat_of(&server, 20).await;
    message(&server, chat).await;
    reaction(&server, chat).await;
    assert_eq!(server.join(chat, 9000, "zoe").await.status, 201);
    let sums = settled(&server).await;
    let enqueued = |role: &str| count(&sums["roles"][role], "enqueued");
    assert_eq!(enqueued("message"), 0);
    // Whoever joined before the event was looked at is a member too.
    assert!([19, 20].contains(&enqueued("reaction")), "{sums}");
    assert_eq!(enqueued("join_notice"), 3);
}

#[tokio::test]
async fn by_default_nobody_is_notified() {
    let server = Server::usual(json!({})).await;
    let reply = server.ask_admin(Method::GET, "/admin/notifications", None).await;
    assert!(reply.is(404, "not_found"), "{reply:?}");
    let page = server.get("/metrics").await.body;
    assert!(!page.as_str().unwrap().contains("hotchat_notify"));
}

#[tokio::test]
async fn the_role_resumes_where_it_stopped() {
    let gateway = Gateway::start(json!({})).await;
    let server = notifying(&gateway.url(), &json!({})).await;
    let chat = chat_of(&server, 10).await;
    let publish = |running: bool| server.ask_admin(Method::PUT, "/admin/publish", Some(json!({ "running": running })));
    assert_eq!(publish(false).await.status, 200);
    message(&server, chat).await;
    message(&server, chat).await;
    let waiting = super::sums(&server).await;
    assert_eq!(
        (&waiting["lag_records"], count(&waiting["roles"]["message"], "enqueued")),
        (&json!(2), 0)
    );
    assert_eq!(publish(true).await.status, 200);
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"], "delivered"), 2 * 9, "{sums}");
}
