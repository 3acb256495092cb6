//! What a call passes before it reaches a shard: its deadline, the breaker of its kind, the shard's bulkhead.
//!
//! The policies decide; this module connects them to the clock, the settings in force and the metrics. Shards share
//! nothing here: a call takes the locks of its own shard's policies. Only the breakers of `scope: global` are shared,
//! which is what that scope is there to show.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hotchat_policy::{Breaker, BreakerOpen, BreakerState, Bulkhead, BulkheadLimits, Entry, Outcome, Permit, Slot};

use prometheus_client::metrics::counter::Counter;

use super::error::StoreError;
use crate::clock::Clock;
use crate::config::{BreakerScope, BulkheadScope, Live, Settings};
use crate::deadline::{Deadline, Ended};
use crate::metrics::IsolationMetrics;

/// Kinds of calls to a shard; one kind may fail while another does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Create,
    Join,
    Leave,
    Count,
    Send,
    Fetch,
    Membership,
    Members,
}

impl CallKind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Create,
        Self::Join,
        Self::Leave,
        Self::Count,
        Self::Send,
        Self::Fetch,
        Self::Membership,
        Self::Members,
    ];

    /// Whether the statements, once they run, outlive the caller's disconnect: a stored event has to be published, and
    /// only their answer tells whether it was stored.
    pub(super) fn is_seen_through(self) -> bool {
        self == Self::Send
    }

    /// The value of the metrics' `call` label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Count => "count",
            Self::Send => "send",
            Self::Fetch => "fetch",
            Self::Membership => "membership",
            Self::Members => "members",
        }
    }
}

/// One breaker per kind of call.
type Breakers = [Breaker; CallKind::ALL.len()];

/// The policies of all shards.
pub(crate) struct Isolation {
    live: Live,
    clock: Clock,
    global: Breakers,
    shards: Vec<OfShard>,
    /// Revision of the settings that the policies use.
    revision: AtomicU64,
    /// Held while the policies are updated.
    followed: Mutex<Followed>,
}

struct OfShard {
    breakers: Breakers,
    bulkhead: Bulkhead,
    metrics: IsolationMetrics,
}

struct Followed {
    revision: u64,
    scope: BreakerScope,
}

/// A call that may proceed. Dropped without [`Entered::done`] it is not counted.
pub(super) struct Entered<'a> {
    isolation: &'a Isolation,
    shard: usize,
    kind: CallKind,
    permit: Option<Permit<'a>>,
    /// Held until the call ends.
    _slot: Option<Slot<'a>>,
    slow_call: Duration,
}

impl Isolation {
    /// `metrics`: one for each shard.
    pub(crate) fn new(live: Live, metrics: Vec<IsolationMetrics>) -> Self {
        let applied = live.applied();
        let settings = &applied.settings;
        let followed = Followed {
            revision: applied.revision,
            scope: settings.breaker.scope,
        };
        let shards = metrics.into_iter().map(|metrics| OfShard {
            breakers: breakers(settings),
            bulkhead: Bulkhead::new(limits(settings)),
            metrics,
        });
        Self {
            clock: Clock::start(),
            global: breakers(settings),
            shards: shards.collect(),
            revision: AtomicU64::new(applied.revision),
            followed: Mutex::new(followed),
            live,
        }
    }

