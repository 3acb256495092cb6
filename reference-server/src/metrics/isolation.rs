//! Breakers, bulkheads and cancelled calls, per shard.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::store::CallKind;

const CALLS: usize = CallKind::ALL.len();

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shard {
    shard: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardCall {
    shard: u64,
    call: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardCallTo {
    shard: u64,
    call: &'static str,
    to: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardReason {
    shard: u64,
    reason: &'static str,
}

/// The metric families with one member per shard.
#[derive(Default)]
pub(super) struct IsolationFamilies {
    state: Family<ShardCall, Gauge>,
    transitions: Family<ShardCallTo, Counter>,
    open: Family<ShardCall, Counter>,
    in_progress: Family<Shard, Gauge>,
    waiting: Family<Shard, Gauge>,
    full: Family<ShardReason, Counter>,
    cancelled: Family<Shard, Counter>,
}

impl IsolationFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let help = "The breaker of a kind of call: 0 closed, 1 open, 2 half-open";
        registry.register("breaker_state", help, new.state.clone());
        let help = "Changes of the breaker's state, by the state entered";
        registry.register("breaker_transitions", help, new.transitions.clone());
        let help = "Calls rejected by the breaker";
        registry.register("breaker_refusals", help, new.open.clone());
        let help = "Calls in progress on the shard that hold a slot of the bulkhead";
        registry.register("bulkhead_in_progress", help, new.in_progress.clone());
        let help = "Calls waiting for the bulkhead";
        registry.register("bulkhead_waiting", help, new.waiting.clone());
        let help = "Calls rejected by the bulkhead: full at once, wait after waiting";
        registry.register("bulkhead_refusals", help, new.full.clone());
        let help = "Calls abandoned while they held a connection: by their caller, or by a time limit";
        registry.register("storage_cancelled", help, new.cancelled.clone());
        new
    }

    /// Every member is exported as 0 from the start.
    pub(super) fn of(&self, shard: usize) -> IsolationMetrics {
        let shard = shard as u64;
        let call = |kind: CallKind| ShardCall {
            shard,
            call: kind.name(),
        };
        let to = |kind: CallKind, to| {
            let call = kind.name();
            self.transitions.get_or_create_owned(&ShardCallTo { shard, call, to })
        };
        let refused = |reason| self.full.get_or_create_owned(&ShardReason { shard, reason });
        IsolationMetrics {
            state: CallKind::ALL.map(|kind| self.state.get_or_create_owned(&call(kind))),
            transitions: CallKind::ALL.map(|kind| ["closed", "open", "half_open"].map(|state| to(kind, state))),
            open: CallKind::ALL.map(|kind| self.open.get_or_create_owned(&call(kind))),
            in_progress: self.in_progress.get_or_create_owned(&Shard { shard }),
            waiting: self.waiting.get_or_create_owned(&Shard { shard }),
            full: refused("full"),
            waited: refused("wait"),
            cancelled: self.cancelled.get_or_create_owned(&Shard { shard }),
        }
    }
}

/// One shard's members of the families.
pub(crate) struct IsolationMetrics {
    pub(crate) state: [Gauge; CALLS],
    /// By call, then closed, open, half-open.
    pub(crate) transitions: [[Counter; 3]; CALLS],
    /// Rejected by the breaker.
    pub(crate) open: [Counter; CALLS],
    pub(crate) in_progress: Gauge,
    pub(crate) waiting: Gauge,
    /// Rejected by the bulkhead at once.
    pub(crate) full: Counter,
    /// Rejected by the bulkhead after waiting.
    pub(crate) waited: Counter,
    pub(crate) cancelled: Counter,
}
