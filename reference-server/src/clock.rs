//! The server's clock: the wall-clock time at start plus the monotonic time since.
//!
//! It never goes back, unlike wall-clock time, and every reader of a record interprets it the same way.

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

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.origin + self.started.elapsed()
    }
}
