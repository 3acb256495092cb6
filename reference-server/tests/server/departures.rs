//! Every tenth member leaves at once in the middle of pushes: the others are unaffected, and returning members catch
//! up.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;

use crate::push::listen;
use crate::support::{LIMIT, Server, send, token};

const MEMBERS: u64 = 500;
const EVENTS: u64 = 20;

struct Member {
    user: u64,
    socket: WebSocketStream<TcpStream>,
    /// The newest revision pushed to this member.
    told: u64,
}

impl Member {
    async fn connect(server: &Server, chat: u64, user: u64) -> Self {
        let socket = listen(server, &format!("?chat_id={chat}"), &token(user)).await.unwrap();
        Self { user, socket, told: 0 }
    }

    /// Reads until `revision` is pushed.
    async fn hears_of(&mut self, revision: u64) {
        while self.told < revision {
            let push = timeout(LIMIT, self.socket.next()).await.unwrap().unwrap().unwrap();
            let push: Value = serde_json::from_str(push.to_text().unwrap()).unwrap();
            let told = push["revision"].as_u64().unwrap();
            assert!(told > self.told, "{told} after {}", self.told);
            self.told = told;
        }
    }
}

async fn send_events(server: &Server, chat: u64) -> u64 {
    let mut newest = 0;
    for _ in 0..EVENTS {
        let request = server.request(Method::POST, &format!("/v1/chats/{chat}/events"));
        let event = json!({ "kind": "message", "body": "hello" });
        let reply = send(request.bearer_auth(token(1)).json(&event)).await.unwrap();
        newest = reply.body["revision"].as_u64().unwrap();
    }
    newest
}

/// The revisions after `after`, fetched in as many calls as necessary.
async fn fetch(server: &Server, chat: u64, user: u64, mut after: u64) -> Vec<u64> {
    let mut revisions = Vec::new();
    loop {
        let path = format!("/v1/chats/{chat}/events?after={after}&limit=7");
        let reply = send(server.request(Method::GET, &path).bearer_auth(token(user)))
            .await
            .unwrap();
        let events = reply.body["events"].as_array().unwrap();
        if events.is_empty() {
            return revisions;
        }
        revisions.extend(events.iter().map(|event| event["revision"].as_u64().unwrap()));
        after = reply.body["revision"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn a_tenth_of_the_members_leaves_at_once_and_the_others_are_unaffected() {
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    assert_eq!(server.seed(chat, MEMBERS, 1).await.status, 201);
    let mut stay = join_all((1..=MEMBERS).map(|user| Member::connect(&server, chat, user))).await;
    server.metric_becomes("hotchat_push_members", MEMBERS as f64).await;
    let mut go = stay.split_off(450);
    let heard = send_events(&server, chat).await;
    join_all(go.iter_mut().map(|member| member.hears_of(heard))).await;

    // In the middle of further pushes: half of them send a close frame, half just vanish.
    let leaving = async {
        let polite = go.iter_mut().step_by(2).map(|member| member.socket.close(None));
        join_all(polite).await;
        go.into_iter()
            .map(|member| (member.user, member.told))
            .collect::<Vec<_>>()
    };
    let (newest, gone) = tokio::join!(send_events(&server, chat), leaving);
    assert_eq!(newest, heard + EVENTS);
    join_all(stay.iter_mut().map(|member| member.hears_of(newest))).await;
    server.metric_becomes("hotchat_push_members", 450.0).await;

    let mut back = Vec::new();
    for (user, told) in gone {
        back.push(Member::connect(&server, chat, user).await);
        let missed: Vec<u64> = (told + 1..=newest).collect();
        assert_eq!(
            fetch(&server, chat, user, told).await,
            missed,
            "the member has everything, once"
        );
    }
    let newest = send_events(&server, chat).await;
    join_all(stay.iter_mut().chain(&mut back).map(|member| member.hears_of(newest))).await;
    let behind = server
        .metric(r#"hotchat_push_disconnects_total{reason="behind"}"#)
        .await;
    assert!(behind < 0.5, "nobody was sent away");
}
