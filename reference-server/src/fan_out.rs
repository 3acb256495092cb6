//! Wires up the path of an event to its members: publisher → bus → publish role → hub, and → notifier for those who are
//! not online. The join throttle is built here too, since it may consume the same log and use the same Redis.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bus::{Bus, InProcess, Publisher};
use crate::clock::Clock;
use crate::config::{Config, Live, Notify};
use crate::join_throttle::JoinThrottle;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::open_files;
use crate::publish::{self, Notices, Parts, Role};
use crate::push::Hub;
use crate::redis::Redis;
use crate::store::Store;

/// The parts that the routes use.
pub(crate) struct FanOut {
    pub(crate) publisher: Publisher,
    pub(crate) role: Role,
    pub(crate) hub: Arc<Hub>,
    pub(crate) joins: Arc<JoinThrottle>,
    /// `None` where nobody is notified.
    pub(crate) notifier: Option<Arc<Notifier>>,
}

impl FanOut {
    /// The role is not started yet. Background work runs in `tasks` until `stop`.
    pub(crate) async fn new(
        config: &Config,
        live: Live,
        store: &Arc<Store>,
        metrics: &Metrics,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (clock, settings) = (Clock::start(), &config.settings);
        let (partitions, capacity) = (settings.bus.partitions.get(), settings.bus.capacity.as_usize());
        let notifier = notifier(&settings.notify, metrics, tasks, stop)?;
        let groups: &[_] = match &notifier {
            None => &[publish::GROUP],
            Some(_) => &[publish::GROUP, publish::NOTICES],
        };
        let bus: Arc<dyn Bus> = Arc::new(InProcess::new(partitions, capacity, groups));
        let hub = Hub::new(settings.push.behind.get(), metrics.push.clone(), rand::random());
        tasks.spawn(Arc::clone(&hub).send_trailing(stop.clone()));
        let mut redis = None;
        if let Some(url) = &config.redis {
            let made = Redis::new(url, clock, metrics.redis.clone())?;
            made.reach().await;
            tasks.spawn(Arc::clone(&made).keep(stop.clone()));
            redis = Some(made);
        }
        let joins = JoinThrottle::new(
            live.clone(),
            redis.clone(),
            clock,
            metrics.joins.clone(),
            rand::random(),
        );
        tasks.spawn(Arc::clone(&joins).reconcile(stop.clone()));
        let full_wait = settings.bus.full_wait.get();
        let publisher = Publisher::new(Arc::clone(&bus), clock, full_wait, metrics.bus.clone());
        let role = Role::new(Parts {
            bus,
            live,
            hub: Arc::clone(&hub),
            joins: Arc::clone(&joins),
            redis,
            notices: notifier.clone().map(|notifier| Notices {
                notifier,
                store: Arc::clone(store),
                lag_max: capacity as u64 / 2,
            }),
            clock,
            metrics: metrics.hot.clone(),
        });
        Ok(Self {
            publisher,
            role,
            hub,
            joins,
            notifier,
        })
    }
}

fn notifier(
    settings: &Notify,
    metrics: &Metrics,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<Notifier>>> {
    let Notify::Gateway(client) = settings else {
        return Ok(None);
    };
    open_files::raise();
    let notifier = Notifier::new(client, &metrics.notify, tasks, stop)?;
    Ok(Some(Arc::new(notifier)))
}
