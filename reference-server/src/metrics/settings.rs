//! Which settings are in force, and how often a change was rejected.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::config::Source;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct From {
    source: &'static str,
}

/// The settings' revision, when it took effect, and rejections by source.
#[derive(Clone)]
pub(crate) struct SettingsMetrics {
    revision: Gauge,
    applied_at: Gauge<f64, AtomicU64>,
    refused: Family<From, Counter>,
}

impl SettingsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self {
            revision: Gauge::default(),
            applied_at: Gauge::default(),
            refused: Family::default(),
        };
        for source in ["file", "admin"] {
            drop(new.refused.get_or_create(&From { source })); // shown as 0 before the first
        }
        let revision = new.revision.clone();
        registry.register(
            "settings_revision",
            "Revision of the settings in force, 1 at start",
            revision,
        );
        registry.register(
            "settings_applied_at_seconds",
            "When the settings in force were applied, in Unix seconds",
            new.applied_at.clone(),
        );
        registry.register(
            "settings_refused",
            "Rejected changes of settings, by source",
            new.refused.clone(),
        );
        new
    }

    pub(crate) fn applied(&self, revision: u64, at: SystemTime) {
        self.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
        self.applied_at
            .set(at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
    }

    pub(crate) fn refused(&self, source: Source) {
        let source = match source {
            Source::Start => return, // a server whose first settings are invalid does not start
            Source::File => "file",
            Source::Admin => "admin",
        };
        self.refused.get_or_create(&From { source }).inc();
    }
}
