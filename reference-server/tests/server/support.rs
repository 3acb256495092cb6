//! Starts shards and servers, and talks to them.
//!
//! Most tests share two shards (lock mode 2, query cache on), each test in databases of its own; tests that kill or
//! pause a shard start one. All live in one sandbox, which is removed with the test process.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bmt_sandbox::{Child, Redis, Sandbox, SandboxError, Shard, ShardOptions, Stream, Streams, Template};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tokio::sync::OnceCell;

/// Upper bound of every wait in a test; none should come near it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const SECRET: &str = "the secret of the tests";
const ADMIN: &str = "the admin token of the tests";

struct World {
    sandbox: Sandbox,
    template: Template,
}

static WORLD: OnceCell<World> = OnceCell::const_new();
static SHARED: OnceCell<[Shard; 2]> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

async fn world() -> &'static World {
    let make = || async {
        let sandbox = Sandbox::new().unwrap();
        let template = Template::init(&sandbox).await.unwrap();
        World { sandbox, template }
    };
    WORLD.get_or_init(make).await
}

/// Where child processes are started.
pub(crate) async fn sandbox() -> &'static Sandbox {
    &world().await.sandbox
}

/// A name for a file or a process, used once.
pub(crate) fn fresh_name(what: &str) -> String {
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A shard for one test only.
pub(crate) async fn own_shard(options: ShardOptions) -> Shard {
    let world = world().await;
    Shard::start(&world.sandbox, &world.template, options).await.unwrap()
}

/// A Redis for one test only.
pub(crate) async fn own_redis() -> Redis {
    Redis::start(&world().await.sandbox).await.unwrap()
}

/// Options of the shared shards.
pub(crate) fn usual() -> ShardOptions {
    ShardOptions {
        query_cache: true,
        ..ShardOptions::default()
    }
}

/// The URLs of a fresh database on each of the shared shards.
pub(crate) async fn fresh_databases() -> Vec<String> {
    let start = || async {
        let (a, b) = tokio::join!(own_shard(usual()), own_shard(usual()));
        [a, b]
    };
    let shards = SHARED.get_or_init(start).await;
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut urls = Vec::new();
    for shard in shards {
        execute(&shard.url(), &format!("CREATE DATABASE {name}")).await;
        urls.push(shard.url().replace("/hotchat?", &format!("/{name}?")));
    }
    urls
}

pub(crate) async fn execute(url: &str, sql: &str) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// The numbers in the first column.
pub(crate) async fn numbers(url: &str, sql: &str) -> Vec<i64> {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    let rows = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows
}

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) api: String,
    pub(crate) admin: String,
    /// Its configuration.
    pub(crate) file: PathBuf,
    client: reqwest::Client,
}

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<String>,
}

impl Reply {
    /// The response's `error`.
    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    pub(crate) fn is(&self, status: u16, error: &str) -> bool {
        (self.status, self.error()) == (status, error)
    }
}

/// A token for `user` that is valid for an hour.
pub(crate) fn token(user: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    signed(&format!("{user}.{}", now + 3600))
}

pub(crate) fn signed(claims: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes())
        .unwrap()
        .chain_update(claims)
        .finalize();
    format!("{claims}.{}", hex::encode(mac.into_bytes()))
}

impl Server {
    pub(crate) async fn start(shards: &[String], settings: Value) -> Self {
        Self::try_start(shards, settings, json!({})).await.unwrap()
    }

