//! Who causes the load: by chat, country and app.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Server, send, token};

async fn asked(server: &Server, query: &str) -> Value {
    let reply = server
        .ask_admin(Method::GET, &format!("/admin/hot-chats{query}"), None)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

fn from(request: RequestBuilder, country: &str, app: &str) -> RequestBuilder {
    request.header("x-country", country).header("x-app", app)
}

fn fetch(server: &Server, chat: u64, user: u64) -> RequestBuilder {
    let path = format!("/v1/chats/{chat}/events?after=0");
    server.request(Method::GET, &path).bearer_auth(token(user))
}

fn chats(answer: &Value) -> Vec<(u64, u64)> {
    let number = |chat: &Value, key: &str| chat[key].as_u64().unwrap();
    let chats = answer["chats"].as_array().unwrap().iter();
    chats
        .map(|chat| (number(chat, "chat_id"), number(chat, "at_least")))
        .collect()
}

#[tokio::test]
async fn the_busiest_chats_come_first_with_their_countries_and_apps() {
    let labels = json!({ "countries": ["JP", "TH"], "apps": ["ios", "android"] });
    let server = Server::usual(json!({ "labels": labels })).await;
    let (busy, other) = (server.create_chat().await, server.create_chat().await);
    for chat in [busy, other] {
        send(from(server.join_request(chat, 1, "ann"), "TH", "ios"))
            .await
            .unwrap();
    }
    for (chat, country, app, times) in [
        (busy, "JP", "ios", 5),
        (busy, "TH", "android", 3),
        (busy, "made up", "x", 1),
        (other, "TH", "ios", 4),
    ] {
        for _ in 0..times {
            assert_eq!(
                send(from(fetch(&server, chat, 1), country, app)).await.unwrap().status,
                200
            );
        }
    }
    let event = json!({ "kind": "message", "body": "x".repeat(5000) });
    send(server.event_request(other, 1, &event)).await.unwrap();

    let answer = asked(&server, "").await;
    assert_eq!((&answer["by"], &answer["total"]), (&json!("fetches"), &json!(13)));
    assert_eq!(answer["countries"], json!({ "JP": 5, "TH": 7, "other": 1 }));
    assert_eq!(answer["apps"], json!({ "android": 3, "ios": 9, "other": 1 }));
    assert_eq!(chats(&answer), [(busy, 9), (other, 4)]);
    let first = &answer["chats"][0];
    assert_eq!(
        (&first["at_most"], &first["countries"]),
        (&json!(9), &json!({ "JP": 5, "TH": 3, "other": 1 }))
    );
    assert!(first["per_second"].as_f64().unwrap() * answer["seconds"].as_f64().unwrap() > 8.9);

    assert_eq!(chats(&asked(&server, "?by=fetches&limit=1").await), [(busy, 9)]);
    assert_eq!(
        chats(&asked(&server, "?by=fetches&country=TH").await),
        [(other, 4), (busy, 3)]
    );
    let answer = asked(&server, "?country=TH&app=ios").await;
    assert_eq!((chats(&answer), &answer["total"]), (vec![(other, 4)], &json!(4)));
    assert_eq!(chats(&asked(&server, "?by=joins").await).len(), 2);
    assert_eq!(chats(&asked(&server, "?by=sends").await), [(other, 1)]);
    let bytes = asked(&server, "?by=bytes&limit=1").await;
    assert!(
        matches!(chats(&bytes)[..], [(chat, 5000..)] if chat == other),
        "{bytes}"
    );

    let metric = "hotchat_chat_requests_total{kind=\"fetch\",country=\"TH\",app=\"ios\"}";
    assert!((server.metric(metric).await - 4.0).abs() < 0.5);
    let metric = "hotchat_chat_requests_total{kind=\"send\",country=\"other\",app=\"other\"}";
    assert!((server.metric(metric).await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn unauthenticated_and_invalid_requests_are_not_counted() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    server.seed(chat, 1, 1).await;
    let bare = server.request(Method::GET, &format!("/v1/chats/{chat}/events"));
    assert!(send(bare).await.unwrap().is(401, "unauthorized"));
    assert!(
        send(fetch(&server, chat + 1_000_000, 1))
            .await
            .unwrap()
            .is(404, "not_found")
    );
    assert_eq!(asked(&server, "").await["chats"], json!([]));
    assert!(send(fetch(&server, chat, 99)).await.unwrap().is(403, "not_member"));
    assert_eq!(
        chats(&asked(&server, "").await),
        [(chat, 1)],
        "a known caller is load, member or not"
    );
    for query in [
        "?by=likes",
        "?limit=0",
        "?limit=101",
        "?country=JP",
        "?colour=red",
        "?app=",
    ] {
        let reply = server
            .ask_admin(Method::GET, &format!("/admin/hot-chats{query}"), None)
            .await;
        assert!(reply.is(400, "malformed"), "{query}: {reply:?}");
    }
}
