//! The whole role: started and stopped by the service and by the admin API.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::consumer::{Consumer, Parts};
use super::notices::NoticesConsumer;
use super::{GROUP, NOTICES};
use crate::bus::{BusError, Lag};

pub(crate) struct Role {
    parts: Arc<Parts>,
    /// Held during start and stop, so that there are never two sets of consumers.
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Role {
    /// Not running yet.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            running: Mutex::new(None),
        }
    }

    /// Starts a consumer per partition at the committed offset; does nothing if the role is running.
    pub(crate) async fn start(&self) -> Result<(), BusError> {
        let mut running = self.running.lock().await;
        if running.is_some() {
            return Ok(());
        }
        // All or none: if one fails, nobody could stop those already running.
        let mut consumers = Vec::new();
        for partition in 0..self.parts.bus.partitions() {
            consumers.push(Consumer::new(Arc::clone(&self.parts), partition).await?);
        }
        let mut notifying = Vec::new();
        if let Some(notices) = &self.parts.notices {
            for partition in 0..self.parts.bus.partitions() {
                let (bus, hub) = (Arc::clone(&self.parts.bus), Arc::clone(&self.parts.hub));
                notifying.push(NoticesConsumer::new(notices.clone(), bus, hub, partition).await?);
            }
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for consumer in consumers {
            tasks.spawn(consumer.run(stop.clone()));
        }
        for consumer in notifying {
            tasks.spawn(consumer.run(stop.clone()));
        }
        tracing::info!(partitions = self.parts.bus.partitions(), "publishing");
        self.parts.joins.consumed(true);
        *running = Some(Running { stop, tasks });
        Ok(())
    }

    /// The lag of each partition, where known.
    pub(crate) fn lags(&self) -> impl Iterator<Item = (u32, Lag)> {
        let (bus, now) = (&self.parts.bus, self.parts.clock.now());
        (0..bus.partitions()).filter_map(move |partition| Some((partition, bus.lag(GROUP, partition, now).ok()?)))
    }

    /// Records that have not been looked at for notifications, over all partitions; 0 where nobody is notified.
    pub(crate) fn unnoticed(&self) -> u64 {
        let (bus, now) = (&self.parts.bus, self.parts.clock.now());
        let lag = |partition| bus.lag(NOTICES, partition, now).map_or(0, |lag| lag.records);
        (0..bus.partitions()).map(lag).sum()
    }

    /// Returns when every consumer has committed its work; does nothing if the role is not running.
    pub(crate) async fn stop(&self) {
        let mut running = self.running.lock().await;
        if let Some(Running { stop, tasks }) = &*running {
            self.parts.joins.consumed(false);
            stop.cancel();
            tasks.close();
            tasks.wait().await;
            // Only now: if the caller stops waiting earlier, a second set must not start beside the first.
            *running = None;
            tracing::info!("not publishing");
        }
    }
}