    /// `more` holds further keys of the configuration file.
    pub(crate) async fn try_start(shards: &[String], settings: Value, more: Value) -> Result<Self, SandboxError> {
        let sandbox = &world().await.sandbox;
        let mut config = json!({ "secret": SECRET, "admin_token": ADMIN, "shards": shards, "settings": settings });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let name = format!("hotchat-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let file = sandbox.dir().join(format!("{name}.json"));
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotchat"));
        command.arg("--config").arg(&file);
        let streams = Streams {
            stdout: Stream::Piped,
            stderr: Stream::Log,
        };
        let mut child = sandbox.spawn(&name, command, &streams)?;
        let ready: Value = serde_json::from_str(&child.first_line(LIMIT).await?).unwrap();
        assert_eq!(ready["ready"], true);
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Ok(Self {
            child,
            api: address("api"),
            admin: address("admin"),
            file,
            client: reqwest::Client::new(),
        })
    }

    /// On two fresh databases of the shared shards.
    pub(crate) async fn usual(settings: Value) -> Self {
        Self::start(&fresh_databases().await, settings).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.api))
            .timeout(LIMIT)
    }

    pub(crate) async fn create_chat(&self) -> u64 {
        let request = self
            .request(Method::POST, "/v1/chats")
            .bearer_auth(token(1))
            .json(&json!({ "name": "chat" }));
        let reply = send(request).await.unwrap();
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["chat_id"].as_u64().unwrap()
    }

    /// A chat on the given shard.
    pub(crate) async fn chat_on(&self, shard: u64, shards: u64) -> u64 {
        loop {
            let chat = self.create_chat().await;
            if chat % shards == shard {
                return chat;
            }
        }
    }

    pub(crate) fn join_request(&self, chat: u64, user: u64, name: &str) -> RequestBuilder {
        let request = self.request(Method::POST, &format!("/v1/chats/{chat}/members"));
        request.bearer_auth(token(user)).json(&json!({ "name": name }))
    }

    pub(crate) async fn join(&self, chat: u64, user: u64, name: &str) -> Reply {
        send(self.join_request(chat, user, name)).await.unwrap()
    }

    pub(crate) async fn leave(&self, chat: u64, user: u64) -> Reply {
        let path = format!("/v1/chats/{chat}/members/{user}");
        send(self.request(Method::DELETE, &path).bearer_auth(token(user)))
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, chat: u64) -> Reply {
        let path = format!("/v1/chats/{chat}/members/count");
        send(self.request(Method::GET, &path).bearer_auth(token(1)))
            .await
            .unwrap()
    }

    pub(crate) fn event_request(&self, chat: u64, user: u64, event: &Value) -> RequestBuilder {
        let request = self.request(Method::POST, &format!("/v1/chats/{chat}/events"));
        request.bearer_auth(token(user)).json(event)
    }

    /// Sends a message.
    pub(crate) async fn message(&self, chat: u64, user: u64, body: &str) -> Reply {
        let event = json!({ "kind": "message", "body": body });
        send(self.event_request(chat, user, &event)).await.unwrap()
    }

    /// `query` is what follows the path: empty, or `?after=…`.
    pub(crate) fn fetch_request(&self, chat: u64, user: u64, query: &str) -> RequestBuilder {
        let path = format!("/v1/chats/{chat}/events{query}");
        self.request(Method::GET, &path).bearer_auth(token(user))
    }

    pub(crate) async fn fetch(&self, chat: u64, user: u64, query: &str) -> Reply {
        send(self.fetch_request(chat, user, query)).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn ask_admin(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self
            .client
            .request(method, format!("http://{}{path}", self.admin))
            .bearer_auth(ADMIN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request.timeout(LIMIT)).await.unwrap()
    }

    pub(crate) async fn seed(&self, chat: u64, number: u64, first: u64) -> Reply {
        let body = json!({ "count": number, "first_user_id": first });
        self.ask_admin(Method::POST, &format!("/admin/chats/{chat}/members"), Some(body))
            .await
    }

    /// Asserts that count and rows agree; returns them.
    pub(crate) async fn audited(&self, chat: u64) -> u64 {
        let reply = self
            .ask_admin(Method::GET, &format!("/admin/chats/{chat}/audit"), None)
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            reply.body["joined_rows"], reply.body["count"],
            "the count does not answer for the rows"
        );
        reply.body["count"].as_u64().unwrap()
    }

    /// The value of one metric, labels included: `hotchat_pool_open{shard="0"}`.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = self
            .request(Method::GET, "/metrics")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        value_on(&page, name)
    }

    /// Waits until a metric has a value.
    pub(crate) async fn metric_becomes(&self, name: &str, value: f64) {
        let started = Instant::now();
        loop {
            let now = self.metric(name).await;
            if (now - value).abs() < 0.5 {
                return;
            }
            assert!(started.elapsed() < LIMIT, "{name} is {now}, should become {value}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The value of a metric on a page.
pub(crate) fn value_on(page: &str, name: &str) -> f64 {
    let found = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no metric {name} in\n{page}"))
}

/// The reply; an error when there was none.
pub(crate) async fn send(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .map(|v| v.to_str().unwrap().to_owned());
    let text = response.text().await?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Ok(Reply {
        status,
        body,
        retry_after,
    })
}
