//! How long an answer takes. Pure: chance comes in, as a number uniform in [0, 1).
//!
//! Drawn by inversion: `t(u)` is the time that a share `u` of the answers does not exceed.

use std::time::Duration;

use super::settings::{Exponential, HeavyTailed, ServiceTime};

/// No answer takes longer: an exponential has no end, and a test has.
const LONGEST: f64 = 600.0;

impl ServiceTime {
    /// The time of one answer.
    pub(super) fn drawn(self, chance: f64) -> Duration {
        let above = 1.0 - chance; // in (0, 1]: never the logarithm of 0
        let seconds = match self {
            Self::Fixed(time) => return time.get(),
            Self::Exponential(Exponential { mean }) => -mean.get().as_secs_f64() * above.ln(),
            Self::HeavyTailed(HeavyTailed { min, shape, cap }) => {
                (min.get().as_secs_f64() * above.powf(-1.0 / shape.get())).min(cap.get().as_secs_f64())
            }
        };
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn made(json: serde_json::Value) -> ServiceTime {
        serde_json::from_value(json).unwrap()
    }

    /// The mean by the midpoint rule.
    fn mean(time: ServiceTime) -> f64 {
        const DRAWS: u32 = 1_000_000;
        let sum: f64 = (0..DRAWS)
            .map(|at| time.drawn((f64::from(at) + 0.5) / f64::from(DRAWS)).as_secs_f64())
            .sum();
        sum / f64::from(DRAWS)
    }

    #[test]
    fn the_distributions_have_their_known_figures() {
        let exponential = made(json!({ "exponential": { "mean": "10ms" } }));
        assert!((mean(exponential) - 0.010).abs() < 1e-5, "{}", mean(exponential));
        let median = exponential.drawn(0.5).as_secs_f64();
        assert!((median - 0.010 * 2_f64.ln()).abs() < 1e-9, "{median}");
        // min × shape / (shape − 1), nearly uncapped.
        let pareto = made(json!({ "heavy_tailed": { "min": "2ms", "shape": 3, "cap": "10m" } }));
        assert!((mean(pareto) - 0.003).abs() < 1e-5, "{}", mean(pareto));
        assert_eq!(pareto.drawn(0.0), Duration::from_millis(2));
        // Of those above 4 ms, an eighth are above 8 ms: shape 3.
        assert!((pareto.drawn(1.0 - 1.0 / 8.0).as_secs_f64() - 0.004).abs() < 1e-9);
        assert!((pareto.drawn(1.0 - 1.0 / 64.0).as_secs_f64() - 0.008).abs() < 1e-9);
        let capped = made(json!({ "heavy_tailed": { "min": "2ms", "shape": 0.5, "cap": "1s" } }));
        assert_eq!(capped.drawn(0.999_999), Duration::from_secs(1));
        assert_eq!(made(json!({ "fixed": "7ms" })).drawn(0.9), Duration::from_millis(7));
    }

    proptest! {
        #[test]
        fn times_grow_with_chance_and_stay_in_their_range(
            low in 0.0..1.0_f64, high in 0.0..1.0_f64, shape in 0.1..10.0_f64, min in 0..100_u32,
        ) {
            let (low, high) = if low < high { (low, high) } else { (high, low) };
            let pareto = made(json!({ "heavy_tailed": { "min": format!("{min}ms"), "shape": shape, "cap": "2s" } }));
            let exponential = made(json!({ "exponential": { "mean": format!("{min}ms") } }));
            for time in [pareto, exponential] {
                prop_assert!(time.drawn(low) <= time.drawn(high));
            }
            prop_assert!(pareto.drawn(low) >= Duration::from_millis(u64::from(min)));
            prop_assert!(pareto.drawn(high) <= Duration::from_secs(2));
        }
    }
}
