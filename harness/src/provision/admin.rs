//! The admin API of a target.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::record::{Acknowledged, Joined, Sent};
use crate::scenario::chat::intended_ns;
use crate::workload::Settings;

const PATIENCE: Duration = Duration::from_secs(5);

/// How to reach the admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    /// `http://host:port`.
    pub url: String,
    /// Bearer token.
    pub token: String,
}

impl Admin {
    /// Reads `http://HOST[:PORT][/BASE]`.
    ///
    /// # Errors
    /// When it is anything else, with what is expected.
    pub fn parse(url: &str, token: String) -> Result<Self, String> {
        let parsed: Option<reqwest::Url> = url.parse().ok();
        let is_plain =
            |parsed: &reqwest::Url| parsed.scheme() == "http" && parsed.has_host() && parsed.query().is_none();
        match parsed.filter(is_plain) {
            Some(_) => Ok(Self {
                url: url.trim_end_matches('/').to_owned(),
                token,
            }),
            None => Err(format!(
                "`{url}` is not an address of an admin API; expected http://HOST:PORT"
            )),
        }
    }

    /// What the server says its settings are, defaults filled in.
    pub(crate) async fn settings(&self) -> Result<Settings, String> {
        match self.ask(reqwest::Method::GET, "/admin/settings", None).await? {
            Json::Object(settings) => Ok(settings),
            other => Err(format!("its settings are no block of settings, but {other}")),
        }
    }

    /// Changes live settings; returns their new revision.
    pub(crate) async fn change(&self, settings: &Settings) -> Result<u64, String> {
        let body = Json::Object(settings.clone());
        let answer = self.ask(reqwest::Method::PATCH, "/admin/settings", Some(body)).await?;
        answer["revision"]
            .as_u64()
            .ok_or_else(|| format!("the answer has no revision: {answer}"))
    }

    /// Stops or starts the publish role.
    pub(crate) async fn publish(&self, running: bool) -> Result<(), String> {
        let body = json!({ "running": running });
        self.ask(reqwest::Method::PUT, "/admin/publish", Some(body))
            .await
            .map(drop)
    }

    /// What became of all notifications, by role; all of it from one moment.
    pub(crate) async fn notifications(&self) -> Result<Json, String> {
        self.ask(reqwest::Method::GET, "/admin/notifications", None).await
    }

    /// Which of these writes, given by chat, are missing.
    pub(crate) async fn missing(&self, expected: &Json) -> Result<Acknowledged, String> {
        let answer = self
            .ask(reqwest::Method::POST, "/admin/missing", Some(expected.clone()))
            .await?;
        let missing: Writes =
            serde_json::from_value(answer).map_err(|error| format!("the answer names no writes: {error}"))?;
        missing.acknowledged()
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Json>) -> Result<Json, String> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let url = format!("{}{path}", self.url);
        let mut request = client.request(method, &url).bearer_auth(&self.token);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{url}: {error}"))?;
        if !status.is_success() {
            return Err(format!("{url} answered {status}: {text}"));
        }
        if text.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_str(&text).map_err(|_| format!("{url} answered {status} with no JSON: {text}"))
    }
}

/// Writes by chat.
#[derive(Debug, Deserialize)]
struct Writes {
    chats: Vec<WritesOfChat>,
}

#[derive(Debug, Deserialize)]
struct WritesOfChat {
    chat_id: u64,
    users: Vec<u64>,
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    revision: u64,
    body: String,
}

impl Writes {
    fn acknowledged(self) -> Result<Acknowledged, String> {
        let mut all = Acknowledged::default();
        for WritesOfChat {
            chat_id: chat,
            users,
            events,
        } in self.chats
        {
            all.joined.extend(users.into_iter().map(|user| Joined { chat, user }));
            for Event { revision, body } in events {
                let intended_ns = intended_ns(&body)
                    .ok_or_else(|| format!("the answer names a message `{body}` that was never sent"))?;
                all.sent.push(Sent {
                    chat,
                    revision,
                    intended_ns,
                });
            }
        }
        Ok(all)
    }
}
