//! What became of the WebSocket connections of one traffic entry in one phase.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Quantiles;
use crate::record::UnsentCause;

/// What became of the WebSocket connections of one traffic entry, and what they heard, by when it happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WebsocketsResult {
    /// Opened; those in place of one that had ended included.
    pub opened: u64,
    /// Of these, the ones in place of one that had ended.
    pub reopened: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
    /// Connections that the target ended.
    pub broken: u64,
    /// How those ended that failed or broke, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<String, u64>,
    /// Of the attempts that failed, those that failed on this machine, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub local_errors: BTreeMap<UnsentCause, u64>,
    /// Most that were open at once; with several workers, an upper bound.
    pub open_max: u64,
    /// Time from the first SYN until a message could be sent.
    pub handshake_us: Quantiles,
    /// The parts of that time: until the target had accepted the connection; in which TLS was agreed on; in which
    /// WebSocket was agreed on.
    pub connect_us: Quantiles,
    /// See `connect_us`.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub tls_us: Quantiles,
    /// See `connect_us`.
    pub upgrade_us: Quantiles,
    /// Connections whose TLS resumed what an earlier one had agreed on.
    #[serde(default, skip_serializing_if = "crate::record::is_zero")]
    pub resumed: u64,
    /// Messages heard.
    pub messages: u64,
    /// Their bytes, without what frames need.
    pub bytes: u64,
    /// Of the messages, those that answered nothing.
    pub pushes: u64,
    /// Of the messages, those that answered something that had been given up.
    pub late: u64,
    /// Pings heard.
    pub pings: u64,
}
