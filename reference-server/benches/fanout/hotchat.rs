//! The real server on a real shard, with one chat.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bmt_sandbox::{Child, Sandbox, Shard, ShardOptions, Stream, Streams, Template};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::process::raise_open_files;

const SECRET: &str = "the secret of the bench";
const ADMIN: &str = "the admin token of the bench";
const LIMIT: Duration = Duration::from_secs(60);

/// A token for `user` that is valid for an hour.
pub(crate) fn token(user: u64) -> anyhow::Result<String> {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
    let claims = format!("{user}.{expiry}");
    let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&claims);
    Ok(format!("{claims}.{}", hex::encode(mac.finalize().into_bytes())))
}

/// A running server. Field order is drop order: the server stops before its shard.
pub(crate) struct Hotchat {
    server: Child,
    pub(crate) address: String,
    pub(crate) chat: u64,
    client: reqwest::Client,
    _shard: Shard,
    _sandbox: Sandbox,
}

impl Hotchat {
    /// Starts with one chat of `members` members: users 1 to `members`.
    pub(crate) async fn start(members: u64) -> anyhow::Result<Self> {
        raise_open_files()?;
        let sandbox = Sandbox::new()?;
        let template = Template::init(&sandbox).await?;
        let shard = Shard::start(&sandbox, &template, ShardOptions::default()).await?;
        let config = json!({ "secret": SECRET, "admin_token": ADMIN, "shards": [shard.url()] });
        let file = sandbox.dir().join("hotchat.json");
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotchat"));
        command.arg("--config").arg(file);
        let streams = Streams {
            stdout: Stream::Piped,
            stderr: Stream::Log,
        };
        let mut server = sandbox.spawn("hotchat", command, &streams)?;
        let ready: Value = serde_json::from_str(&server.first_line(LIMIT).await?)?;
        let address = |key: &str| ready[key].as_str().context("no address").map(str::to_owned);
        let (api, admin) = (address("api")?, address("admin")?);
        let client = reqwest::Client::new();
        let mut started = Self {
            server,
            address: api,
            chat: 0,
            client,
            _shard: shard,
            _sandbox: sandbox,
        };
        started.chat = started.post("/v1/chats", &json!({ "name": "chat" })).await?["chat_id"]
            .as_u64()
            .context("no chat")?;
        let load = json!({ "count": members, "first_user_id": 1 });
        let url = format!("http://{admin}/admin/chats/{}/members", started.chat);
        let request = started.client.post(url).bearer_auth(ADMIN).json(&load);
        request.send().await?.error_for_status()?;
        Ok(started)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    pub(crate) async fn send_event(&mut self) -> anyhow::Result<()> {
        let path = format!("/v1/chats/{}/events", self.chat);
        let event = json!({ "kind": "message", "body": "hello" });
        self.post(&path, &event).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("http://{}{path}", self.address);
        let request = self.client.post(url).bearer_auth(token(1)?).json(body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// The value of one metric, labels included.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let url = format!("http://{}/metrics", self.address);
        let page = self.client.get(url).send().await?.text().await?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no metric {name}"))?.parse()?)
    }
}
