//! Chats and what is done to them, as it is written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one;
use crate::workload::quantity::{Rate, Span};

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

/// One stream of operations.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficFile {
    /// What is done.
    pub operation: Operation,
    /// The group of chats that it is done to.
    #[serde(default)]
    pub chats: Option<String>,
    /// Part of the profile's rate that this stream takes, from 0 to 1. A `follow` has neither share nor rate: pushes cause its fetches.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: Option<f64>,
    /// A rate of its own, the same in every phase.
    #[serde(default)]
    pub rate: Option<Rate>,
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
    /// A member fetches the first events of a chat, as somebody who opens it does.
    Fetch,
    /// Members are online: each holds a WebSocket and, when it is told that there is something new, fetches everything since its
    /// revision. At most one entry of a workload does this.
    Follow(FollowFile),
    /// A plain GET of a path, for servers that are not a chat.
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

fn connect_rate() -> Rate {
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
