//! When members who fell behind are due for a trailing push.
//!
//! A seat has at most one entry in the wheel. A push in between settles the debt without searching for the entry, which
//! then finds nothing to do, or is put back for a later debt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::chat::Listener;
use super::member::Member;
use super::wheel::Wheel;

/// Share of the allowed time by which the last are sent; the rest is for writing them.
const LAST: f64 = 0.95;

/// Share of the allowed time over which the members of a chat are spread when all fall behind at once. Pushed to at the
/// same time, thousands would fetch at the same time, and everybody else would wait for them.
const CROWD: f64 = 0.25;

/// When the members who fell behind with one event get their trailing push. The longer they wait, the more events one
/// fetch returns; so they wait as long as allowed, and are spread only as far as their number requires. Members who
/// fall behind in smaller groups, because their turns or their last trailing pushes came at different times, need a
/// shorter stretch. The rate of trailing pushes stays the same: all members of the chat in a quarter of the allowed
/// time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    first: Duration,
    length: Duration,
}

impl Spread {
    /// For `behind` of a chat's `members`.
    pub(super) fn new(within: Duration, behind: usize, members: usize) -> Self {
        let crowd = behind as f64 / members.max(1) as f64;
        let length = within.mul_f64(CROWD * crowd.min(1.0));
        Self {
            first: within.mul_f64(LAST) - length,
            length,
        }
    }

    /// A random delay between the dropped push and one member's trailing push.
    pub(super) fn delay(self, rng: &mut impl Rng) -> Duration {
        self.first + self.length.mul_f64(rng.random())
    }
}

/// A seat of a member; does not keep the member alive.
pub(super) type Entry = (Weak<Member>, u32);

/// When to check which seats.
pub(super) struct Timetable {
    epoch: Instant,
    wheel: Mutex<Wheel<Entry>>,
    /// Something is due earlier than the task's timer.
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

    /// The time since the epoch, the time base of members and wheel.
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

    pub(super) async fn something_due(&self) {
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

    /// Takes some of what is due; `None` where nothing is.
    pub(super) fn take_due(&self, now: Duration) -> Option<Vec<Entry>> {
        self.wheel().take_due(now)
    }

    /// Puts an entry back for a later debt.
    pub(super) fn put_back(&self, due: Duration, entry: Entry) {
        self.wheel().insert(due, entry);
    }

    fn wheel(&self) -> MutexGuard<'_, Wheel<Entry>> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn many_members_are_spread_wide_and_a_few_wait_as_long_as_allowed() {
        let within = Duration::from_secs(2);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for (behind, from_ms, to_ms) in [(1000, 1400, 1900), (200, 1800, 1900), (0, 1900, 1900)] {
            let spread = Spread::new(within, behind, 1000);
            let delays: Vec<Duration> = (0..1000).map(|_| spread.delay(&mut rng)).collect();
            let (from, to) = (Duration::from_millis(from_ms), Duration::from_millis(to_ms));
            assert!(delays.iter().all(|delay| (from..=to).contains(delay)), "{behind}");
            let length = to - from;
            assert!(*delays.iter().min().unwrap() <= from + length.mul_f64(0.02), "{behind}");
            assert!(*delays.iter().max().unwrap() >= to - length.mul_f64(0.02), "{behind}");
        }
        assert!(
            Spread::new(within, 3, 0).delay(&mut rng) <= within,
            "no longer needed after this"
        );
    }
}
