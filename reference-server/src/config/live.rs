//! The settings in force: read for every decision, replaced as a whole at run time.
//!
//! A reader takes the current `Arc` and so never sees half a change. Writers (the admin API, the file) go through
//! [`Live::change`], one at a time. A rejected change alters nothing and is kept for inspection.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::watch;

use super::Settings;
use super::change::patched;
use super::unfit::Unfit;
use crate::metrics::SettingsMetrics;

/// A handle on the settings in force; clones share them.
#[derive(Clone)]
pub(crate) struct Live(Arc<Shared>);

struct Shared {
    applied: watch::Sender<Arc<Applied>>,
    /// Held while a change is validated.
    refused: Mutex<Option<Arc<RefusedChange>>>,
    redis: bool,
    metrics: SettingsMetrics,
}

/// Settings that took effect.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) settings: Arc<Settings>,
    /// 1 at start; incremented by each change.
    pub(crate) revision: u64,
    pub(crate) at: SystemTime,
    pub(crate) source: Source,
}

/// Where settings came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Start,
    File,
    Admin,
}

/// A rejected change.
#[derive(Debug)]
pub(crate) struct RefusedChange {
    pub(crate) at: SystemTime,
    pub(crate) source: Source,
    pub(crate) message: String,
}

impl Live {
    /// `redis`: whether the server has Redis, which some settings require.
    pub(crate) fn new(settings: Settings, redis: bool, at: SystemTime, metrics: SettingsMetrics) -> Self {
        let applied = Applied {
            settings: Arc::new(settings),
            revision: 1,
            at,
            source: Source::Start,
        };
        metrics.applied(applied.revision, at);
        Self(Arc::new(Shared {
            applied: watch::Sender::new(Arc::new(applied)),
            refused: Mutex::default(),
            redis,
            metrics,
        }))
    }

    /// The current settings.
    pub(crate) fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.0.applied.borrow().settings)
    }

    /// Notifies of each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Applied>> {
        self.0.applied.subscribe()
    }

    /// The current settings with their revision.
    pub(crate) fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.0.applied.borrow())
    }

    /// The latest rejected change, unless a change was accepted since.
    pub(crate) fn refused(&self) -> Option<Arc<RefusedChange>> {
        self.lock().clone()
    }

    /// Applies a JSON merge patch from the admin API.
    pub(crate) fn patch(&self, patch: serde_json::Value, at: SystemTime) -> Result<Arc<Applied>, Unfit> {
        let redis = self.0.redis;
        self.change(Source::Admin, at, |current| patched(current, patch, redis))
    }

    /// Replaces the settings with the result of `wanted`, or keeps them and records the rejection.
    pub(super) fn change<E: fmt::Display>(
        &self,
        source: Source,
        at: SystemTime,
        wanted: impl FnOnce(&Settings) -> Result<Settings, E>,
    ) -> Result<Arc<Applied>, E> {
        let mut refused = self.lock();
        let before = self.applied();
        match wanted(&before.settings) {
            Err(error) => {
                let message = error.to_string();
                tracing::warn!(?source, %message, revision = before.revision, "settings rejected; the last good ones stay in force");
                self.0.metrics.refused(source);
                *refused = Some(Arc::new(RefusedChange { at, source, message }));
                Err(error)
            }
            Ok(settings) => {
                *refused = None;
                if settings == *before.settings {
                    return Ok(before);
                }
                Ok(self.apply(settings, before.revision + 1, at, source))
            }
        }
    }

    fn apply(&self, settings: Settings, revision: u64, at: SystemTime, source: Source) -> Arc<Applied> {
        tracing::info!(revision, ?source, ?settings, "settings applied");
        let applied = Arc::new(Applied {
            settings: Arc::new(settings),
            revision,
            at,
            source,
        });
        self.0.applied.send_replace(Arc::clone(&applied));
        self.0.metrics.applied(revision, at);
        applied
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<RefusedChange>>> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;
    use crate::metrics::Metrics;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_change_is_applied_whole_or_not_at_all() {
        let live = Live::new(Settings::default(), false, at(1), Metrics::new().settings);
        let start = live.current();
        let applied = live.patch(json!({ "fetch": { "limit": 50 } }), at(2)).unwrap();
        assert_eq!(
            (applied.revision, applied.at, applied.source),
            (2, at(2), Source::Admin)
        );
        assert_eq!((start.fetch.limit.get(), live.current().fetch.limit.get()), (100, 50));

        let bad = json!({ "fetch": { "limit": 60 }, "hot_chat": { "fetches": 0 } });
        assert!(live.patch(bad, at(3)).is_err());
        let kept = live.applied();
        assert_eq!(
            (kept.revision, kept.at, kept.settings.fetch.limit.get()),
            (2, at(2), 50)
        );
        let refused = live.refused().unwrap();
        assert_eq!((refused.at, refused.source), (at(3), Source::Admin));
        assert!(
            refused.message.starts_with("settings.hot_chat.fetches: 0 is"),
            "{}",
            refused.message
        );

        let same = live.patch(json!({ "fetch": { "limit": 50 } }), at(4)).unwrap();
        assert_eq!((same.revision, same.at), (2, at(2)), "no change");
        assert!(live.refused().is_none(), "a change was accepted since");
    }
}
