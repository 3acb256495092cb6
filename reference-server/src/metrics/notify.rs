//! Notifications: what became of them, and the connections to the gateway.
//!
//! The accounts and the counts of connections are written by a collector that reads each once for a page, so that a
//! page is never out of balance.

use std::sync::Arc;
use std::time::Duration;

use hotchat_policy::BreakerState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::http::duration_histogram;
// The leaves themselves: what sends notifications needs these metrics.
use crate::notify::counts::{ConnectionCounts, Counts};
use crate::notify::ledger::{Account, Ledger, Reason};
use crate::notify::notification::Role;

const ROLES: usize = Role::ALL.len();

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRole {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleReason {
    role: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStep {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueTo {
    queue: &'static str,
    to: &'static str,
}

/// A step of opening a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    Tcp,
    Tls,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Cheap to clone: all clones share the same figures.
#[derive(Clone)]
pub(crate) struct NotifyMetrics {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) connections: Arc<ConnectionCounts>,
    /// In the order of [`Handshake`]'s variants.
    handshakes: [Histogram; 2],
    /// In the order of [`Role::ALL`], like the next four.
    requests: [Histogram; ROLES],
    delays: [Histogram; ROLES],
    events: [Counter; ROLES],
    events_failed: [Counter; ROLES],
    breakers: Family<OfQueue, Gauge>,
    transitions: Family<QueueTo, Counter>,
    lag: Gauge,
    families: Families,
}

#[derive(Clone)]
struct Families {
    handshakes: Histograms<OfStep>,
    requests: Histograms<OfRole>,
    delays: Histograms<OfRole>,
    events: Family<OfRole, Counter>,
    events_failed: Family<OfRole, Counter>,
}

impl Default for NotifyMetrics {
    fn default() -> Self {
        let histogram = duration_histogram as fn() -> Histogram;
        let families = Families {
            handshakes: Family::new_with_constructor(histogram),
            requests: Family::new_with_constructor(histogram),
            delays: Family::new_with_constructor(delay_histogram as fn() -> Histogram),
            events: Family::default(),
            events_failed: Family::default(),
        };
        let timed = |family: &Histograms<OfRole>| Role::NAMES.map(|role| family.get_or_create_owned(&OfRole { role }));
        let counted =
            |family: &Family<OfRole, Counter>| Role::NAMES.map(|role| family.get_or_create_owned(&OfRole { role }));
        Self {
            ledger: Arc::default(),
            connections: Arc::default(),
            handshakes: ["tcp", "tls"].map(|step| families.handshakes.get_or_create_owned(&OfStep { step })),
            requests: timed(&families.requests),
            delays: timed(&families.delays),
            events: counted(&families.events),
            events_failed: counted(&families.events_failed),
            breakers: Family::default(),
            transitions: Family::default(),
            lag: Gauge::default(),
            families,
        }
    }
}

impl NotifyMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Families {
            handshakes,
            requests,
            delays,
            events,
            events_failed,
        } = self.families.clone();
        registry.register_collector(Box::new(Sums {
            ledger: Arc::clone(&self.ledger),
            connections: Arc::clone(&self.connections),
        }));
        let help = "Time to open a connection to the gateway, by step";
        registry.register("notify_handshake_seconds", help, handshakes);
        let help = "Time from sending a notification to the gateway's whole answer";
        registry.register("notify_request_seconds", help, requests);
        let help = "Time from enqueuing a notification to its delivery";
        registry.register("notify_delay_seconds", help, delays);
        let help = "Events whose members were read and notified";
        registry.register("notify_events", help, events);
        let help = "Events whose members could not be read, all or in part: some were not notified";
        registry.register("notify_events_failed", help, events_failed);
        let help = "The breaker of a queue: 0 closed, 1 open, 2 half-open";
        registry.register("notify_breaker_state", help, self.breakers.clone());
        let help = "Changes of the breaker's state, by the state entered";
        registry.register("notify_breaker_transitions", help, self.transitions.clone());
        let help = "Records of the bus not yet looked at for notifications";
        registry.register("notify_lag_records", help, self.lag.clone());
    }

    /// Shows the breaker of a queue before its first change.
    pub(crate) fn show_queue(&self, queue: &'static str) {
        for to in ["closed", "open", "half_open"] {
            drop(self.transitions.get_or_create(&QueueTo { queue, to }));
        }
    }

    pub(crate) fn handshake(&self, step: Handshake, took: Duration) {
        self.handshakes[step as usize].observe(took.as_secs_f64());
    }

    pub(crate) fn answered(&self, role: Role, took: Duration) {
        self.requests[role as usize].observe(took.as_secs_f64());
    }

    pub(crate) fn delivered(&self, role: Role, after: Duration) {
        self.delays[role as usize].observe(after.as_secs_f64());
    }

    pub(crate) fn looked_at(&self, role: Role, is_read: bool) {
        let events = if is_read { &self.events } else { &self.events_failed };
        events[role as usize].inc();
    }

    pub(crate) fn lag(&self, records: u64) {
        self.lag.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(crate) fn breaker(&self, queue: &'static str, state: BreakerState) {
        let number = match state {
            BreakerState::Closed => 0,
            BreakerState::Open => 1,
            BreakerState::HalfOpen => 2,
        };
        self.breakers.get_or_create(&OfQueue { queue }).set(number);
    }

    pub(crate) fn entered(&self, queue: &'static str, state: BreakerState) {
        let to = match state {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        };
        self.transitions.get_or_create(&QueueTo { queue, to }).inc();
    }
}

/// 1 ms to about 17 min, doubling: a queue can be long.
fn delay_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1e-3, 2.0, 21))
}

