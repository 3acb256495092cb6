//! One monotonic clock for a run: nanoseconds from its start.

use std::time::{Duration, Instant};

/// Counts nanoseconds from the start of the schedule. Copies agree.
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
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
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