    /// Lets a call through, or returns why not.
    pub(super) async fn enter(
        &self,
        shard: usize,
        kind: CallKind,
        deadline: &Deadline,
    ) -> Result<Entered<'_>, StoreError> {
        let settings = self.settings();
        deadline.check().map_err(|ended| given_up(shard, ended))?;
        let breaker = self.breaker(settings.breaker.scope, shard, kind);
        let permit = match breaker.map(|breaker| breaker.permit(self.clock.now())) {
            None => None,
            Some(Ok(permit)) => {
                self.entered(shard, kind, permit.entered());
                Some(permit)
            }
            Some(Err(BreakerOpen { retry_after, entered })) => {
                self.entered(shard, kind, entered);
                self.shards[shard].metrics.open[kind as usize].inc();
                return Err(StoreError::BreakerOpen {
                    shard,
                    call: kind.name(),
                    retry_after,
                });
            }
        };
        // A call rejected here drops its permit: a full bulkhead says nothing about the shard's health.
        let slot = match settings.bulkhead.scope {
            BulkheadScope::None => None,
            BulkheadScope::Shard => Some(self.slot(shard, settings.bulkhead.wait.get(), deadline).await?),
        };
        Ok(Entered {
            isolation: self,
            shard,
            kind,
            permit,
            _slot: slot,
            slow_call: settings.breaker.slow_call.get(),
        })
    }

    async fn slot(&self, shard: usize, wait: Duration, deadline: &Deadline) -> Result<Slot<'_>, StoreError> {
        let OfShard { bulkhead, metrics, .. } = &self.shards[shard];
        let queued = match bulkhead.enter() {
            Ok(Entry::Entered(slot)) => return Ok(slot),
            Ok(Entry::Queued(queued)) => queued,
            Err(full) => {
                metrics.full.inc();
                let why = full.to_string();
                return Err(StoreError::BulkheadFull { shard, why });
            }
        };
        match deadline.bound(wait, queued).await {
            Ok(slot) => Ok(slot),
            Err(Ended::Gone) => Err(StoreError::Abandoned { shard }),
            Err(Ended::Limit | Ended::Deadline) => {
                metrics.waited.inc();
                let why = "the calls before it did not end in time".to_owned();
                Err(StoreError::BulkheadFull { shard, why })
            }
        }
    }

    /// The settings in force, applied to the policies first.
    fn settings(&self) -> std::sync::Arc<Settings> {
        let applied = self.live.applied();
        if self.revision.load(Ordering::Relaxed) < applied.revision {
            let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            // A concurrent call may have applied a later revision.
            if followed.revision < applied.revision {
                followed.revision = applied.revision;
                self.follow(&applied.settings, &mut followed.scope);
                self.revision.store(applied.revision, Ordering::Relaxed);
            }
        }
        std::sync::Arc::clone(&applied.settings)
    }

    fn follow(&self, settings: &Settings, scope: &mut BreakerScope) {
        let rules = settings.breaker.into();
        let rescoped = std::mem::replace(scope, settings.breaker.scope) != settings.breaker.scope;
        let own = self.shards.iter().flat_map(|shard| &shard.breakers);
        for breaker in own.chain(&self.global) {
            breaker.retune(rules).expect(IN_RANGE);
            if rescoped {
                breaker.reset(); // its counts predate the time it was switched off
            }
        }
        for shard in &self.shards {
            shard.bulkhead.retune(limits(settings));
        }
    }

    fn breaker(&self, scope: BreakerScope, shard: usize, kind: CallKind) -> Option<&Breaker> {
        match scope {
            BreakerScope::None => None,
            BreakerScope::Global => Some(&self.global[kind as usize]),
            BreakerScope::Shard => Some(&self.shards[shard].breakers[kind as usize]),
        }
    }

    /// Records a breaker's transition.
    fn entered(&self, shard: usize, kind: CallKind, state: Option<BreakerState>) {
        let Some(state) = state else { return };
        let to = number(state);
        self.shards[shard].metrics.transitions[kind as usize][to].inc();
        let call = kind.name();
        match state {
            BreakerState::Open => tracing::warn!(shard, call, "breaker opened"),
            BreakerState::HalfOpen => tracing::info!(shard, call, "breaker half-open"),
            BreakerState::Closed => tracing::info!(shard, call, "breaker closed"),
        }
    }

    /// Counts abandoned calls that held a connection.
    pub(super) fn cancelled(&self, shard: usize) -> Counter {
        self.shards[shard].metrics.cancelled.clone()
    }

    /// Updates one shard's gauges.
    pub(super) fn scrape(&self, shard: usize) {
        let scope = self.settings().breaker.scope;
        let OfShard { bulkhead, metrics, .. } = &self.shards[shard];
        for kind in CallKind::ALL {
            let state = self
                .breaker(scope, shard, kind)
                .map_or(BreakerState::Closed, Breaker::state);
            metrics.state[kind as usize].set(i64::try_from(number(state)).expect("0 to 2"));
        }
        metrics.in_progress.set(i64::from(bulkhead.in_progress()));
        metrics.waiting.set(i64::from(bulkhead.waiting()));
    }
}

impl Entered<'_> {
    /// Reports to the breaker how the call ended.
    pub(super) fn done<T>(self, result: &Result<T, StoreError>) {
        let Some(permit) = self.permit else { return };
        let outcome = result
            .as_ref()
            .err()
            .map_or(Outcome::Ok, |error| outcome(error, self.slow_call));
        let entered = permit.done(self.isolation.clock.now(), outcome);
        self.isolation.entered(self.shard, self.kind, entered);
    }
}

/// What an error implies about the shard.
fn outcome(error: &StoreError, slow_call: Duration) -> Outcome {
    match error {
        // A call with hardly any time left does not show that the shard is failing.
        StoreError::NoConnection { waited: had, cut, .. } | StoreError::Timeout { limit: had, cut, .. }
            if *cut && *had < slow_call =>
        {
            Outcome::Abandoned
        }
        StoreError::NoConnection { .. } | StoreError::Timeout { .. } | StoreError::Unavailable { .. } => {
            Outcome::Failed
        }
        StoreError::Abandoned { .. } | StoreError::Expired { .. } => Outcome::Abandoned,
        // The shard answered, or was never reached.
        StoreError::Contended { .. }
        | StoreError::Internal { .. }
        | StoreError::BreakerOpen { .. }
        | StoreError::BulkheadFull { .. } => Outcome::Ok,
    }
}

/// A wait that ended before anything was sent to the shard.
pub(super) fn given_up(shard: usize, ended: Ended) -> StoreError {
    match ended {
        Ended::Gone => StoreError::Abandoned { shard },
        Ended::Limit | Ended::Deadline => StoreError::Expired { shard },
    }
}

fn number(state: BreakerState) -> usize {
    match state {
        BreakerState::Closed => 0,
        BreakerState::Open => 1,
        BreakerState::HalfOpen => 2,
    }
}

const IN_RANGE: &str = "the settings' ranges lie within the policies'";

/// Each with its own jitter.
fn breakers(settings: &Settings) -> Breakers {
    CallKind::ALL.map(|_| Breaker::try_new(settings.breaker.into(), rand::random()).expect(IN_RANGE))
}

/// Without a bulkhead, calls still waiting for one proceed.
fn limits(settings: &Settings) -> BulkheadLimits {
    match settings.bulkhead.scope {
        BulkheadScope::None => BulkheadLimits {
            in_progress: u32::MAX,
            waiting: u32::MAX,
        },
        BulkheadScope::Shard => BulkheadLimits {
            in_progress: settings.bulkhead.in_progress.get(),
            waiting: settings.bulkhead.waiting.get(),
        },
    }
}
