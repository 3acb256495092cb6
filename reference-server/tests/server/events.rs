//! Sending and fetching events: status and JSON of every case.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Server, execute, fresh_databases, send};

/// A server, and a chat with members 1 and 2.
async fn chat_of_two() -> (Server, u64) {
    let server = Server::usual(json!({ "fetch": { "limit": 5 } })).await;
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, 2, 1).await.status, 201);
    (server, chat)
}

fn revisions(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["revision"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_member_fetches_what_another_sends() {
    let (server, chat) = chat_of_two().await;
    let text = "'); -- \"\\ \0 \u{1} ü 日本 👍\n";
    let events = [
        json!({ "kind": "message", "body": text }),
        json!({ "kind": "reaction", "body": "" }),
        json!({ "kind": "read", "body": "1" }),
    ];
    for (event, expected) in events.iter().zip(1..) {
        let reply = send(server.event_request(chat, 1, event)).await.unwrap();
        assert_eq!((reply.status, &reply.body), (201, &json!({ "revision": expected })));
    }
    let page = server.fetch(chat, 2, "").await;
    let expected = json!({ "revision": 3, "events": [
        { "revision": 1, "kind": "message", "user_id": 1, "body": text },
        { "revision": 2, "kind": "reaction", "user_id": 1, "body": "" },
        { "revision": 3, "kind": "read", "user_id": 1, "body": "1" },
    ] });
    assert_eq!((page.status, &page.body), (200, &expected));
    for (metric, value) in [
        (r#"events_stored_total{kind="message"}"#, 1.0),
        (r#"events_stored_total{kind="reaction"}"#, 1.0),
        (r#"events_stored_total{kind="read"}"#, 1.0),
        ("event_fetches_total", 1.0),
        ("events_fetched_total", 3.0),
    ] {
        server.metric_becomes(&format!("hotchat_{metric}"), value).await;
    }
}

#[tokio::test]
async fn a_cursor_moves_as_far_as_the_answer_goes() {
    let (server, chat) = chat_of_two().await;
    let empty = json!({ "events": [], "revision": 0 });
    assert_eq!(server.fetch(chat, 2, "").await.body, empty, "no event yet");
    for _ in 0..7 {
        assert_eq!(server.message(chat, 1, "x").await.status, 201);
    }
    let table: [(&str, &[u64], u64); 8] = [
        ("?after=0", &[1, 2, 3, 4, 5], 5),
        ("?limit=1000", &[1, 2, 3, 4, 5], 5),
        ("?after=5", &[6, 7], 7),
        ("?after=2&limit=2", &[3, 4], 4),
        ("?limit=1&after=6", &[7], 7),
        ("?after=7", &[], 7),
        ("?after=8", &[], 8),
        ("?after=18446744073709551615", &[], u64::MAX),
    ];
    for (query, expected, cursor) in table {
        let page = server.fetch(chat, 2, query).await.body;
        assert_eq!(revisions(&page), expected, "{query}");
        assert_eq!(page["revision"], cursor, "{query}");
    }
}

#[tokio::test]
async fn an_answer_ends_before_a_hole() {
    let databases = fresh_databases().await;
    let server = Server::start(&databases, json!({})).await;
    let chat = server.chat_on(0, 2).await;
    assert_eq!(server.seed(chat, 1, 1).await.status, 201);
    let store = async |revision: u64| {
        let local = chat / 2;
        let sql = format!(
            "INSERT INTO events (chat_id, revision, user_id, kind, body) VALUES ({local}, {revision}, 1, 'read', '')"
        );
        execute(&databases[0], &sql).await;
    };
    // What a reader sees whose view was taken while others committed.
    for revision in [1, 2, 4] {
        store(revision).await;
    }
    let holes = server.metric("hotchat_event_holes_total").await;
    for (query, expected, cursor) in [("", [1, 2].as_slice(), 2), ("?after=2", &[], 2)] {
        let page = server.fetch(chat, 1, query).await.body;
        assert_eq!(
            (revisions(&page), &page["revision"]),
            (expected.to_vec(), &json!(cursor)),
            "{query}"
        );
    }
    assert!(server.metric("hotchat_event_holes_total").await >= holes + 2.0);
    store(3).await;
    assert_eq!(revisions(&server.fetch(chat, 1, "?after=2").await.body), [3, 4]);
}

#[tokio::test]
async fn only_members_send_and_fetch() {
    let (server, chat) = chat_of_two().await;
    assert_eq!(server.message(chat, 1, "x").await.status, 201);
    assert!(server.message(chat, 3, "x").await.is(403, "not_member"));
    assert!(server.fetch(chat, 3, "").await.is(403, "not_member"));
    assert_eq!(server.leave(chat, 1).await.status, 204);
    assert!(
        server.message(chat, 1, "x").await.is(403, "not_member"),
        "the member has left"
    );
    assert!(
        server.fetch(chat, 1, "").await.is(403, "not_member"),
        "the member has left"
    );
    let nowhere = chat + 1000;
    assert!(server.message(nowhere, 2, "x").await.is(404, "not_found"));
    assert!(server.fetch(nowhere, 2, "").await.is(404, "not_found"));
    let stranger = server.request(reqwest::Method::GET, &format!("/v1/chats/{chat}/events"));
    assert!(send(stranger).await.unwrap().is(401, "unauthorized"));
    // A rejected event takes no revision.
    assert_eq!(server.message(chat, 2, "x").await.body, json!({ "revision": 2 }));
}

#[tokio::test]
async fn rejected_sends_take_no_revision() {
    let (server, chat) = chat_of_two().await;
    // Every connection of the pool handles both cases: none may use a revision left in its session by an earlier call.
    let senders = (0..200_u64).map(|n| 1 + n % 4);
    let replies = join_all(senders.map(|user| {
        let server = &server;
        async move { (user, server.message(chat, user, "x").await) }
    }));
    let mut given = Vec::new();
    for (user, reply) in replies.await {
        if user <= 2 {
            given.push(reply.body["revision"].as_u64().unwrap());
        } else {
            assert!(reply.is(403, "not_member"), "{reply:?}");
        }
    }
    given.sort_unstable();
    assert_eq!(given, (1..=100).collect::<Vec<u64>>());
}

#[tokio::test]
async fn malformed_events_are_rejected() {
    let (server, chat) = chat_of_two().await;
    for event in [
        json!({ "kind": "shout", "body": "" }),
        json!({ "kind": "message" }),
        json!({ "body": "x" }),
        json!({ "kind": "message", "body": 1 }),
        json!({ "kind": "message", "body": "x", "more": 1 }),
    ] {
        let reply = send(server.event_request(chat, 1, &event)).await.unwrap();
        assert!(reply.is(400, "malformed"), "{event}: {reply:?}");
    }
    for query in [
        "?after=x",
        "?after=-1",
        "?limit=0",
        "?limit=x",
        "?before=1",
        "?after=18446744073709551616",
    ] {
        let reply = server.fetch(chat, 1, query).await;
        assert!(reply.is(400, "malformed"), "{query}: {reply:?}");
    }
    let around = r#"{"kind":"message","body":""}"#.len();
    assert!(
        server
            .message(chat, 1, &"x".repeat(64 * 1024))
            .await
            .is(413, "body_too_large")
    );
    let most = "x".repeat(64 * 1024 - around);
    assert_eq!(server.message(chat, 1, &most).await.body, json!({ "revision": 1 }));
    assert_eq!(server.fetch(chat, 2, "").await.body["events"][0]["body"], most);
}

#[tokio::test]
async fn chats_older_than_the_events_migration_have_events() {
    let databases = fresh_databases().await;
    let (server, chats) = {
        let server = Server::start(&databases, json!({})).await;
        let chats = [server.create_chat().await, server.create_chat().await];
        (server, chats)
    };
    for url in &databases {
        execute(
            url,
            "DROP TABLE events, chat_revisions; DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .await;
    }
    drop(server);
    let server = Server::start(&databases, json!({})).await;
    for chat in chats {
        assert_eq!(server.seed(chat, 1, 1).await.status, 201);
        assert_eq!(server.message(chat, 1, "x").await.body, json!({ "revision": 1 }));
    }
}
