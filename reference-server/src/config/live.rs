//! The settings in force: read by everybody for each decision, replaced as a whole while the server runs.
//!
//! A reader takes the `Arc` of the moment and so never sees half a change. Whoever changes them (the admin API, the file) goes
//! through [`Live::change`], one at a time; what is refused leaves everything as it was, and is kept to be asked about.

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
    /// Held while a change is judged.
    refused: Mutex<Option<Arc<RefusedChange>>>,
    redis: bool,
    metrics: SettingsMetrics,
}

/// Settings that came into force.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) settings: Arc<Settings>,
    /// 1 at start, one more with each change.
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

/// A change that was not made.
#[derive(Debug)]
pub(crate) struct RefusedChange {
    pub(crate) at: SystemTime,
    pub(crate) source: Source,
    pub(crate) message: String,
}

impl Live {
    /// `redis`: whether the server has one, which some settings need.
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

    /// The settings of the moment.
    pub(crate) fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.0.applied.borrow().settings)
    }

    /// Tells of each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Applied>> {
        self.0.applied.subscribe()
    }

    /// The same, with their revision.
    pub(crate) fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.0.applied.borrow())
    }

    /// The latest change that was refused, unless something was accepted since.
    pub(crate) fn refused(&self) -> Option<Arc<RefusedChange>> {
        self.lock().clone()
    }

    /// A change by JSON merge patch through the admin API.
    pub(crate) fn patch(&self, patch: serde_json::Value, at: SystemTime) -> Result<Arc<Applied>, Unfit> {
        let redis = self.0.redis;
        self.change(Source::Admin, at, |current| patched(current, patch, redis))
    }

    /// Replaces the settings by what `wanted` makes of them, or keeps them and remembers why not.
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
                tracing::warn!(?source, %message, revision = before.revision, "settings refused; the last good ones stay");
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
    fn a_change_is_whole_or_not_at_all() {
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
        assert_eq!((same.revision, same.at), (2, at(2)), "nothing has changed");
        assert!(live.refused().is_none(), "something was accepted since");
    }
}
