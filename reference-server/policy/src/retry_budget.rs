//! Decides whether a failed call may be tried again.
//!
//! Retries multiply the load exactly when a dependency is failing: with three attempts each, a dependency that answers
//! nothing gets three times its usual calls, and stays down because of them after the cause has gone. A budget ties
//! retries to the calls that are made anyway: each first try deposits a share of a token, each retry takes a whole one.
//! A few failures among many calls are all retried; when everything fails, the load grows by the share at most.
//!
//! Guarantee, for any stretch of the calls and not only from the beginning: at most `burst + share × first tries`
//! retries. Exact but for the share, which is rounded to parts of 2⁻²⁰: tokens are whole parts, so no error adds up.
//!
//! Rejected: a limit per call alone (it bounds nothing when all calls fail), a limit on retries per second (right for
//! one rate of calls only), a share of the calls of a time window (at the beginning of an outage the window is full of
//! calls that succeeded, and all of them entitle to retries).
//!
//! - **Cold:** `burst` retries are allowed before the first call, so that a quiet caller may retry at all.
//! - **Boundary:** a retry takes place when there is exactly one token.
//! - **Bound:** sixteen bytes; the tokens never exceed `burst`, so a long quiet time entitles to no more than that.
//! - **Clock:** none. A budget is a matter of numbers, not of time.

/// A whole token, in the unit in which they are counted.
const WHOLE: u64 = 1 << 20;

/// Largest burst.
const BURST_MAX: u32 = 1_000_000;

/// Why a budget cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidBudget {
    /// Not between 0 and 1.
    #[error("a share of {0} is out of range, expected 0 to 1")]
    Share(f64),
    /// None, or so many that they bound nothing.
    #[error("a burst of {0} is out of range, expected 1 to {BURST_MAX}")]
    Burst(u32),
}

/// How many calls may be tried again.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    tokens: u64,
    deposit: u64,
    full: u64,
}

impl RetryBudget {
    /// `share`: retries for each first try in the long run; `burst`: retries that may come at once.
    ///
    /// # Errors
    /// [`InvalidBudget`] names what is out of range.
    pub fn try_new(share: f64, burst: u32) -> Result<Self, InvalidBudget> {
        if !(0.0..=1.0).contains(&share) {
            return Err(InvalidBudget::Share(share));
        }
        if !(1..=BURST_MAX).contains(&burst) {
            return Err(InvalidBudget::Burst(burst));
        }
        let full = u64::from(burst) * WHOLE;
        Ok(Self {
            tokens: full,
            // Rounded to the nearest part: ten tenths are a whole token to within ten millionths of one.
            deposit: (share * WHOLE as f64).round() as u64,
            full,
        })
    }

    /// A call is made for the first time.
    pub fn first_try(&mut self) {
        self.tokens = (self.tokens + self.deposit).min(self.full);
    }

    /// Whether a call may be tried again; if so, the retry is paid for.
    pub fn retry(&mut self) -> bool {
        let paid = self.tokens >= WHOLE;
        if paid {
            self.tokens -= WHOLE;
        }
        paid
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(share: f64, burst: u32) -> RetryBudget {
        RetryBudget::try_new(share, burst).unwrap()
    }

    /// How many of `calls` that all fail are retried, with up to `each` retries for one.
    fn retried(budget: &mut RetryBudget, calls: u32, each: u32) -> u32 {
        let mut retries = 0;
        for _ in 0..calls {
            budget.first_try();
            retries += (0..each).filter(|_| budget.retry()).count() as u32;
        }
        retries
    }

    #[test]
    fn when_everything_fails_the_load_grows_by_the_share() {
        // The burst first, then one in eight: eighths are exact in parts of 2⁻²⁰.
        assert_eq!(retried(&mut budget(0.125, 10), 8000, 2), 10 + 1000 - 1);
        assert_eq!(retried(&mut budget(0.125, 1), 8000, 2), 1000);
        assert_eq!(retried(&mut budget(0.0, 10), 8000, 2), 10);
    }

    #[test]
    fn when_few_fail_all_of_them_are_retried() {
        let mut budget = budget(0.125, 10);
        for call in 0..8000 {
            budget.first_try();
            assert!(call % 20 != 0 || budget.retry(), "call {call}");
        }
    }

    #[test]
    fn a_quiet_time_saves_no_more_than_the_burst() {
        let mut budget = budget(1.0, 3);
        (0..1_000_000).for_each(|_| budget.first_try());
        assert_eq!((0..10).filter(|_| budget.retry()).count(), 3);
    }

    #[test]
    fn invalid_budgets_are_rejected() {
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert!(
                matches!(RetryBudget::try_new(wrong, 1), Err(InvalidBudget::Share(_))),
                "{wrong}"
            );
        }
        for wrong in [0, BURST_MAX + 1] {
            assert_eq!(
                RetryBudget::try_new(0.1, wrong).err(),
                Some(InvalidBudget::Burst(wrong))
            );
        }
    }

    proptest! {
        /// Over any stretch of any history, wherever it begins.
        #[test]
        fn no_stretch_has_more_retries_than_burst_and_share_allow(
            share in 0.0..=1.0_f64,
            burst in 1..50_u32,
            history in prop::collection::vec(any::<bool>(), 1..400),
            from in 0..400_usize,
        ) {
            let mut budget = budget(share, burst);
            let (mut firsts, mut retries) = (0.0, 0.0);
            for (at, is_first) in history.into_iter().enumerate() {
                let retried = if is_first {
                    budget.first_try();
                    false
                } else {
                    budget.retry()
                };
                if at >= from {
                    firsts += f64::from(u8::from(is_first));
                    retries += f64::from(u8::from(retried));
                }
            }
            let allowed = f64::from(burst) + share * firsts;
            prop_assert!(retries <= allowed + 1e-3, "{retries} retries, {allowed} allowed");
        }

        /// A retry is refused only where the guarantee would otherwise be at stake: nothing is withheld.
        #[test]
        fn a_retry_is_refused_only_without_a_token(share in 0.0..=1.0_f64, burst in 2..20_u32, calls in 1..500_u32) {
            let mut budget = budget(share, burst);
            let retries = f64::from(retried(&mut budget, calls, 1000));
            let most = f64::from(burst) + share * f64::from(calls);
            // What the first deposit finds no room for is lost, and less than a token is left.
            prop_assert!(retries > most - share - 1.0 - 1e-3, "{retries} of {most}");
        }
    }
}
