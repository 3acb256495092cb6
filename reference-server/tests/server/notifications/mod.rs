//! Notifications: a real server, a real gateway, real connections between them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

mod breaker;
mod connections;
mod faults;
mod gateway;
mod queues;
mod retries;
mod tls;
mod whom;

use std::process::Command;
use std::time::{Duration, Instant};

use bmt_sandbox::{Child, Stream, Streams};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{LIMIT, Reply, Server, fresh_databases, fresh_name, sandbox, send, value_on};

const ADMIN: &str = "the gateway's admin token";

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    address: String,
    admin: String,
    client: reqwest::Client,
}

impl Gateway {
    async fn start(settings: Value) -> Self {
        Self::start_with(settings, json!({})).await
    }

    /// `more` holds further keys of the configuration file.
    async fn start_with(settings: Value, more: Value) -> Self {
        let mut config = json!({ "admin_token": ADMIN, "settings": settings });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (sandbox, name) = (sandbox().await, fresh_name("gateway"));
        let file = sandbox.dir().join(format!("{name}.json"));
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotchat"));
        command.arg("push-gateway").arg("--config").arg(&file);
        let streams = Streams {
            stdout: Stream::Piped,
            stderr: Stream::Log,
        };
        let mut child = sandbox.spawn(&name, command, &streams).unwrap();
        let ready: Value = serde_json::from_str(&child.first_line(LIMIT).await.unwrap()).unwrap();
        assert_eq!(ready["ready"], true);
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self {
            child,
            address: address("address"),
            admin: address("admin"),
            client: reqwest::Client::new(),
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.client.request(method, format!("http://{}{path}", self.admin));
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request.bearer_auth(ADMIN).timeout(LIMIT)).await.unwrap()
    }

    async fn patch(&self, patch: Value) {
        let reply = self.ask(Method::PATCH, "/admin/settings", Some(patch)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    async fn metric(&self, name: &str) -> f64 {
        let reply = self.ask(Method::GET, "/metrics", None).await;
        value_on(reply.body.as_str().unwrap(), &format!("push_gateway_{name}"))
    }

    async fn metric_becomes(&self, name: &str, value: f64) {
        let started = Instant::now();
        loop {
            let now = self.metric(name).await;
            if (now - value).abs() < 0.5 {
                return;
            }
            assert!(started.elapsed() < LIMIT, "{name} is {now}, should become {value}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A server that sends notifications to `url`.
async fn notifying(url: &str, more: &Value) -> Server {
    let mut client = json!({ "url": url });
    client
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let settings = json!({ "notify": { "gateway": client } });
    Server::start(&fresh_databases().await, settings).await
}

/// A chat with members 1 to `members`.
async fn chat_of(server: &Server, members: u64) -> u64 {
    let chat = server.create_chat().await;
    let reply = server.seed(chat, members, 1).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    chat
}

/// Member 1 sends a message.
async fn message(server: &Server, chat: u64) {
    let reply = server.message(chat, 1, "x").await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

/// Member 1 reacts.
async fn reaction(server: &Server, chat: u64) {
    let event = json!({ "kind": "reaction", "body": "x" });
    let reply = send(server.event_request(chat, 1, &event)).await.unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
}

/// What became of the notifications; asserts that nothing is lost.
async fn sums(server: &Server) -> Value {
    let reply = server.ask_admin(Method::GET, "/admin/notifications", None).await;
    assert_eq!(
        (reply.status, &reply.body["balanced"]),
        (200, &json!(true)),
        "{reply:?}"
    );
    for (role, of) in reply.body["roles"].as_object().unwrap() {
        let dropped = of["dropped"].as_object().unwrap().values();
        let dropped: u64 = dropped.map(|number| number.as_u64().unwrap()).sum();
        let rest: u64 = ["delivered", "unknown", "queued", "in_flight"]
            .map(|key| count(of, key))
            .iter()
            .sum();
        assert_eq!(count(of, "enqueued"), dropped + rest, "{role}: {of}");
    }
    reply.body
}

fn count(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap()
}

/// The sums once every event was looked at, and nothing waits or is on its way.
async fn settled(server: &Server) -> Value {
    let started = Instant::now();
    loop {
        let sums = sums(server).await;
        let is_over = |of: &Value| count(of, "queued") + count(of, "in_flight") == 0;
        let is_settled = sums["lag_records"] == 0 && sums["roles"].as_object().unwrap().values().all(is_over);
        if is_settled {
            return sums;
        }
        assert!(started.elapsed() < LIMIT, "{sums}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
