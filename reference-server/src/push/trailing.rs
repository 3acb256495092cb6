//! Sends trailing pushes: a member to whom a push was dropped gets one for the newest revision a moment later, whether or
//! not anything else happens.
//!
//! One task and one timer for all members. A seat has at most one entry in the wheel; a push that comes in between does not
//! search for it but settles the debt, and the entry finds nothing to do, or is put back for a later debt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chat::Listener;
use super::hub::{Hub, TURN};
use super::member::Member;
use super::outbox::{Fired, Put};
use super::wheel::{Wheel, horizon};

/// Part of the time allowed after which the first are sent, and over which the others are spread: 5,000 members to whom one push
/// was dropped must not all be written to, and fetch, at the same time. Waiting longer saves more fetches, a narrower spread makes
/// everybody else wait for the crowd: with a tenth, 5,000 fetches together cost bystanders 300 ms. The last twentieth is for
/// the writing.
const FIRST: f64 = 0.6;
const SPREAD: f64 = 0.35;

/// How long after its dropped push a member is sent one, when `within` is allowed.
pub(super) fn delay(within: Duration, rng: &mut impl Rng) -> Duration {
    within.mul_f64(FIRST + SPREAD * rng.random::<f64>())
}

/// A seat of a member, who is not kept for its sake.
type Entry = (Weak<Member>, u32);

/// When to look at whose debts.
pub(super) struct Timetable {
    epoch: Instant,
    wheel: Mutex<Wheel<Entry>>,
    /// Something comes up earlier than what the task sleeps for.
    earlier: Notify,
}

impl Timetable {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            wheel: Mutex::new(Wheel::new()),
            earlier: Notify::new(),
        }
    }

    /// The time since the epoch, which is what members and wheel reckon in.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(super) fn schedule(&self, due: &[(Duration, &Listener)]) {
        if due.is_empty() {
            return;
        }
        let mut earlier = false;
        let mut wheel = self.wheel();
        for (due, listener) in due {
            earlier |= wheel.insert(*due, (Arc::downgrade(&listener.member), listener.seat));
        }
        drop(wheel);
        if earlier {
            self.earlier.notify_one();
        }
    }

    async fn something_due(&self) {
        loop {
            let first = self.wheel().first();
            let comes_up = async {
                match first {
                    Some(first) => tokio::time::sleep_until(self.epoch + first).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = comes_up => return,
                () = self.earlier.notified() => {}
            }
        }
    }

    fn wheel(&self) -> MutexGuard<'_, Wheel<Entry>> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Sends trailing pushes until `stop`.
    pub(crate) async fn send_trailing(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.timetable.something_due() => {}
            }
            let now = self.timetable.now();
            while let Some(due) = self.take_due(now) {
                for entries in due.chunks(TURN) {
                    self.fire(entries, horizon(now));
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn take_due(&self, now: Duration) -> Option<Vec<Entry>> {
        self.timetable.wheel().take_due(now)
    }

    fn fire(&self, entries: &[Entry], horizon: Duration) {
        let (mut written, mut all) = (0, 0);
        for (weak, seat) in entries {
            let Some(member) = weak.upgrade() else { continue };
            match member.fire(*seat, horizon) {
                Fired::Settled => {}
                Fired::Later(due) => {
                    self.timetable.wheel().insert(due, (Weak::clone(weak), *seat));
                }
                Fired::Put(put) => {
                    written += u64::from(put == Put::Sent);
                    all += u64::from(matches!(put, Put::Sent | Put::Waiting));
                }
            }
        }
        self.metrics.trailing(written, all);
    }
}