/// Writes the accounts and the counts of connections, each as of one moment.
#[derive(Debug)]
struct Sums {
    ledger: Arc<Ledger>,
    connections: Arc<ConnectionCounts>,
}

impl Collector for Sums {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let accounts = self.ledger.accounts();
        let mut by_role =
            |name: &str, help: &str, kind: MetricType, of: fn(&Account) -> u64| -> Result<(), std::fmt::Error> {
                let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                for (role, account) in Role::NAMES.into_iter().zip(&accounts) {
                    encode_one(of(account), kind, family.encode_family(&OfRole { role })?)?;
                }
                Ok(())
            };
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        by_role(
            "notify_enqueued",
            "Notifications offered to their queue",
            counter,
            |a| a.enqueued,
        )?;
        by_role(
            "notify_delivered",
            "Notifications that the gateway accepted",
            counter,
            |a| a.delivered,
        )?;
        by_role("notify_unknown", "Notifications sent without an answer", counter, |a| {
            a.unknown
        })?;
        by_role("notify_queued", "Notifications waiting", gauge, |a| a.queued)?;
        by_role(
            "notify_in_flight",
            "Notifications on their way, retries included",
            gauge,
            |a| a.in_flight,
        )?;
        by_role("notify_attempts", "Tries to send a notification", counter, |a| {
            a.attempts
        })?;
        by_role("notify_retries", "Tries after the first", counter, |a| a.retries)?;
        let help = "Notifications that were certainly not delivered, by reason";
        let mut family = encoder.encode_descriptor("notify_dropped", help, None, counter)?;
        for (role, account) in Role::NAMES.into_iter().zip(&accounts) {
            for (reason, dropped) in Reason::NAMES.into_iter().zip(account.dropped) {
                encode_one(dropped, counter, family.encode_family(&RoleReason { role, reason })?)?;
            }
        }
        self.encode_connections(encoder)
    }
}

impl Sums {
    fn encode_connections(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Counts {
            opened,
            closed,
            failed,
            open,
            open_peak,
        } = self.connections.counts();
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        for (name, help, kind, value) in [
            ("opened", "Connections to the gateway opened", counter, opened),
            ("closed", "Connections to the gateway closed", counter, closed),
            (
                "failed",
                "Tries to open a connection that ended without a usable one",
                counter,
                failed,
            ),
            ("open", "Connections to the gateway open now", gauge, open),
            ("open_peak", "Peak of open connections to the gateway", gauge, open_peak),
        ] {
            let name = format!("notify_connections_{name}");
            encode_one(value, kind, encoder.encode_descriptor(&name, help, None, kind)?)?;
        }
        Ok(())
    }
}

fn encode_one(
    value: u64,
    kind: MetricType,
    encoder: prometheus_client::encoding::MetricEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    match kind {
        MetricType::Gauge => ConstGauge::new(value).encode(encoder),
        _ => ConstCounter::new(value).encode(encoder),
    }
}
