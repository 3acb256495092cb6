//! The throttle that decides locally and agrees with other processes in the background: no join waits for Redis.
//!
//! **Bound.** With at most `processes` processes, the joins to a chat admitted by all of them in any window are at most
//! `joins`, whatever is delayed or lost between them and Redis, and also when Redis restarts or loses its memory, as
//! long as it evicts no keys ([`hotchat_policy::LeasedShares`] has the argument). Each process measures the window by
//! its own clock, and Redis counts the leases by its clock, so clock rates that differ by a fraction ε shift the bound
//! by ε of window and lease. More than `processes` processes exceed it by one reserve each. A restarted process has
//! forgotten what it admitted, so for a window it counts as an additional process: a rolling restart may exceed the
//! limit by a reserve for each process restarted within it (`joins / processes` where Redis is away and `open` is set).
//! What was leased to it before the restart is still counted.
//!
//! **Redis away.** Leases expire within `5 × reconcile`. Then:
//! - `closed`: each process has its reserve: together at most `reserve × joins`, or `processes` if that is more, since
//!   a reserve is at least 1. The limit still holds.
//! - `open`: each process has `joins / processes` once it has noticed. When all have, the limit holds; in a window
//!   around the moment when Redis goes or comes back one process may still have used a lease of the whole pool: at most
//!   `joins × (1 + (1 − reserve) × (processes − 1) / processes)`, less than twice the limit.
//!
//! While a change of settings spreads, processes divide by different terms: the bound holds again one window and one
//! lease after the last process has the new terms.
//!
//! Busy chats are those that have used half of their reserve. Their shares are requested every `reconcile`; a newly
//! busy chat's sooner, at once or `reconcile / 5` after the last request, whichever is later.

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

/// Maximum number of busy chats per process: enough for every chat worth a lease, few enough for one short script.
const BUSY_MAX: usize = 256;
/// A lease lasts this many request intervals: two requests may be lost, and a busy machine may be late.
const LEASE: u32 = 5;
/// Without a busy chat Redis is queried this often, so that a loss of its memory is noticed before leases are needed.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct LocalShared {
    redis: Arc<Redis>,
    clock: Clock,
    metrics: JoinMetrics,
    /// Identifies this process to the others.
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

    /// Runs forever.
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
            // Chats that become busy together are requested together.
            tokio::time::sleep(reconcile / 5).await;
            let _woken_or_time =
                tokio::time::timeout(pause.saturating_sub(reconcile / 5), self.newly_busy.notified()).await;
        }
    }

    /// Requests shares for all busy chats; returns whether there are any.
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
