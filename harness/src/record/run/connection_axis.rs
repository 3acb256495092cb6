//! Connections second by second: on the axis of what was sent, so that a reader sees which rate opened them.

use serde::{Deserialize, Serialize};

/// Connections of generator, push component and databases in each second of a cell, from its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionAxis {
    /// Requests that the generator sent, by the second in which they were due.
    pub sent: Vec<u64>,
    /// The generator's.
    pub client: SideAxis,
    /// The push component's to the push gateway; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<SideAxis>,
    /// The server's to its databases; `None` where they could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<SideAxis>,
}

/// The connections of one side. What grew between two readings is shared out by time; a list is as long as there was
/// something to see, and empty where nobody counts that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SideAxis {
    /// Opened in the second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<u64>,
    /// Attempts that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<u64>,
    /// Of these, those that the peer refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<u64>,
    /// Requests answered over them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<u64>,
    /// Most that were open at once, of what was seen in the second; `null` where nobody looked.
    pub open_max: Vec<Option<u64>>,
}
