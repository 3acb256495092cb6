//! Connections that the generator holds: for requests, and those of WebSocket.
//!
//! Knows durations and why something could not be tried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Durations;
use super::histogram::is_zero;
use super::outcome::UnsentCause;

/// Connections that the generator holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientConnections {
    /// Opened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub opened: u64,
    /// Closed, by either side.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Attempts that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Connections that the server had closed while they were idle, found out when a request was to be sent, and
    /// replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
    /// Most that were open at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub open_max: u64,
    /// Time from the first SYN until a request could be written.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub handshake: Durations,
    /// The part of it until the target had accepted the connection, where there is another part.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub connect: Durations,
    /// The part of it in which TLS was agreed on.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub tls: Durations,
    /// The part of it in which HTTP/2 was agreed on, or on WebSocket.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub upgrade: Durations,
    /// Connections whose TLS resumed what an earlier one had agreed on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed: u64,
    /// HTTP/2 streams that the server refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub streams_refused: u64,
}

impl ClientConnections {
    /// Adds everything but the maximum, of which several workers' and several seconds' fold differently.
    pub fn merge_counts(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.failed += other.failed;
        self.replaced += other.replaced;
        self.resumed += other.resumed;
        self.streams_refused += other.streams_refused;
        for (ours, theirs) in [
            (&mut self.handshake, &other.handshake),
            (&mut self.connect, &other.connect),
            (&mut self.tls, &other.tls),
            (&mut self.upgrade, &other.upgrade),
        ] {
            ours.merge(theirs);
        }
    }
}

/// How a WebSocket connection ended, or why it was never open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketEnd {
    /// It was not open within the time-out.
    NotOpened,
    /// It was refused, or broke before it was open; TLS that is not agreed on included.
    Refused,
    /// The answer to the request for a WebSocket was another, or none of HTTP.
    NotUpgraded,
    /// The target closed it, or it broke.
    Closed,
    /// The target sent a message that is longer than one may be.
    TooLong,
    /// The target sent what is no WebSocket.
    ProtocolError,
}

impl SocketEnd {
    /// The name used in every file and table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotOpened => "not_opened",
            Self::Refused => "refused",
            Self::NotUpgraded => "not_upgraded",
            Self::Closed => "closed",
            Self::TooLong => "too_long",
            Self::ProtocolError => "protocol_error",
        }
    }

    /// Whether the connection had been open.
    #[must_use]
    pub fn was_open(self) -> bool {
        matches!(self, Self::Closed | Self::TooLong | Self::ProtocolError)
    }
}

/// The WebSocket connections that a traffic entry holds, and what they heard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sockets {
    /// Opened, ended by the target, failed, most at once.
    pub connections: ClientConnections,
    /// Of those opened, the ones in place of one that had ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u64,
    /// How those ended that ended or failed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<SocketEnd, u64>,
    /// Attempts that failed on this machine, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub local: BTreeMap<UnsentCause, u64>,
    /// Messages heard.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub messages: u64,
    /// Their bytes, without what frames need.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Of the messages, those that answered nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pushes: u64,
    /// Of the messages, those that answered something that had been given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Pings heard.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pings: u64,
}

impl Sockets {
    /// Adds everything but the maximum.
    pub fn merge_counts(&mut self, other: &Self) {
        self.connections.merge_counts(&other.connections);
        self.reopened += other.reopened;
        for (end, count) in &other.ends {
            *self.ends.entry(*end).or_default() += count;
        }
        for (cause, count) in &other.local {
            *self.local.entry(*cause).or_default() += count;
        }
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.pushes += other.pushes;
        self.late += other.late;
        self.pings += other.pings;
    }
}
