//! May somebody join this chat right now? Asked before the store is.
//!
//! All ways keep the same limit, so many joins of a chat in any window, and differ in who counts, and so in what a decision costs and how much it
//! knows. What is counted are admissions, except by `bus`, which counts completed joins. A join that was admitted and then failed (409, a shard
//! that is away) has used its place: giving it back would let callers who only ever fail through without bound.
//!
//! ```text
//! bus.rs           the publish role counts completed joins: as late as the chat's partition
//! in_redis.rs      Redis counts, asked for every join                 count.lua   how
//! (here)           local: this process counts, in its memory
//! local_shared.rs  this process counts against its share of the limit
//!   ledger.rs      who has which share, kept in Redis                  grant.lua   how
//!   tests/         the ledger in Rust, as a model; the limit over several processes
//! ```
//!
//! Settings are read for each join, so a change applies to the next. `local` and `local_shared` count in the same place: a change between the two
//! forgets nothing. The other ways start counting when they are chosen.

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

/// Advice to those refused because nobody could tell.
const AWAY_RETRY: Duration = Duration::from_secs(1);
/// Those refused come back over at most this much more time than they have to wait.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// Too many join this chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) retry_after: Duration,
}

/// What one of the ways says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Admitted,
    Refused(TooMany),
    /// Nobody can tell.
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
    /// Joins that this process has admitted by itself.
    admitted: SlidingLimit,
    completed: Completed,
    /// `None` without a Redis: then no setting can ask for it.
    in_redis: Option<InRedis>,
    shared: Option<LocalShared>,
    jitter: Mutex<Xoshiro256PlusPlus>,
}

impl JoinThrottle {
    /// `seed` decides which chats collide, and spreads those who are refused.
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

    /// Counts a join of the chat, or says when to try again.
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

    /// A completed join has come by the bus.
    pub(crate) fn completed(&self, chat_id: u64, settings: &Settings) {
        if settings.join_throttle == config::JoinThrottle::Bus {
            self.completed
                .count(chat_id, settings.join_limit.into(), self.clock.now());
        }
    }

    /// Whether completed joins are being consumed.
    pub(crate) fn consumed(&self, consumed: bool) {
        self.completed.consumed(consumed);
    }

    /// Shows how late the throttle is, of the ages of what is not consumed yet.
    pub(crate) fn show_lag(&self, ages: impl Iterator<Item = Duration>) {
        let follows = self.live.current().join_throttle == config::JoinThrottle::Bus;
        let oldest = ages.filter(|_| follows).max();
        self.metrics.lag(oldest.unwrap_or_default());
    }

    /// Agrees on shares with the other processes, while the settings ask for it, until `stop`.
    pub(crate) async fn reconcile(self: Arc<Self>, stop: CancellationToken) {
        if let Some(shared) = &self.shared {
            stop.run_until_cancelled(shared.reconcile(&self.live)).await;
        }
    }

    /// Later for some than for others: those refused together must not come back together. Places come free over a window, so half of one is no
    /// loss to them.
    fn spread(&self, window: Duration) -> Duration {
        let most = (window / 2).min(SPREAD_MAX);
        let mut jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner);
        jitter.random_range(Duration::ZERO..=most)
    }
}
