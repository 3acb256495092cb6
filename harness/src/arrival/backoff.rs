//! When a rejected client retries.
//!
//! Exponential backoff, capped, as the clients of most services have it; where the answer says how long to wait, that
//! replaces the exponential part. Jitter is laid on top of either, upward only and after the cap: nobody comes back
//! earlier than asked, and callers who have all reached the longest pause still do not come back together.
//! *Full jitter* (anything from nothing to the pause) was rejected because it comes back too early, *decorrelated
//! jitter* because it needs the last pause, and with it state.
//!
//! The random part is a function of the seed, the caller and the attempt, so a run has the same pauses again.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

use super::Arrival;
use super::schedule::mixed;

/// Keeps the pauses apart from everything else that is drawn from the same seed.
const PURPOSE: u64 = 0x7265_7472_7900;

/// How a caller paces its attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Most attempts, the first included.
    pub attempts: u16,
    /// Pause after the first attempt, where the answer asks for none.
    pub initial: Duration,
    /// What the pause is multiplied by from attempt to attempt.
    pub multiplier: f64,
    /// Longest pause before jitter, whatever is asked.
    pub max: Duration,
    /// Most of a pause that is added to it, 0 to 1.
    pub jitter: f64,
}

impl Backoff {
    /// The pause after attempt number `attempt` (from 1) came to nothing; `None` when it was the last one. `asked` is
    /// what the answer said to wait, no time at all counting as nothing said; `chance` is from 0 to 1.
    #[must_use]
    pub fn pause(&self, attempt: u16, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let max_s = self.max.as_secs_f64();
        let own_s = || self.initial.as_secs_f64() * self.multiplier.powi(i32::from(attempt) - 1);
        let asked_s = asked.filter(|asked| !asked.is_zero()).map(|asked| asked.as_secs_f64());
        // Not `clamp`: what grew beyond all numbers is the longest pause too.
        let pause_s = asked_s.unwrap_or_else(own_s).min(max_s);
        Some(Duration::from_secs_f64(pause_s * (1.0 + self.jitter * chance)))
    }

    /// The chance that the pause after an attempt of this caller is drawn by.
    #[must_use]
    pub fn chance(seed: u64, arrival: &Arrival, attempt: u16) -> f64 {
        let caller = mixed(mixed(seed ^ PURPOSE, arrival.flow as u64 + 1), arrival.ordinal + 1);
        SplitMix64::seed_from_u64(mixed(caller, u64::from(attempt))).random()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn backoff(attempts: u16, jitter: f64) -> Backoff {
        Backoff {
            attempts,
            initial: 500 * MS,
            multiplier: 2.0,
            max: 3_000 * MS,
            jitter,
        }
    }

    fn arrival(flow: usize, ordinal: u64) -> Arrival {
        Arrival {
            intended_ns: 0,
            flow,
            ordinal,
            item: 0,
            host: 0,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_attempts() {
        let pauses: Vec<_> = (1..=5)
            .map(|attempt| backoff(5, 0.0).pause(attempt, None, 0.9))
            .collect();
        assert_eq!(
            pauses,
            [
                Some(500 * MS),
                Some(1_000 * MS),
                Some(2_000 * MS),
                Some(3_000 * MS),
                None
            ]
        );
    }

    #[test]
    fn what_the_answer_asks_replaces_the_own_pause_and_nothing_asked_does_not() {
        let pause = |asked: u32| backoff(9, 0.0).pause(3, Some(asked * MS), 0.0);
        assert_eq!(pause(40), Some(40 * MS));
        assert_eq!(pause(0), Some(2_000 * MS));
        assert_eq!(pause(60_000), Some(3_000 * MS), "an app does not wait for a minute");
    }

    #[test]
    fn callers_draw_apart_and_evenly() {
        let chances: Vec<f64> = (0..10_000)
            .map(|ordinal| Backoff::chance(7, &arrival(0, ordinal), 1))
            .collect();
        let mean = chances.iter().sum::<f64>() / 10_000.0;
        // The standard error of the mean of 10,000 even draws is 0.3 %.
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let in_first_tenth = chances.iter().filter(|chance| **chance < 0.1).count();
        assert!((900..1_100).contains(&in_first_tenth), "{in_first_tenth}");
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_asked_nor_longer_than_allowed(
            attempts in 1u16..20,
            initial_ms in 1u64..5_000,
            multiplier in 1.0..10.0f64,
            max_ms in 1u64..60_000,
            jitter in 0.0..1.0f64,
            asked_ms in prop::option::of(0u64..120_000),
            seed: u64,
            ordinal in 0u64..1_000_000,
        ) {
            let max = Duration::from_millis(max_ms);
            let backoff = Backoff { attempts, initial: Duration::from_millis(initial_ms), multiplier, max, jitter };
            let asked = asked_ms.map(Duration::from_millis);
            let mut made = 1;
            loop {
                let chance = Backoff::chance(seed, &arrival(1, ordinal), made);
                prop_assert_eq!(chance, Backoff::chance(seed, &arrival(1, ordinal), made), "the same seed draws the same");
                let Some(pause) = backoff.pause(made, asked, chance) else { break };
                let nanosecond = Duration::from_nanos(1);
                prop_assert!(pause + nanosecond >= asked.unwrap_or_default().min(max), "{pause:?} for {asked:?}");
                prop_assert!(pause <= max.mul_f64(1.0 + jitter) + nanosecond, "{pause:?} over {max:?}");
                made += 1;
            }
            prop_assert_eq!(made, attempts, "every attempt that is allowed is made, and no more");
        }
    }
}
