//! The throttle that decides by itself and agrees with the others in the background: no join waits for Redis.
//!
//! **Bound.** With at most `processes` processes, the joins that all together admit to a chat in any window are at most `joins`, whatever
//! is delayed or lost between them and Redis, and also when Redis restarts or loses its memory, as long as it evicts no keys
//! ([`hotchat_policy::LeasedShares`] says why). The window is
//! that of each process's own clock and the leases are counted by the clock of Redis, so clocks that run at rates that differ by a part ε
//! shift it by ε of window and lease. More than `processes` processes exceed it by a reserve each. A process that is restarted has forgotten what it
//! admitted, so for a window it counts as one more: a rolling restart may exceed the limit by a reserve for each process restarted within it (`joins / processes`
//! where Redis is away and `open` is set). What was leased to it before is still counted.
//!
//! **Redis away.** Leases run out within `5 × reconcile`. Then:
//! - `closed`: each has its reserve: together at most `reserve × joins`, or `processes` where that is more, for a reserve is at least 1. The limit
//!   still holds.
//! - `open`: each has `joins / processes` as soon as it has noticed. Once all have, the limit holds; in a window around the moment when Redis goes or comes back one
//!   process may still have used a lease of the whole pool: at most `joins × (1 + (1 − reserve) × (processes − 1) / processes)`, less than twice the limit.
//!
//! While the settings change, processes divide by different terms: the bound holds again a window and a lease after the last has the new ones.
//!
//! Busy chats are those that have used half of their reserve. They are asked for each `reconcile`; a newly busy one sooner, at once or `reconcile / 5`
//! after the last question, whichever is later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotchat_policy::{LeasedShares, SlidingLimit, Want, WindowLimit};
use tokio::sync::Notify;

use super::Answer;
use super::ledger::{Terms, question};
use crate::clock::Clock;
use crate::config::{self, JoinLimit, JoinThrottle, Live, WhenAway};
use crate::metrics::JoinMetrics;
use crate::redis::Redis;

/// Busy chats of this process: enough for every chat that is worth a lease, few enough for one short script.
const BUSY_MAX: usize = 256;
/// A lease lasts so many times the time between two questions: two may be lost, and a busy machine may be late.
const LEASE: u32 = 5;
/// Without a busy chat Redis is asked this often, so that a loss of its memory is known before leases are needed.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct LocalShared {
    redis: Arc<Redis>,
    clock: Clock,
    metrics: JoinMetrics,
    /// This process, to the others.
    process: u64,
    shares: Mutex<LeasedShares>,
    newly_busy: Notify,
}

impl LocalShared {
    pub(super) fn new(redis: Arc<Redis>, clock: Clock, metrics: JoinMetrics, process: u64) -> Self {
        Self {
            redis,
            clock,
            metrics,
            process,
            shares: Mutex::new(LeasedShares::new(BUSY_MAX)),
            newly_busy: Notify::new(),
        }
    }

    pub(super) fn ask(
        &self,
        admitted: &SlidingLimit,
        chat_id: u64,
        (how, limit): (config::LocalShared, JoinLimit),
        now: Duration,
    ) -> Answer {
        let allotment = how.allotment(limit.joins.get());
        let share = self.shares().share(chat_id, now);
        let mut mine = allotment.reserve + share;
        if limit.when_away == WhenAway::Open && self.redis.is_away() {
            mine = mine.max(allotment.even);
        }
        let tried = admitted.admit(chat_id, WindowLimit::from(limit).with_count(mine), now);
        let busy = tried.map_or(true, |admitted| admitted.count > allotment.reserve / 2);
        if self.shares().tried(chat_id, busy, now) {
            self.newly_busy.notify_one();
        }
        tried.into()
    }

    /// Goes on for ever.
    pub(super) async fn reconcile(&self, live: &Live) {
        let mut changes = live.changes();
        loop {
            let settings = live.current();
            let JoinThrottle::LocalShared(how) = settings.join_throttle else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let reconcile = how.reconcile.get();
            let pause = if self.renew(how, settings.join_limit).await {
                reconcile
            } else {
                IDLE
            };
            // Many chats that become busy together are asked for together.
            tokio::time::sleep(reconcile / 5).await;
            let _woken_or_time =
                tokio::time::timeout(pause.saturating_sub(reconcile / 5), self.newly_busy.notified()).await;
        }
    }

    /// Asks for all busy chats; whether there are any.
    async fn renew(&self, how: config::LocalShared, limit: JoinLimit) -> bool {
        let (allotment, reconcile) = (how.allotment(limit.joins.get()), how.reconcile.get());
        let terms = Terms {
            pool: allotment.pool,
            processes: how.processes.get(),
            window: limit.window.get(),
            lease: reconcile * LEASE,
            reconcile,
        };
        let asked = self.clock.now();
        let wants = self.wants(allotment.reserve, terms.window, asked);
        if !self.redis.is_away() {
            self.metrics.asked_redis();
            if let Ok(granted) = self
                .redis
                .ask::<Vec<u32>>(&question(self.process, &wants, &terms))
                .await
            {
                let mut shares = self.shares();
                for (want, share) in wants.iter().zip(granted) {
                    shares.granted(want.chat_id, share, asked + terms.lease);
                }
            }
        }
        !wants.is_empty()
    }

    fn wants(&self, reserve: u32, window: Duration, now: Duration) -> Vec<Want> {
        let mut shares = self.shares();
        self.metrics.unleased(shares.take_unlisted());
        shares.wants(reserve, window, now)
    }

    fn shares(&self) -> MutexGuard<'_, LeasedShares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
