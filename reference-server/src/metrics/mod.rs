//! The `/metrics` page. Labels recorded on the request path are resolved in advance or bounded.

mod bus;
mod events;
mod hot;
mod http;
mod isolation;
mod joins;
mod notify;
mod pool;
mod push;
mod settings;
mod traffic;

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub(crate) use bus::BusMetrics;
pub(crate) use events::EventMetrics;
pub(crate) use hot::{HotMetrics, RedisMetrics};
pub(crate) use http::{ConnectionMetrics, HttpMetrics, OpenConnection, RequestMetrics, duration_histogram};
pub(crate) use isolation::IsolationMetrics;
pub(crate) use joins::{Decision, JoinMetrics};
pub(crate) use notify::{Handshake, NotifyMetrics};
pub(crate) use pool::PoolMetrics;
pub(crate) use push::{Disconnect, PushMetrics};
pub(crate) use settings::SettingsMetrics;
pub(crate) use traffic::TrafficMetrics;

/// All metrics of the server.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) http: HttpMetrics,
    pub(crate) requests: RequestMetrics,
    pub(crate) connections: ConnectionMetrics,
    pub(crate) events: EventMetrics,
    pub(crate) settings: SettingsMetrics,
    pub(crate) bus: BusMetrics,
    pub(crate) hot: HotMetrics,
    pub(crate) redis: RedisMetrics,
    pub(crate) joins: JoinMetrics,
    pub(crate) traffic: TrafficMetrics,
    pub(crate) push: PushMetrics,
    pub(crate) notify: NotifyMetrics,
    pool: pool::PoolFamilies,
    isolation: isolation::IsolationFamilies,
    shards: Mutex<Vec<PoolMetrics>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("hotchat");
        Self {
            http: HttpMetrics::register(&mut registry),
            requests: RequestMetrics::register(&mut registry),
            connections: ConnectionMetrics::register(&mut registry),
            events: EventMetrics::register(&mut registry),
            settings: SettingsMetrics::register(&mut registry),
            bus: BusMetrics::register(&mut registry),
            hot: HotMetrics::register(&mut registry),
            redis: RedisMetrics::default(),
            joins: JoinMetrics::register(&mut registry),
            traffic: TrafficMetrics::register(&mut registry),
            push: PushMetrics::register(&mut registry),
            notify: NotifyMetrics::default(),
            pool: pool::PoolFamilies::register(&mut registry),
            isolation: isolation::IsolationFamilies::register(&mut registry),
            shards: Mutex::default(),
            registry,
        }
    }

    /// Exports the metrics of Redis; a server without Redis leaves them out, since an absent Redis is not down.
    pub(crate) fn show_redis(&mut self) {
        self.redis.register(&mut self.registry);
    }

    /// Exports the admission level; policies without one leave it out.
    pub(crate) fn show_level(&mut self) {
        self.requests.register_level(&mut self.registry);
    }

    /// Exports the metrics of notifications; a server that sends none leaves them out.
    pub(crate) fn show_notify(&mut self) {
        self.notify.register(&mut self.registry);
    }

    /// The metrics of one shard's pool.
    pub(crate) fn shard(&self, shard: usize) -> PoolMetrics {
        let metrics = self.pool.of(shard);
        self.shards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(metrics.clone());
        metrics
    }

    /// The metrics of one shard's breakers, bulkhead and cancelled calls.
    pub(crate) fn isolation(&self, shard: usize) -> IsolationMetrics {
        self.isolation.of(shard)
    }

    /// The page; `open` gives the open connections of each shard.
    pub(crate) fn page(&self, open: impl Iterator<Item = usize>) -> Result<String, std::fmt::Error> {
        self.pool.scrape(open);
        for shard in self.shards.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            shard.scrape();
        }
        self.connections.scrape();
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}
