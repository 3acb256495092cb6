//! Requests and connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// 100 µs to about 6.5 s, doubling.
pub(crate) fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(100e-6, 2.0, 17))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteOutcome {
    route: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Requests by route and outcome.
pub(crate) struct HttpMetrics {
    requests: Family<RouteOutcome, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let help = "Requests by route and outcome (ok, or the `error` of the response, or disconnected)";
        registry.register("requests", help, requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time from the request's head to the response",
            durations.clone(),
        );
        Self { requests, durations }
    }

    /// `route` is a route's pattern, so the label set is bounded.
    pub(crate) fn finished(&self, route: &str, outcome: &'static str, took: Duration) {
        let route = route.to_owned();
        self.durations
            .get_or_create(&Route { route: route.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&RouteOutcome { route, outcome }).inc();
    }
}

/// Admission: requests in progress, waiting and shed, and what the policy is at.
pub(crate) struct RequestMetrics {
    pub(crate) in_progress: Gauge,
    pub(crate) waiting: Gauge,
    /// Set when the page is shown.
    pub(crate) limit: Gauge,
    /// Set when the page is shown; exported only where there are levels.
    pub(crate) level: Gauge,
    queue: Histogram,
    shed: Family<Reason, Counter>,
}

impl RequestMetrics {
    fn new() -> Self {
        let shed = Family::<Reason, Counter>::default();
        for reason in ["queue_full", "wait_timeout", "controlled_delay", "low_priority"] {
            drop(shed.get_or_create(&Reason { reason })); // shown as 0 before the first
        }
        Self {
            in_progress: Gauge::default(),
            waiting: Gauge::default(),
            limit: Gauge::default(),
            level: Gauge::default(),
            queue: duration_histogram(),
            shed,
        }
    }

    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::new();
        registry.register(
            "requests_in_progress",
            "Requests of /v1 in progress",
            new.in_progress.clone(),
        );
        registry.register(
            "requests_waiting",
            "Requests of /v1 waiting for admission",
            new.waiting.clone(),
        );
        let help = "How many requests of /v1 may be in progress now";
        registry.register("requests_limit", help, new.limit.clone());
        let help = "Time from the request's head to its admission, of admitted requests of /v1";
        registry.register("requests_queue_seconds", help, new.queue.clone());
        registry.register(
            "requests_shed",
            "Requests of /v1 shed by the admission limit, by reason",
            new.shed.clone(),
        );
        new
    }

    pub(super) fn register_level(&self, registry: &mut Registry) {
        let help = "How many of the 1024 priorities are admitted, the most important first";
        registry.register("requests_admission_level", help, self.level.clone());
    }

    pub(crate) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&Reason { reason }).inc();
    }

    /// A request was admitted after this time.
    pub(crate) fn waited(&self, time: Duration) {
        self.queue.observe(time.as_secs_f64());
    }
}

/// Connections of the public API, counted where they are accepted.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    accepted: Counter,
    refused: Counter,
    open: Arc<AtomicI64>,
    peak: Arc<AtomicI64>,
    open_gauge: Gauge,
    peak_gauge: Gauge,
}

impl ConnectionMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self {
            accepted: Counter::default(),
            refused: Counter::default(),
            open: Arc::default(),
            peak: Arc::default(),
            open_gauge: Gauge::default(),
            peak_gauge: Gauge::default(),
        };
        registry.register(
            "connections_accepted",
            "Connections accepted, including those closed at once",
            new.accepted.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed at once because of the limit on connections",
            new.refused.clone(),
        );
        registry.register("connections_open", "Connections open now", new.open_gauge.clone());
        registry.register(
            "connections_open_peak",
            "Peak of open connections",
            new.peak_gauge.clone(),
        );
        new
    }

    /// Counts an accepted connection; `None` when `max` are open already.
    pub(crate) fn accepted(&self, max: usize) -> Option<OpenConnection> {
        self.accepted.inc();
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = OpenConnection(Arc::clone(&self.open));
        if usize::try_from(open).is_ok_and(|open| open > max) {
            self.refused.inc();
            return None;
        }
        self.peak.fetch_max(open, Ordering::Relaxed);
        Some(connection)
    }

    pub(crate) fn scrape(&self) {
        self.open_gauge.set(self.open.load(Ordering::Relaxed));
        self.peak_gauge.set(self.peak.load(Ordering::Relaxed));
    }
}

/// Counts as open until dropped.
pub(crate) struct OpenConnection(Arc<AtomicI64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
