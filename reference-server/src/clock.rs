//! The server's clock: the time of day at the start, and what has passed since.
//!
//! It never goes back, as the time of day may, and it means the same to everybody who reads a record later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Cheap to copy and to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    origin: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            origin: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.origin + self.started.elapsed()
    }
}
