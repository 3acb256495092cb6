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
pub(super) fn duration_histogram() -> Histogram {
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

/// The admission limit: requests in progress, waiting and shed.
pub(crate) struct RequestGauges {
    pub(crate) in_progress: Gauge,
    pub(crate) waiting: Gauge,
    shed: Family<Reason, Counter>,
}

impl RequestGauges {
    fn new() -> Self {
        let shed = Family::<Reason, Counter>::default();
        for reason in ["queue_full", "wait_timeout"] {
            drop(shed.get_or_create(&Reason { reason })); // shown as 0 before the first
        }
        Self {
            in_progress: Gauge::default(),
            waiting: Gauge::default(),
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
        registry.register(
            "requests_shed",
            "Requests of /v1 shed by the admission limit, by reason",
            new.shed.clone(),
        );
        new
    }

    pub(crate) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&Reason { reason }).inc();
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
    pub(super) fn register(registry: &mut Registry) -> Self {
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
            "Connections closed at once because of max_connections",
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

    pub(super) fn scrape(&self) {
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
