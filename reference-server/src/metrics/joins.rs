//! The join throttle: its decisions, their cost in Redis calls, the age of its knowledge.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    decision: &'static str,
}

/// The throttle's decision on a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Admitted under the limit.
    Admitted,
    /// Rejected: the limit was reached.
    Refused,
    /// Counter unavailable; admitted.
    Open,
    /// Counter unavailable; rejected.
    Closed,
}

impl Decision {
    const NAMES: [&str; 4] = ["admitted", "refused", "open", "closed"];
}

/// Cheap to copy: all copies share the same figures.
#[derive(Clone)]
pub(crate) struct JoinMetrics {
    /// In the order of [`Decision::NAMES`].
    decisions: [Counter; Decision::NAMES.len()],
    redis_calls: Counter,
    unleased: Counter,
    lag: Gauge<f64, AtomicU64>,
}

impl JoinMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let decisions = Family::<Of, Counter>::default();
        let new = Self {
            decisions: Decision::NAMES.map(|decision| decisions.get_or_create_owned(&Of { decision })),
            redis_calls: Counter::default(),
            unleased: Counter::default(),
            lag: Gauge::default(),
        };
        let help =
            "Decisions of the join throttle; open and closed: the counter was unavailable, so `when_away` decided";
        registry.register("join_throttle_decisions", help, decisions);
        let help = "Redis commands for the join throttle, background ones included";
        registry.register("join_throttle_redis_calls", help, new.redis_calls.clone());
        let help = "Joins of busy chats that did not fit into the list of leases and had only the reserve";
        registry.register("join_throttle_unleased", help, new.unleased.clone());
        let help = "With `join_throttle: bus`, age of the oldest uncounted record; otherwise 0";
        registry.register("join_throttle_lag_seconds", help, new.lag.clone());
        new
    }

    pub(crate) fn decided(&self, decision: Decision) {
        self.decisions[decision as usize].inc();
    }

    pub(crate) fn asked_redis(&self) {
        self.redis_calls.inc();
    }

    /// Joins of busy chats that did not fit into the list.
    pub(crate) fn unleased(&self, joins: u64) {
        self.unleased.inc_by(joins);
    }

    pub(crate) fn lag(&self, age: Duration) {
        self.lag.set(age.as_secs_f64());
    }
}
