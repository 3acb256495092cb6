//! The admin API: behind its token; loads members; shows the settings.

use reqwest::Method;
use serde_json::json;

use crate::support::{Server, token};

#[tokio::test]
async fn the_admin_api_wants_its_own_token() {
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
        json!({ "in_progress": 256, "waiting": 1024, "wait": "500ms", "deadline": "5s" })
    );
    assert!(
        server
            .ask_admin(Method::GET, "/v1/chats", None)
            .await
            .is(404, "not_found")
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
        assert_eq!(server.audited(chat).await, 2500, "a refused load leaves nothing");
        assert!(server.seed(chat + 2_000_000, 10, 1).await.is(404, "not_found"));
        assert!(server.seed(chat, 1_000_001, 5000).await.is(400, "malformed"));
        assert_eq!(server.seed(chat, 0, 5000).await.body, json!({ "member_count": 2500 }));
    }
}
