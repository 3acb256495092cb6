//! Connected members and the pushes to them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Why a member's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disconnect {
    /// The member closed it or disappeared.
    Left,
    /// The connection was unwritable for too long.
    Behind,
    /// The member violated the protocol, or the connection broke.
    Error,
    /// The server stops.
    Shutdown,
}

impl Disconnect {
    const ALL: [Self; 4] = [Self::Left, Self::Behind, Self::Error, Self::Shutdown];

    fn reason(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Behind => "behind",
            Self::Error => "error",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Counters of the push side; updated once per walk, not once per member.
#[derive(Clone)]
pub(crate) struct PushMetrics {
    sent: Counter,
    dropped: Counter,
    coalesced: Counter,
    trailing: Counter,
    members: Gauge,
    disconnects: Family<Reason, Counter>,
}

impl PushMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let pushes = Family::<Outcome, Counter>::default();
        let of = |outcome| pushes.get_or_create(&Outcome { outcome }).clone();
        let disconnects = Family::<Reason, Counter>::default();
        for reason in Disconnect::ALL.map(Disconnect::reason) {
            drop(disconnects.get_or_create(&Reason { reason })); // shown as 0 before the first
        }
        let new = Self {
            sent: of("sent"),
            dropped: of("dropped"),
            coalesced: of("coalesced"),
            trailing: Counter::default(),
            members: Gauge::default(),
            disconnects,
        };
        registry.register(
            "pushes",
            "Pushes by outcome: written (trailing ones included), dropped by the throttle, superseded before they were written",
            pushes,
        );
        registry.register(
            "trailing_pushes",
            "Trailing pushes, sent after dropped ones",
            new.trailing.clone(),
        );
        registry.register("push_members", "Members connected for pushes", new.members.clone());
        registry.register(
            "push_disconnects",
            "Ended member connections, by reason",
            new.disconnects.clone(),
        );
        new
    }

    /// Counts one push to all members of a chat.
    pub(crate) fn pushed(&self, written: u64, dropped: u64, coalesced: u64) {
        self.sent.inc_by(written);
        self.dropped.inc_by(dropped);
        self.coalesced.inc_by(coalesced);
    }

    /// Pushes that had to wait for room in their sockets.
    pub(crate) fn written(&self, pushes: u32) {
        self.sent.inc_by(u64::from(pushes));
    }

    /// Trailing pushes: those written at once, and all of them.
    pub(crate) fn trailing(&self, written: u64, all: u64) {
        self.sent.inc_by(written);
        self.trailing.inc_by(all);
    }

    pub(crate) fn connected(&self) {
        self.members.inc();
    }

    pub(crate) fn disconnected(&self, why: Disconnect) {
        self.members.dec();
        self.disconnects.get_or_create(&Reason { reason: why.reason() }).inc();
    }
}
