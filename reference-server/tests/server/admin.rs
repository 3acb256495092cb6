//! The admin API: requires its token, loads members, shows the settings.

use reqwest::Method;
use serde_json::json;

use crate::support::{Server, execute, fresh_databases, token};

#[tokio::test]
async fn the_admin_api_requires_its_own_token() {
    let server = Server::usual(json!({})).await;
    let url = format!("http://{}/admin/settings", server.admin);
    for bad in [None, Some("wrong".to_owned()), Some(token(1))] {
        let mut request = reqwest::Client::new().get(&url);
        if let Some(bad) = bad {
            request = request.bearer_auth(bad);
        }
        assert!(crate::support::send(request).await.unwrap().is(401, "unauthorized"));
    }
    let reply = server.ask_admin(Method::GET, "/admin/settings", None).await;
    assert_eq!(reply.body["storage_timeout"], "5s");
    assert_eq!(
        reply.body["requests"],
        json!({
            "policy": "bounded_fifo", "in_progress": 256, "waiting": 1024, "wait": "500ms", "deadline": "5s",
        })
    );
    assert!(
        server
            .ask_admin(Method::GET, "/v1/chats", None)
            .await
            .is(404, "not_found")
    );
}

#[tokio::test]
async fn missing_acknowledged_writes_are_listed() {
    let urls = fresh_databases().await;
    let server = Server::start(&urls, json!({})).await;
    let (left, right) = (server.chat_on(0, 2).await, server.chat_on(1, 2).await);
    for chat in [left, right] {
        for user in 1..=3 {
            assert_eq!(server.join(chat, user, &format!("u{user}")).await.status, 201);
        }
        for text in ["at 1", "at 2", "at 3"] {
            assert_eq!(server.message(chat, 1, text).await.status, 201);
        }
    }
    let missing = async || {
        let of = |chat: u64| {
            let events = (1..=3).map(|revision| json!({ "revision": revision, "body": format!("at {revision}") }));
            json!({ "chat_id": chat, "users": [1, 2, 3], "events": events.collect::<Vec<_>>() })
        };
        let asked = json!({ "chats": [of(left), { "chat_id": left }, of(right)] });
        let reply = server.ask_admin(Method::POST, "/admin/missing", Some(asked)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["chats"].clone()
    };
    assert_eq!(missing().await, json!([]), "all is there");
    // Without the server's knowledge: a row is lost, and a revision is reused, as after a lost transaction.
    execute(
        &urls[1],
        &format!("DELETE FROM members WHERE chat_id = {} AND user_id = 2", right / 2),
    )
    .await;
    let again = format!(
        "UPDATE events SET body = 'at 9' WHERE chat_id = {} AND revision = 3",
        right / 2
    );
    execute(&urls[1], &again).await;
    execute(
        &urls[0],
        &format!("DELETE FROM events WHERE chat_id = {} AND revision = 1", left / 2),
    )
    .await;
    let lost = json!([
        { "chat_id": left, "users": [], "events": [{ "revision": 1, "body": "at 1" }] },
        { "chat_id": right, "users": [2], "events": [{ "revision": 3, "body": "at 3" }] },
    ]);
    assert_eq!(missing().await, lost);
    let nobody = json!({ "chats": [{ "chat_id": right + 2_000_000, "users": [7] }] });
    let reply = server.ask_admin(Method::POST, "/admin/missing", Some(nobody)).await;
    assert_eq!(
        reply.body["chats"][0]["users"],
        json!([7]),
        "nobody is a member of no chat"
    );
}

#[tokio::test]
async fn loaded_members_count_like_any_others() {
    for count in [
        json!("scan"),
        json!("query_cache"),
        json!("aggregate"),
        json!({ "aggregate_slots": { "slots": 5 } }),
    ] {
        let server = Server::usual(json!({ "member_count": count })).await;
        let chat = server.create_chat().await;
        let loaded = server.seed(chat, 2500, 100).await;
        assert_eq!(
            (loaded.status, &loaded.body),
            (201, &json!({ "member_count": 2500 })),
            "{count}"
        );
        assert_eq!(server.audited(chat).await, 2500);
        assert!(server.join(chat, 100, "x").await.is(409, "already_member"));
        assert!(server.join(chat, 7, "seed-2599").await.is(409, "name_taken"));
        assert_eq!(server.join(chat, 7, "ann").await.body["member_count"], 2501);
        assert_eq!(server.leave(chat, 2599).await.status, 204);
        assert_eq!(server.audited(chat).await, 2500);

        assert!(
            server.seed(chat, 10, 2590).await.is(409, "already_member"),
            "overlapping"
        );
        assert_eq!(server.audited(chat).await, 2500, "a rejected load leaves nothing");
        assert!(server.seed(chat + 2_000_000, 10, 1).await.is(404, "not_found"));
        assert!(server.seed(chat, 1_000_001, 5000).await.is(400, "malformed"));
        assert_eq!(server.seed(chat, 0, 5000).await.body, json!({ "member_count": 2500 }));
    }
}
