//! How often to look at what is dear to look at: once a second, and seldomer where looking takes more than a fiftieth
//! of the time.
//!
//! A leaf, and pure.

use std::time::Duration;

/// Samples come once a second, a little more or less.
const EVERY_S: f64 = 0.9;
/// What comes once in so many times its own length takes a fiftieth of the time.
const TIMES: f64 = 50.0;
/// However long it takes, it is done this often.
const EVERY_S_MAX: f64 = 30.0;

/// When to look again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next_s: f64,
}

impl Pace {
    pub(super) fn is_due(&self, at_s: f64) -> bool {
        at_s >= self.next_s
    }

    /// Looking at `at_s` took so long.
    pub(super) fn note(&mut self, at_s: f64, took: Duration) {
        self.next_s = at_s + (took.as_secs_f64() * TIMES).clamp(EVERY_S, EVERY_S_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_seldom() {
        let mut pace = Pace::default();
        assert!(pace.is_due(0.0));
        for (took_ms, next_s) in [(0, 10.9), (100, 15.0), (60_000, 40.0)] {
            pace.note(10.0, Duration::from_millis(took_ms));
            assert!(
                !pace.is_due(next_s - 0.001) && pace.is_due(next_s + 0.001),
                "{took_ms} ms"
            );
        }
    }
}
