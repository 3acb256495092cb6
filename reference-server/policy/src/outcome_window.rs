//! Counts how many calls of the last `window` failed or were slow.
//!
//! A ring of sub-windows and their sum. The ring holds one sub-window more than the window, so all of `[now − window,
//! now]` is counted and nothing older than a further sub-window.
//!
//! - **Cold:** all counts are 0; the same after a pause of more than the window.
//! - **Boundary:** a call exactly `window` old still counts.

use std::time::Duration;

use crate::nanos::nanos;

/// Sub-windows per window.
const SUB_WINDOWS: u64 = 10;
const SLOTS: usize = SUB_WINDOWS as usize + 1;

/// Calls, and how many of them failed or were slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u32,
    pub(crate) failed: u32,
    pub(crate) slow: u32,
}

#[derive(Debug)]
pub(crate) struct OutcomeWindow {
    sub_window_ns: u64,
    newest: u64,
    ring: [Counts; SLOTS],
    sum: Counts,
}

impl OutcomeWindow {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            sub_window_ns: nanos(window).div_ceil(SUB_WINDOWS).max(1),
            newest: 0,
            ring: [Counts::default(); SLOTS],
            sum: Counts::default(),
        }
    }

    /// Forgets what has left the window by `now`.
    pub(crate) fn advance(&mut self, now: Duration) {
        let newest = nanos(now) / self.sub_window_ns;
        // Entering a sub-window overwrites the oldest; after a long pause all are old.
        for entered in (self.newest + 1..=newest).take(SLOTS) {
            let old = std::mem::take(&mut self.ring[slot(entered)]);
            self.sum.calls -= old.calls;
            self.sum.failed -= old.failed;
            self.sum.slow -= old.slow;
        }
        self.newest = self.newest.max(newest);
    }

    /// Adds to the sub-window entered last.
    pub(crate) fn add(&mut self, counts: Counts) {
        for counted in [&mut self.ring[slot(self.newest)], &mut self.sum] {
            counted.calls += counts.calls;
            counted.failed += counts.failed;
            counted.slow += counts.slow;
        }
    }

    pub(crate) fn sum(&self) -> Counts {
        self.sum
    }

    pub(crate) fn clear(&mut self) {
        self.ring = [Counts::default(); SLOTS];
        self.sum = Counts::default();
    }
}

fn slot(sub_window: u64) -> usize {
    (sub_window % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Counts = Counts {
        calls: 1,
        failed: 1,
        slow: 0,
    };

    #[test]
    fn a_call_counts_for_the_window_and_at_most_a_sub_window_more() {
        let ms = Duration::from_millis;
        for at in [0, 1, 99, 100, 12_345] {
            let mut window = OutcomeWindow::new(ms(1000));
            window.advance(ms(at));
            window.add(ONE);
            window.advance(ms(at + 1000));
            assert_eq!(window.sum(), ONE, "counted at {at} ms: exactly one window old");
            window.advance(ms(at + 1100));
            assert_eq!(
                window.sum(),
                Counts::default(),
                "counted at {at} ms: a sub-window later"
            );
        }
    }

    #[test]
    fn a_long_pause_empties_the_window() {
        let mut window = OutcomeWindow::new(Duration::from_secs(1));
        window.add(ONE);
        window.advance(Duration::from_secs(86_400 * 365));
        assert_eq!(
            (window.sum(), window.ring),
            (Counts::default(), [Counts::default(); SLOTS])
        );
    }
}
