//! The time of a run, and the request to end it, shared by everything that runs while a cell does.
//!
//! A leaf: imports no other module of bmt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Whole nanoseconds; a duration beyond 584 years counts as 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A monotonic clock: nanoseconds from the start of the schedule. Copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock whose zero lies `lead` in the future, so that every worker is ready before the first arrival.
    #[must_use]
    pub fn starting_in(lead: Duration) -> Self {
        Self {
            zero: Instant::now() + lead,
        }
    }

    /// Nanoseconds since zero; 0 before.
    #[must_use]
    pub fn now_ns(self) -> u64 {
        nanos(self.elapsed())
    }

    /// Time since zero; none before.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Instant::now().saturating_duration_since(self.zero)
    }

    /// How long it is until `offset` after zero; none if that has passed.
    #[must_use]
    pub fn until(self, offset: Duration) -> Duration {
        (self.zero + offset).saturating_duration_since(Instant::now())
    }
}

/// Nothing new is to be begun.
const FINISH: u8 = 1;
/// What is under way is to be left.
const AT_ONCE: u8 = 2;

/// A request to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Requests the stop: what is under way is left.
    pub fn ask(&self) {
        self.0.fetch_max(AT_ONCE, Ordering::Relaxed);
    }

    /// Requests that nothing new is begun; what is under way may end.
    pub fn ask_to_finish(&self) {
        self.0.fetch_max(FINISH, Ordering::Relaxed);
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) == AT_ONCE
    }

    /// Whether nothing new is to be begun.
    #[must_use]
    pub fn is_asked_to_finish(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= FINISH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_finish_takes_none_to_stop_back() {
        let stop = Stop::default();
        assert!(!stop.is_asked_to_finish() && !stop.is_asked());
        stop.ask_to_finish();
        assert!(stop.is_asked_to_finish() && !stop.is_asked());
        stop.ask();
        stop.clone().ask_to_finish();
        assert!(stop.is_asked_to_finish() && stop.is_asked());
    }
}
