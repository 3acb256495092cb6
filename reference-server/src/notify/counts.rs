//! Connections opened, open, closed, failed: one moment, one lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections to the gateway, over all queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The gateway's machine accepted them.
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    /// Tries to open one that ended without a usable connection.
    pub(crate) failed: u64,
    pub(crate) open: u64,
    pub(crate) open_peak: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts(Mutex<Counts>);

impl ConnectionCounts {
    pub(crate) fn counts(&self) -> Counts {
        *self.lock()
    }

    pub(super) fn failed(&self) {
        self.lock().failed += 1;
    }

    pub(super) fn opened(self: &Arc<Self>) -> Open {
        let mut counts = self.lock();
        counts.opened += 1;
        counts.open += 1;
        counts.open_peak = counts.open_peak.max(counts.open);
        drop(counts);
        Open(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as open until dropped, which is after the socket is closed.
#[derive(Debug)]
pub(super) struct Open(Arc<ConnectionCounts>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.open -= 1;
        counts.closed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_of_connections_that_were_open_together() {
        let counts = Arc::new(ConnectionCounts::default());
        let first = counts.opened();
        drop(counts.opened());
        drop((counts.opened(), counts.opened()));
        counts.failed();
        drop(first);
        let expected = Counts {
            opened: 4,
            closed: 4,
            failed: 1,
            open: 0,
            open_peak: 3,
        };
        assert_eq!(counts.counts(), expected);
    }
}
