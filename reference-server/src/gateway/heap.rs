//! Memory held by connections, against its budget. Pure: `now` comes in.
//!
//! A process whose live memory comes near its heap spends its time collecting garbage: the more is live, the less is
//! left between two collections, and the more of them there are. Here the cost begins at the budget and grows in
//! proportion to the *excess* `held / budget − 1`: at twice the budget every request costs one `cpu` and one `time`
//! more, at three times the budget two. The excess ends at 100, so that every request ends.
//!
//! The feedback is what makes it a model of the collapse: slower answers mean more requests at a time, which to a
//! client without a bound mean more connections, which mean a larger excess.
//!
//! Rejected: a cost that grows without bound just below a limit, as a real heap's does. It is truer and cannot be
//! measured: a little more than the limit is a stand-still, a little less is nothing.

use std::time::Duration;

/// The largest excess.
const EXCESS_MAX: f64 = 100.0;

/// How much may be held, and what holding more costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) bytes: u64,
    pub(super) cpu: Duration,
    pub(super) time: Duration,
}

/// What a request costs on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) cpu: Duration,
    pub(super) time: Duration,
}

/// Memory held by connections.
#[derive(Debug, Default)]
pub(super) struct Heap {
    held: u64,
    budget: Option<Budget>,
    /// Since when it has been over its budget.
    over_since: Option<Duration>,
    /// Time over the budget before that.
    over_before: Duration,
}

impl Heap {
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn hold(&mut self, bytes: u64, now: Duration) {
        self.held += bytes;
        self.look(now);
    }

    pub(super) fn release(&mut self, bytes: u64, now: Duration) {
        self.held -= bytes;
        self.look(now);
    }

    pub(super) fn set_budget(&mut self, budget: Option<Budget>, now: Duration) {
        self.budget = budget;
        self.look(now);
    }

    /// What a request costs now.
    pub(super) fn cost(&self) -> Cost {
        let Some(budget) = self.budget else {
            return Cost::default();
        };
        let excess = (self.held as f64 / budget.bytes as f64 - 1.0).clamp(0.0, EXCESS_MAX);
        Cost {
            cpu: budget.cpu.mul_f64(excess),
            time: budget.time.mul_f64(excess),
        }
    }

    /// How long it has been over its budget, in all.
    pub(super) fn over(&self, now: Duration) -> Duration {
        let since = self
            .over_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.over_before + since
    }

    fn look(&mut self, now: Duration) {
        let is_over = self.budget.is_some_and(|budget| self.held > budget.bytes);
        match (self.over_since, is_over) {
            (None, true) => self.over_since = Some(now),
            (Some(_), false) => {
                self.over_before = self.over(now);
                self.over_since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const BUDGET: Budget = Budget {
        bytes: 1000,
        cpu: Duration::from_micros(100),
        time: Duration::from_millis(10),
    };

    #[test]
    fn the_cost_grows_with_the_excess_and_ends() {
        let mut heap = Heap::default();
        heap.hold(5000, ms(0));
        assert_eq!(heap.cost(), Cost::default(), "without a budget");
        heap.set_budget(Some(BUDGET), ms(0));
        heap.release(5000, ms(0));
        for (held, times) in [
            (0, 0),
            (999, 0),
            (1000, 0),
            (2000, 1),
            (3000, 2),
            (101_000, 100),
            (900_000, 100),
        ] {
            heap.hold(held, ms(1));
            let expected = Cost {
                cpu: BUDGET.cpu * times,
                time: BUDGET.time * times,
            };
            assert_eq!(heap.cost(), expected, "{held}");
            heap.release(held, ms(1));
        }
    }

    #[test]
    fn time_over_the_budget_is_counted_while_it_lasts() {
        let mut heap = Heap::default();
        heap.set_budget(Some(BUDGET), ms(0));
        heap.hold(1000, ms(10));
        assert_eq!(heap.over(ms(20)), ms(0), "at the budget is not over it");
        heap.hold(1, ms(20));
        heap.hold(500, ms(30));
        assert_eq!(heap.over(ms(50)), ms(30));
        heap.release(501, ms(60));
        assert_eq!(heap.over(ms(90)), ms(40));
        heap.hold(600, ms(100));
        heap.set_budget(None, ms(105));
        assert_eq!(heap.over(ms(200)), ms(45), "a raised budget ends it too");
        assert_eq!(heap.held(), 1600);
    }
}
