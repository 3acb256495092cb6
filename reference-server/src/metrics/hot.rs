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

/// Cheap to copy: all share the same figures.
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
        registry.register("hot_marks", "Marks of hot chats, by what became of them", changes);
        registry.register("hot_chats", "Marks held", new.held.clone());
        let help = "Fetches over the limit for which there was no room to remember that their chat is hot";
        registry.register("hot_chats_unlisted", help, new.unlisted.clone());
        let help = "From the fetch that made a chat hot to its mark being stored";
        registry.register("hot_detection_delay_seconds", help, new.delay.clone());
        new
    }

    /// A chat became hot and was marked this much later.
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

    /// So many fetches were of hot chats that there was no room for.
    pub(crate) fn unlisted(&self, fetches: u64) {
        self.unlisted.inc_by(fetches);
    }

    /// So many marks have run out.
    pub(crate) fn expired(&self, marks: usize) {
        self.expired.inc_by(marks as u64);
    }

    /// One partition holds so many marks instead of so many before.
    pub(crate) fn held(&self, before: usize, now: usize) {
        self.held.inc_by(signed(now) - signed(before));
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether Redis is there.
#[derive(Clone, Default)]
pub(crate) struct RedisMetrics {
    up: Gauge,
    errors: Counter,
}

impl RedisMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("redis_up", "1 when Redis answers, 0 when it does not", self.up.clone());
        let help = "Commands and attempts to connect that failed";
        registry.register("redis_errors", help, self.errors.clone());
    }

    pub(crate) fn up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    pub(crate) fn failed(&self) {
        self.errors.inc();
    }
}
