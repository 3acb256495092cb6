//! Which chats a figure is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a chat lives, seen from the hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// On the hot chat's own shard.
    HotShard,
    /// On any other shard.
    OtherShards,
}
