//! The role as a whole: started and stopped, by the service and by the admin API.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::GROUP;
use super::consumer::Consumer;
use crate::bus::{Bus, BusError, Lag};
use crate::clock::Clock;
use crate::config::Live;
use crate::join_throttle::JoinThrottle;
use crate::metrics::HotMetrics;
use crate::push::Hub;
use crate::redis::Redis;

/// What the consumers work with.
pub(crate) struct Parts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) live: Live,
    pub(crate) hub: Arc<Hub>,
    pub(crate) joins: Arc<JoinThrottle>,
    pub(crate) redis: Option<Arc<Redis>>,
    pub(crate) clock: Clock,
    pub(crate) metrics: HotMetrics,
}

pub(crate) struct Role {
    parts: Arc<Parts>,
    /// Held while it starts or stops, so that there are never two.
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

    /// Starts a consumer per partition where the role has committed; nothing when it runs already.
    pub(crate) async fn start(&self) -> Result<(), BusError> {
        let mut running = self.running.lock().await;
        if running.is_some() {
            return Ok(());
        }
        // All or none: nobody could stop those that run when one cannot be made.
        let mut consumers = Vec::new();
        for partition in 0..self.parts.bus.partitions() {
            consumers.push(Consumer::new(Arc::clone(&self.parts), partition).await?);
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for consumer in consumers {
            tasks.spawn(consumer.run(stop.clone()));
        }
        tracing::info!(partitions = self.parts.bus.partitions(), "publishing");
        self.parts.joins.consumed(true);
        *running = Some(Running { stop, tasks });
        Ok(())
    }

    /// How far it is behind in each partition, as far as that is known.
    pub(crate) fn lags(&self) -> impl Iterator<Item = (u32, Lag)> {
        let (bus, now) = (&self.parts.bus, self.parts.clock.now());
        (0..bus.partitions()).filter_map(move |partition| Some((partition, bus.lag(GROUP, partition, now).ok()?)))
    }

    /// Returns when every consumer has committed what it has done; nothing when it does not run.
    pub(crate) async fn stop(&self) {
        let mut running = self.running.lock().await;
        if let Some(Running { stop, tasks }) = &*running {
            self.parts.joins.consumed(false);
            stop.cancel();
            tasks.close();
            tasks.wait().await;
            // Only now: a caller who gives up waiting must not let a second set start beside the first.
            *running = None;
            tracing::info!("not publishing");
        }
    }
}
