//! What to observe: addresses and process ids.

use std::net::SocketAddr;

use super::processes::Processes;

/// What to observe.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Connection strings of the shards, in order.
    pub shards: Vec<String>,
    /// Address of the server's `/metrics`, where it has them.
    pub metrics_url: Option<String>,
    /// Processes by the name that the result gives them.
    pub processes: Processes,
    /// Address of a target that bmt did not start, so that its processes are looked for if it is on this machine.
    pub target: Option<SocketAddr>,
}
