//! The throttle of joins: what it decided, what that cost Redis, how old its knowledge is.

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

/// What became of a join that the throttle was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The limit was not reached.
    Admitted,
    /// It was.
    Refused,
    /// Nobody knew; admitted.
    Open,
    /// Nobody knew; refused.
    Closed,
}

impl Decision {
    const NAMES: [&str; 4] = ["admitted", "refused", "open", "closed"];
}

/// Cheap to copy: all share the same figures.
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
            "Joins that the throttle was asked about; open and closed: nobody could tell, so the setting decided";
        registry.register("join_throttle_decisions", help, decisions);
        let help = "Commands to Redis for the throttle, those in the background included";
        registry.register("join_throttle_redis_calls", help, new.redis_calls.clone());
        let help = "Joins of busy chats for which there was no room to lease a share: they had the reserve";
        registry.register("join_throttle_unleased", help, new.unleased.clone());
        let help = "With `join_throttle: bus`, age of the oldest record that is not counted yet; else 0";
        registry.register("join_throttle_lag_seconds", help, new.lag.clone());
        new
    }

    pub(crate) fn decided(&self, decision: Decision) {
        self.decisions[decision as usize].inc();
    }

    pub(crate) fn asked_redis(&self) {
        self.redis_calls.inc();
    }

    /// So many joins of busy chats had no room.
    pub(crate) fn unleased(&self, joins: u64) {
        self.unleased.inc_by(joins);
    }

    pub(crate) fn lag(&self, age: Duration) {
        self.lag.set(age.as_secs_f64());
    }
}
