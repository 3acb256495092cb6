//! What the gateway's `/metrics` shows.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::metrics::{ConnectionMetrics, duration_histogram};
use crate::notify::Role;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRole {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleStatus {
    role: &'static str,
    status: u16,
}

pub(super) struct GatewayMetrics {
    registry: Registry,
    pub(super) connections: ConnectionMetrics,
    memory: Gauge,
    over: Counter<f64, std::sync::atomic::AtomicU64>,
    /// What `over` showed last.
    shown: Mutex<Duration>,
    in_progress: Gauge,
    /// In the order of [`Role::ALL`], like the next.
    requests: [Counter; Role::ALL.len()],
    times: [Histogram; Role::ALL.len()],
    answers: Family<RoleStatus, Counter>,
}

impl GatewayMetrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("push_gateway");
        let requests = Family::<OfRole, Counter>::default();
        let times = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let connections = ConnectionMetrics::register(&mut registry);
        let new = Self {
            connections,
            memory: Gauge::default(),
            over: Counter::default(),
            shown: Mutex::default(),
            in_progress: Gauge::default(),
            requests: Role::NAMES.map(|role| requests.get_or_create_owned(&OfRole { role })),
            times: Role::NAMES.map(|role| times.get_or_create_owned(&OfRole { role })),
            answers: Family::default(),
            registry: Registry::default(),
        };
        let help = "Memory held by open connections";
        registry.register("connection_memory_bytes", help, new.memory.clone());
        let help = "Time during which connections held more memory than the budget";
        registry.register("over_budget_seconds", help, new.over.clone());
        registry.register("requests", "Notifications begun, by role", requests);
        let help = "Notifications in progress";
        registry.register("requests_in_progress", help, new.in_progress.clone());
        registry.register(
            "request_seconds",
            "Time from a notification's head to its answer",
            times,
        );
        registry.register("answers", "Answers, by role and status", new.answers.clone());
        Self { registry, ..new }
    }

    /// A notification has arrived; it is in progress until the value is dropped.
    pub(super) fn begun(&self, role: Role) -> InProgress<'_> {
        self.requests[role as usize].inc();
        self.in_progress.inc();
        InProgress(&self.in_progress)
    }

    pub(super) fn answered(&self, role: Role, status: StatusCode, took: Duration) {
        self.times[role as usize].observe(took.as_secs_f64());
        let (role, status) = (role.name(), status.as_u16());
        self.answers.get_or_create(&RoleStatus { role, status }).inc();
    }

    /// The page; `held` and `over` are the heap's.
    pub(super) fn page(&self, held: u64, over: Duration) -> Result<String, std::fmt::Error> {
        self.memory.set(i64::try_from(held).unwrap_or(i64::MAX));
        {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            self.over.inc_by(over.saturating_sub(*shown).as_secs_f64());
            *shown = over.max(*shown);
        }
        self.connections.scrape();
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// Counts as in progress until dropped, also when the client has gone.
pub(super) struct InProgress<'a>(&'a Gauge);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
