//! Events stored and fetched.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::store::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// Stored events and answered fetches.
pub(crate) struct EventMetrics {
    /// In the order of [`Kind::ALL`], so that counting needs no look-up.
    stored: [Counter; Kind::ALL.len()],
    fetches: Counter,
    fetched: Counter,
    holes: Counter,
}

impl EventMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let stored = Family::<OfKind, Counter>::default();
        let new = Self {
            stored: Kind::ALL.map(|kind| stored.get_or_create_owned(&OfKind { kind: kind.name() })),
            fetches: Counter::default(),
            fetched: Counter::default(),
            holes: Counter::default(),
        };
        registry.register("events_stored", "Events stored, by kind", stored);
        registry.register("event_fetches", "Fetches answered", new.fetches.clone());
        registry.register("events_fetched", "Events returned by fetches", new.fetched.clone());
        let help = "Times a fetch saw an event without its predecessor and looked again";
        registry.register("event_holes", help, new.holes.clone());
        new
    }

    pub(crate) fn stored(&self, kind: Kind) {
        self.stored[kind as usize].inc();
    }

    /// Counts an answered fetch, its events, and the holes it encountered.
    pub(crate) fn fetched(&self, events: usize, holes: u32) {
        self.fetches.inc();
        self.holes.inc_by(u64::from(holes));
        self.fetched.inc_by(events as u64);
    }
}
