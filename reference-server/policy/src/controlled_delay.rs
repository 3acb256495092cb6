//! Decides how long a request may wait for its turn, and whether the oldest or the newest of those that wait goes next.
//!
//! A queue is useful while it absorbs a burst and harmful once it stands: then it serves nobody more, only everybody
//! later, and first come, first served spends the server's time on requests whose callers have stopped waiting. The
//! sign of a standing queue is not its length but that it is never empty. So:
//!
//! ```text
//! overloaded  =  now − (the last moment at which a slot was free)  >  interval        e.g. 100 ms
//! wait        ≤  target if overloaded, else interval                                  e.g. 5 ms
//! order       =  newest first if overloaded, else oldest first
//! ```
//!
//! Sources: Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10 (5), 2012: judge a queue by its minimum delay
//! over an interval, not by its length. Maurer, "Fail at Scale", ACM Queue 13 (8), 2015: for requests rather than
//! packets it suffices to bound each wait at arrival, and while a queue stands the newest request is the one whose
//! caller is most likely to be there still (adaptive LIFO).
//!
//! The queue counts as empty only when a slot is free. One whose last request has run out of patience while every
//! slot is taken is not a server that has caught up, and would otherwise get the long wait back at the height of an
//! overload.
//!
//! Guarantees, each tested: no request is told to wait longer than `interval`, nor than `target` if it arrives under
//! overload; one free slot ends the overload.
//!
//! Rejected: dropping at shrinking distances, interval / √n, as `CoDel` does for packets (it slows down senders that
//! adapt to losses; callers of a server do not), newest first at all times (unfair without need), a bound on the length
//! alone (how long a place in the queue lasts depends on how fast the server is at the moment).
//!
//! - **Cold:** the server has just caught up.
//! - **Boundary:** exactly `interval` without a free slot is not yet overload.
//! - **Clock:** a `now` earlier than the last free slot counts as that moment.

use std::time::Duration;

/// The two waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelayRules {
    /// The longest wait under overload; at most `interval`.
    pub target: Duration,
    /// The longest wait otherwise, and how long no slot must have been free for an overload.
    pub interval: Duration,
}

/// Why these rules cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDelay {
    /// Nothing would ever wait, or a burst would count as an overload for a day.
    #[error("an interval of {0:?} is out of range, expected 1 µs to 1 day")]
    Interval(Duration),
    /// An overload would make the waits longer.
    #[error("a target of {target:?} is out of range, expected at most the interval of {interval:?}")]
    Target {
        /// The rejected value.
        target: Duration,
        /// Its upper bound.
        interval: Duration,
    },
}

/// Controlled delay with adaptive LIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlledDelay {
    rules: DelayRules,
    caught_up: Duration,
}

impl ControlledDelay {
    /// Begins at `now`.
    ///
    /// # Errors
    /// [`InvalidDelay`] names the rule that is out of range.
    pub fn try_new(rules: DelayRules, now: Duration) -> Result<Self, InvalidDelay> {
        let DelayRules { target, interval } = rules;
        if !(Duration::from_micros(1)..=Duration::from_secs(86_400)).contains(&interval) {
            return Err(InvalidDelay::Interval(interval));
        }
        if target > interval {
            return Err(InvalidDelay::Target { target, interval });
        }
        Ok(Self { rules, caught_up: now })
    }

    /// A slot is free, and so nobody waits.
    pub fn caught_up(&mut self, now: Duration) {
        self.caught_up = self.caught_up.max(now);
    }

    /// Whether the queue stands.
    #[must_use]
    pub fn is_overloaded(&self, now: Duration) -> bool {
        now.saturating_sub(self.caught_up) > self.rules.interval
    }

    /// The longest wait of a request that arrives now.
    #[must_use]
    pub fn wait_max(&self, now: Duration) -> Duration {
        if self.is_overloaded(now) {
            self.rules.target
        } else {
            self.rules.interval
        }
    }

    /// Whether the next free slot goes to the request that has waited least.
    #[must_use]
    pub fn newest_first(&self, now: Duration) -> bool {
        self.is_overloaded(now)
    }
}
