//! Hot chats and the Redis that holds their marks.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::http::duration_histogram;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Change {
    change: &'static str,
}

/// Cheap to copy: all copies share the same figures.
#[derive(Clone)]
pub(crate) struct HotMetrics {
    set: Counter,
    renewed: Counter,
    expired: Counter,
    unlisted: Counter,
    held: Gauge,
    delay: Histogram,
}

impl HotMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let changes = Family::<Change, Counter>::default();
        let of = |change| changes.get_or_create_owned(&Change { change });
        let new = Self {
            set: of("set"),
            renewed: of("renewed"),
            expired: of("expired"),
            unlisted: Counter::default(),
            held: Gauge::default(),
            delay: duration_histogram(),
        };
        registry.register("hot_marks", "Marks of hot chats, by transition", changes);
        registry.register("hot_chats", "Marks held", new.held.clone());
        let help = "Fetches over the limit whose chat did not fit into the list of hot chats";
        registry.register("hot_chats_unlisted", help, new.unlisted.clone());
        let help = "Time from the fetch that made a chat hot to its stored mark";
        registry.register("hot_detection_delay_seconds", help, new.delay.clone());
        new
    }

    /// A chat became hot and was marked after this delay.
    pub(crate) fn detected(&self, delay: Duration) {
        self.set.inc();
        self.delay.observe(delay.as_secs_f64());
    }

    pub(crate) fn set(&self) {
        self.set.inc();
    }

    pub(crate) fn renewed(&self) {
        self.renewed.inc();
    }

    /// Fetches of hot chats that did not fit into the detector's list.
    pub(crate) fn unlisted(&self, fetches: u64) {
        self.unlisted.inc_by(fetches);
    }

    /// Marks that have expired.
    pub(crate) fn expired(&self, marks: usize) {
        self.expired.inc_by(marks as u64);
    }

    /// One partition now holds `now` marks instead of `before`.
    pub(crate) fn held(&self, before: usize, now: usize) {
        self.held.inc_by(signed(now) - signed(before));
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether Redis is reachable.
#[derive(Clone, Default)]
pub(crate) struct RedisMetrics {
    up: Gauge,
    errors: Counter,
}

impl RedisMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("redis_up", "1 if Redis is reachable, 0 otherwise", self.up.clone());
        let help = "Failed commands and connection attempts";
        registry.register("redis_errors", help, self.errors.clone());
    }

    pub(crate) fn up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    pub(crate) fn failed(&self) {
        self.errors.inc();
    }
}
