//! Detects calls in progress that have lasted too long.
//!
//! Calls are counted by the sixteenth of the limit in which they began. All calls of one sixteenth become overdue
//! together, once its end is as long ago as the limit. There is no state per call and no timer.
//!
//! Rejected: a list of the calls in progress (memory grows with them), a timer per call (a wake-up per call for a
//! condition that is nearly always false).
//!
//! - **Cold:** nothing is in progress.
//! - **Boundary:** a call is never overdue before the limit, and at the latest a sixteenth of it later.

use std::time::Duration;

use crate::nanos::nanos;

const PARTS: u64 = 16;
/// Slots that may still hold calls that are not overdue: those of the limit itself, the current one, and one that is
/// partly past the limit.
const SLOTS: usize = PARTS as usize + 2;

#[derive(Debug)]
pub(crate) struct InFlight {
    limit_ns: u64,
    part_ns: u64,
    /// The first part whose calls are not yet overdue.
    first: u64,
    ring: [u32; SLOTS],
}

impl InFlight {
    pub(crate) fn new(limit: Duration) -> Self {
        let limit_ns = nanos(limit);
        Self {
            limit_ns,
            part_ns: limit_ns.div_ceil(PARTS).max(1),
            first: 0,
            ring: [0; SLOTS],
        }
    }

    /// Records the start of a call; `now` must not precede the latest time passed to [`Self::overdue`].
    pub(crate) fn began(&mut self, now: Duration) {
        self.ring[slot(nanos(now) / self.part_ns)] += 1;
    }

    /// How many calls have become overdue by `now`. Each call is reported once.
    pub(crate) fn overdue(&mut self, now: Duration) -> u32 {
        let first = nanos(now).saturating_sub(self.limit_ns) / self.part_ns;
        let parts = (self.first..first).take(SLOTS);
        let overdue = parts.map(|part| std::mem::take(&mut self.ring[slot(part)])).sum();
        self.first = self.first.max(first);
        overdue
    }

    /// Records the end of a call that began at `started`; `false` if it was already overdue.
    pub(crate) fn ended(&mut self, started: Duration) -> bool {
        let part = nanos(started) / self.part_ns;
        let known = part >= self.first;
        if known {
            self.ring[slot(part)] -= 1;
        }
        known
    }

    pub(crate) fn clear(&mut self) {
        self.ring = [0; SLOTS];
    }
}

fn slot(part: u64) -> usize {
    (part % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1600);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_call_is_overdue_after_the_limit_and_at_most_a_sixteenth_later() {
        for at in [0, 1, 99, 100, 12_345] {
            let mut calls = InFlight::new(LIMIT);
            assert_eq!(calls.overdue(ms(at)), 0);
            calls.began(ms(at));
            assert_eq!(calls.overdue(ms(at + 1599)), 0, "began at {at} ms");
            assert_eq!(calls.overdue(ms(at + 1700)), 1, "began at {at} ms");
            assert_eq!(calls.overdue(ms(at + 1700)), 0, "reported once");
            assert!(!calls.ended(ms(at)), "it was reported");
        }
    }

    #[test]
    fn ended_calls_are_not_overdue_and_a_long_pause_loses_no_call() {
        let mut calls = InFlight::new(LIMIT);
        for at in 0..1000 {
            calls.began(ms(at));
        }
        assert!((0..400).all(|at| calls.ended(ms(at))));
        assert_eq!(calls.overdue(Duration::from_secs(86_400)), 600);
        calls.began(Duration::from_secs(86_400));
        assert!(calls.ended(Duration::from_secs(86_400)));
        assert_eq!(calls.overdue(Duration::MAX), 0);
    }
}
