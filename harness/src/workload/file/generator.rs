//! The load generator's bounds, as they are written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workload::quantity::Span;

/// The load generator's bounds. What is offered beyond them is counted as unsent, never silently dropped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratorFile {
    /// Worker threads; each has its own share of arrivals and connections.
    #[schemars(range(min = 1, max = 64))]
    pub workers: u16,
    /// Connections that may be open at once, over all workers.
    #[schemars(range(min = 1, max = 50_000))]
    pub connections: u32,
    /// Requests that may be under way at once on an HTTP/2 connection; fewer where the server allows fewer.
    #[schemars(range(min = 1, max = 10_000))]
    pub streams: u32,
    /// Arrivals that may wait for a connection at once, over all workers.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub waiting: u32,
    /// Pending retries at once, over all workers; a caller beyond them gives up.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub retries: u32,
    /// A request is given up this long after its intended start; at most 10m.
    pub timeout: Span,
    /// A connection that has been idle for this long is closed, as clients do: what the ramp opened is not there for
    /// the spike.
    pub idle: Span,
    /// Addresses of this machine that connections come from in turn; one address has some 28,000 ports. On the loopback
    /// interface as many as are needed are used by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<std::net::IpAddr>,
}

impl Default for GeneratorFile {
    fn default() -> Self {
        Self {
            workers: 1,
            connections: 1024,
            streams: 100,
            waiting: 8192,
            retries: 100_000,
            timeout: Span(Duration::from_secs(5)),
            idle: Span(Duration::from_secs(3)),
            sources: Vec::new(),
        }
    }
}
