//! The time of a run, and the request to end it, shared by everything that runs while a cell does.
//!
//! A leaf: imports no other module of bmt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A request to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Requests the stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
