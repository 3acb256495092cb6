//! Chats and what is done to them, as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::{CheckFile, RequestFile};
use super::session::StepFile;
use super::websocket::{AnswerFile, SendFile};
use crate::workload::quantity::{Rate, Share, Span};

/// A group of chats made before each cell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatsFile {
    /// Number of chats; a group of one is a hot chat.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Members of each chat before the run.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub members: u32,
    /// Exponent of the Zipf law by which the chats of the group are chosen; 0 chooses evenly.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub zipf: f64,
}

/// One stream of operations on chats, of requests, of sessions, or of texts over WebSocket connections: it has exactly
/// one of `operation`, `request`, `steps` and `websocket`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficFile {
    /// What is done to chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The request that is sent, to any HTTP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFile>,
    /// The steps of a session, in order: requests, and pauses between them. An arrival starts a session; each further
    /// request is due when the answer before it has come and the pauses are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepFile>>,
    /// Path and query of a WebSocket. The entry has neither share nor rate: `hold` and `send` decide how much is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<String>,
    /// How many WebSocket connections are held, from the beginning of the cell on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub hold: Option<u32>,
    /// Rate at which they are opened, from the start of the cell; all are open before the warm-up ends. 1000/s where it
    /// is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Rate>,
    /// Headers of the request for a WebSocket, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What each WebSocket connection sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<SendFile>,
    /// Which message answers what was sent over a WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerFile>,
    /// Whether a session keeps the cookies that it is given, and sends them back; it does unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookies: Option<bool>,
    /// What the answer to the request has to be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckFile>,
    /// The group of chats that it is done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chats: Option<String>,
    /// Part of the profile's rate that this stream takes, from 0 to 1. A `follow` has neither share nor rate: pushes
    /// cause its fetches.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: Option<f64>,
    /// A rate of its own, the same in every phase.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Rejected clients retry, as an app does; the logical call lasts until it succeeds or the client gives up. Not for
    /// a `follow`, whose members poll by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryFile>,
}

/// How a client retries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryFile {
    /// Most attempts, the first included.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u16,
    /// Pause after the first attempt, where the answer does not say how long to wait (`Retry-After` in seconds,
    /// `retry_after_ms` in its body; the longer of the two).
    pub backoff: Span,
    /// What that pause is multiplied by after each further attempt.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub multiplier: f64,
    /// Longest pause before jitter, even where the answer asks for a longer one.
    pub backoff_max: Span,
    /// Each pause is longer by a random part of itself, at most this one; from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: f64,
    /// Retries for each first attempt, over all callers of the entry: with `10%`, at most a tenth of what comes anyway,
    /// and ten that are saved up. Whoever finds it used up gives up. If not given, only `attempts` limits them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Share>,
    /// The outcomes that are retried; after any other the client gives up.
    #[schemars(length(min = 1))]
    pub on: Vec<Retryable>,
    /// Time after the profile in which nothing new is offered and pending retries go on; retries due later are cut off.
    pub settle: Span,
}

impl Default for RetryFile {
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Span(Duration::from_millis(500)),
            multiplier: 2.0,
            backoff_max: Span(Duration::from_secs(10)),
            jitter: 0.3,
            budget: None,
            on: vec![Retryable::Throttled, Retryable::Shed],
            settle: Span(Duration::from_secs(10)),
        }
    }
}

/// An outcome after which a client may retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retryable {
    /// 429.
    Throttled,
    /// 503.
    Shed,
    /// No full answer within `generator.timeout`.
    Timeout,
    /// No connection, or one that broke.
    ConnectError,
    /// Any other 5xx.
    ServerError,
}

/// What one request does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new member joins a chat.
    Join,
    /// A chat's members are counted.
    Count,
    /// A member sends a message to a chat.
    Send,
    /// A member fetches the first events of a chat, as a client does that opens it.
    Fetch,
    /// Members are online: each holds a WebSocket and, when it is told that there is something new, fetches everything
    /// since its revision. At most one entry of a workload does this.
    Follow(FollowFile),
    /// A plain GET of a path: the short form of `request: {get: …}`.
    #[serde(rename = "get")]
    Get {
        /// Path and query.
        path: String,
    },
}

/// Members that are online, and how their app behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowFile {
    /// Members of each chat that are online; the chats need at least as many members.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub online: u32,
    /// Rate at which they connect, from the start of the cell; all are online before the warm-up ends.
    #[serde(default = "connect_rate")]
    pub connect: Rate,
    /// Longest time that the app takes between a push and its fetch; each takes a random part of it.
    #[serde(default = "app_delay")]
    pub delay: Span,
    /// The app fetches after this long without any news, pushed or not.
    #[serde(default = "poll_interval")]
    pub poll: Span,
    /// Most events in one fetch; a full answer is followed by the next fetch at once.
    #[serde(default = "fetch_limit")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// A member that lacks an event acknowledged this long ago is stale.
    #[serde(default = "stale_after")]
    pub stale_after: Span,
}

/// Rate at which connections are opened where none is given.
pub(in crate::workload) fn connect_rate() -> Rate {
    Rate(1000.0)
}

fn app_delay() -> Span {
    Span(Duration::from_millis(100))
}

fn poll_interval() -> Span {
    Span(Duration::from_secs(60))
}

fn fetch_limit() -> u32 {
    100
}

fn stale_after() -> Span {
    Span(Duration::from_secs(5))
}

fn one() -> u32 {
    1
}
