//! How long to wait before retrying a call that a deadlock rolled back.
//!
//! Exponential with full jitter: two calls that deadlocked must not retry in step. Short, because the caller is waiting
//! and the lock was held for milliseconds; capped, because the whole call has a time limit anyway.

use std::time::Duration;

const FIRST_MS: f64 = 2.0;
const CAP_MS: f64 = 100.0;

/// `attempt` counts from 0; `chance` is uniform in [0, 1).
pub(crate) fn pause(attempt: u32, chance: f64) -> Duration {
    let ceiling = (FIRST_MS * 2_f64.powi(attempt.min(30).cast_signed())).min(CAP_MS);
    Duration::from_secs_f64(ceiling * chance / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_with_full_jitter() {
        let ceilings: Vec<u128> = (0..8).map(|attempt| pause(attempt, 1.0).as_millis()).collect();
        assert_eq!(ceilings, [2, 4, 8, 16, 32, 64, 100, 100]);
        assert_eq!(pause(u32::MAX, 1.0).as_millis(), 100);
        assert_eq!(pause(3, 0.0), Duration::ZERO);
        assert_eq!(pause(3, 0.5).as_millis(), 8);
    }
}
