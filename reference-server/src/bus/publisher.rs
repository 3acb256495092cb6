//! What the routes call when something has happened: never fails, and never takes longer than the configured wait.

use std::sync::Arc;
use std::time::Duration;

use super::{Bus, Full, Record, What};
use crate::clock::Clock;
use crate::metrics::BusMetrics;
use crate::store::Kind;

pub(crate) struct Publisher {
    bus: Arc<dyn Bus>,
    clock: Clock,
    /// Longest time a send waits for room.
    full_wait: Duration,
    metrics: BusMetrics,
}

impl Publisher {
    pub(crate) fn new(bus: Arc<dyn Bus>, clock: Clock, full_wait: Duration, metrics: BusMetrics) -> Self {
        Self {
            bus,
            clock,
            full_wait,
            metrics,
        }
    }

    /// `user` sent an event, which was stored with this revision.
    pub(crate) async fn sent(&self, chat_id: u64, revision: u64, kind: Kind, user: u64) {
        let record = self.record(chat_id, What::Sent { revision, kind, user });
        let published = match self.bus.offer(record) {
            Ok(()) => Ok(()),
            Err(Full { .. }) => self.bus.publish(record, self.full_wait).await,
        };
        self.count(record.what, published);
    }

    /// A fetch was answered.
    pub(crate) fn fetched(&self, chat_id: u64) {
        self.offer(chat_id, What::Fetched);
    }

    /// `user` has joined.
    pub(crate) fn joined(&self, chat_id: u64, user: u64) {
        self.offer(chat_id, What::Joined { user });
    }

    fn offer(&self, chat_id: u64, what: What) {
        let published = self.bus.offer(self.record(chat_id, what));
        self.count(what, published);
    }

    fn count(&self, what: What, published: Result<(), Full>) {
        match published {
            Ok(()) => self.metrics.published(what),
            Err(Full { .. }) => self.metrics.refused(what),
        }
    }

    fn record(&self, chat_id: u64, what: What) -> Record {
        let at = self.clock.now();
        Record { chat_id, at, what }
    }
}
