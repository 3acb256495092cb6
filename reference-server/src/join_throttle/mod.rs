//! The join throttle: decides whether a user may join a chat now, before storage is involved.
//!
//! All implementations keep the same limit, at most `joins` of a chat in any window. They differ in who counts, and so
//! in what a decision costs and how much it knows. They count admissions, except `bus`, which counts completed joins. A
//! join that was admitted and then failed (409, an unreachable shard) has used up its place: giving it back would admit
//! callers whose joins always fail without bound.
//!
//! ```text
//! bus.rs           the publish role counts completed joins: as late as the chat's partition
//! in_redis.rs      Redis counts, one call per join                    count.lua   how
//! (here)           local: this process counts, in its memory
//! local_shared.rs  this process counts against its share of the limit
//!   ledger.rs      the shares of all processes, kept in Redis         grant.lua   how
//!   tests/         the ledger in Rust, as a model; the limit over several processes
//! ```
//!
//! Settings are read for each join, so a change applies to the next one. `local` and `local_shared` share one counter:
//! switching between them forgets nothing. The others start counting when they are selected.

mod bus;
mod in_redis;
mod ledger;
mod local_shared;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotchat_policy::{LimitSize, SlidingLimit, TooMany, WindowLimit};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Live, Settings, WhenAway};
use crate::metrics::{Decision, JoinMetrics};
use crate::redis::Redis;
use bus::Completed;
use in_redis::InRedis;
use local_shared::LocalShared;

/// Retry advice when the counter is unavailable.
const AWAY_RETRY: Duration = Duration::from_secs(1);
/// Retries of rejected callers are spread over at most this much beyond the time they have to wait.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// The join is over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) retry_after: Duration,
}

/// Answer of one implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Admitted,
    Refused(TooMany),
    /// The counter is unavailable.
    Away,
}

impl<T> From<Result<T, TooMany>> for Answer {
    fn from(tried: Result<T, TooMany>) -> Self {
        tried.map_or_else(Self::Refused, |_| Self::Admitted)
    }
}

pub(crate) struct JoinThrottle {
    live: Live,
    clock: Clock,
    metrics: JoinMetrics,
    /// Joins that this process admitted on its own.
    admitted: SlidingLimit,
    completed: Completed,
    /// `None` without Redis: then no setting can select it.
    in_redis: Option<InRedis>,
    shared: Option<LocalShared>,
    jitter: Mutex<Xoshiro256PlusPlus>,
}

impl JoinThrottle {
    /// `seed` determines which chats collide, and spreads the retries of rejected callers.
    pub(crate) fn new(
        live: Live,
        redis: Option<Arc<Redis>>,
        clock: Clock,
        metrics: JoinMetrics,
        seed: u64,
    ) -> Arc<Self> {
        let limiter = |seed| SlidingLimit::try_new(LimitSize::default(), seed).expect("this size is in range");
        let shared = redis.clone();
        let shared = shared.map(|redis| LocalShared::new(redis, clock, metrics.clone(), seed));
        Arc::new(Self {
            live,
            clock,
            admitted: limiter(seed),
            completed: Completed::new(limiter(seed)),
            in_redis: redis.map(|redis| InRedis::new(redis, metrics.clone())),
            shared,
            metrics,
            jitter: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
        })
    }

    /// Counts a join of the chat, or says when to retry.
    pub(crate) async fn admit(&self, chat_id: u64) -> Result<(), Throttled> {
        let settings = self.live.current();
        let Some(answer) = self.ask(chat_id, &settings).await else {
            return Ok(());
        };
        let retry_after = match (answer, settings.join_limit.when_away) {
            (Answer::Admitted, _) => {
                self.metrics.decided(Decision::Admitted);
                return Ok(());
            }
            (Answer::Away, WhenAway::Open) => {
                self.metrics.decided(Decision::Open);
                return Ok(());
            }
            (Answer::Refused(TooMany { retry_after }), _) => {
                self.metrics.decided(Decision::Refused);
                retry_after
            }
            (Answer::Away, WhenAway::Closed) => {
                self.metrics.decided(Decision::Closed);
                AWAY_RETRY
            }
        };
        let retry_after = retry_after + self.spread(settings.join_limit.window.get());
        Err(Throttled { retry_after })
    }

    /// `None` without a throttle.
    async fn ask(&self, chat_id: u64, settings: &Settings) -> Option<Answer> {
        let (limit, now) = (WindowLimit::from(settings.join_limit), self.clock.now());
        Some(match settings.join_throttle {
            config::JoinThrottle::None => return None,
            config::JoinThrottle::Bus => self.completed.ask(chat_id, limit, now),
            config::JoinThrottle::Redis => match &self.in_redis {
                Some(in_redis) => in_redis.ask(chat_id, limit).await,
                None => Answer::Away,
            },
            config::JoinThrottle::Local => self.admitted.admit(chat_id, limit, now).into(),
            config::JoinThrottle::LocalShared(how) => match &self.shared {
                Some(shared) => shared.ask(&self.admitted, chat_id, (how, settings.join_limit), now),
                None => Answer::Away,
            },
        })
    }

    /// A completed join arrived by the bus.
    pub(crate) fn completed(&self, chat_id: u64, settings: &Settings) {
        if settings.join_throttle == config::JoinThrottle::Bus {
            self.completed
                .count(chat_id, settings.join_limit.into(), self.clock.now());
        }
    }

    /// Sets whether completed joins are being consumed.
    pub(crate) fn consumed(&self, consumed: bool) {
        self.completed.consumed(consumed);
    }

    /// Reports how late the throttle is, from the ages of unconsumed records.
    pub(crate) fn show_lag(&self, ages: impl Iterator<Item = Duration>) {
        let follows = self.live.current().join_throttle == config::JoinThrottle::Bus;
        let oldest = ages.filter(|_| follows).max();
        self.metrics.lag(oldest.unwrap_or_default());
    }

    /// Negotiates shares with the other processes while the settings require it, until `stop`.
    pub(crate) async fn reconcile(self: Arc<Self>, stop: CancellationToken) {
        if let Some(shared) = &self.shared {
            stop.run_until_cancelled(shared.reconcile(&self.live)).await;
        }
    }

    /// Random extra delay: callers rejected together must not retry together. Places become free over a whole window,
    /// so waiting up to half of one costs them nothing.
    fn spread(&self, window: Duration) -> Duration {
        let most = (window / 2).min(SPREAD_MAX);
        let mut jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner);
        jitter.random_range(Duration::ZERO..=most)
    }
}
