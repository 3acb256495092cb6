//! Who is online in a cell, and how their app behaves.

use std::sync::Arc;

use super::board::Board;
use super::wire::Chat;

/// Who is online, and how their app behaves.
#[derive(Debug, Clone)]
pub struct FollowPlan {
    /// Index of the traffic entry under which their fetches are reported.
    pub entry: usize,
    /// The chats that are followed.
    pub chats: Vec<Chat>,
    /// Members of each chat that are online.
    pub online: usize,
    /// Connections per second, from the start of the cell.
    pub connect_rate: f64,
    /// Longest time between a push and its fetch.
    pub delay_ns: u64,
    /// Time without news after which an app fetches.
    pub poll_ns: u64,
    /// Most events in a fetch.
    pub limit: u32,
    /// What was acknowledged.
    pub board: Arc<Board>,
    /// When some of the members lose their connections.
    pub disconnects: Vec<Disconnect>,
    /// Seed of their random choices.
    pub seed: u64,
}

/// Some members lose their connections at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disconnect {
    /// When.
    pub at_ns: u64,
    /// When they begin to come back.
    pub until_ns: u64,
    /// Part of the members, 0 to 1.
    pub share: f64,
}
