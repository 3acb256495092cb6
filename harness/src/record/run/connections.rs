//! Connections of client, server and database in one phase.

use serde::{Deserialize, Serialize};

use super::Quantiles;
use super::notifications::{PushConnections, of_the_component};

/// Connections of client, server and database in one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// The generator's.
    pub client: ClientSide,
    /// The server's; `None` where it could not be asked.
    pub server: Option<ServerSide>,
    /// Connections to the databases, summed over shards; `None` where nobody could be asked.
    pub database: Option<DatabaseSide>,
    /// The push component's to the push gateway, where there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "of_the_component"
    )]
    pub push: Option<PushConnections>,
    /// The WebSocket connections of members who are online, as they see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<ClientSide>,
}

/// The generator's connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientSide {
    /// Opened.
    pub opened: u64,
    /// Closed.
    pub closed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Connections that the server had closed while they were idle, and that were replaced when a request was to be
    /// sent.
    #[serde(default)]
    pub replaced: u64,
    /// Most that were open at once; with several workers, an upper bound.
    pub open_max: u64,
    /// Time until a request could be written.
    pub handshake_us: Quantiles,
    /// The parts of that time, where there is more than one: until the target had accepted the connection; in which TLS
    /// was agreed on; in which HTTP/2 was agreed on.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub connect_us: Quantiles,
    /// See `connect_us`.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub tls_us: Quantiles,
    /// See `connect_us`.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub upgrade_us: Quantiles,
    /// Connections whose TLS resumed what an earlier one had agreed on.
    #[serde(default, skip_serializing_if = "crate::record::is_zero")]
    pub resumed: u64,
    /// HTTP/2 streams that the server refused.
    #[serde(default, skip_serializing_if = "crate::record::is_zero")]
    pub streams_refused: u64,
}

/// The server's connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSide {
    /// Accepted in the phase.
    pub accepted: u64,
    /// Most that were open at once; `None` where no reading fell into the phase.
    pub open_max: Option<u64>,
}

/// The server's pools of database connections, and what the databases count themselves: all clients' connections, the
/// observer's included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseSide {
    /// Most that were open at once, as sampled; `None` where no sample fell into the phase.
    pub open_max: Option<u64>,
    /// Most that were in use at once, as sampled; the same.
    pub in_use_max: Option<u64>,
    /// Time that calls waited for a connection.
    pub wait_us: PoolWait,
    /// What the databases count; `None` where some of them does not, or was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<DatabaseConnections>,
}

/// Connections as the databases count them, summed over shards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseConnections {
    /// Opened, attempts that came to nothing included.
    pub opened: u64,
    /// Of these, those that came to nothing.
    pub failed: u64,
    /// Of these, those that were refused because there were as many as there may be.
    pub refused: u64,
    /// Open at the end of the phase; `None` where no reading fell into it.
    pub open_end: Option<u64>,
    /// Statements sent over them.
    pub requests: u64,
}

/// Time that calls waited for a database connection, from the server's own histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolWait {
    /// Number of waits.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Upper bound of the bucket that holds the 99th percentile; `None` where it is the last, unbounded one.
    pub p99_at_most: Option<f64>,
}
