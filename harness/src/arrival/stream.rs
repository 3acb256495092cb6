//! The arrivals of one traffic entry.
//!
//! A stream walks along *area*: the integral of its rate over time. Uniform arrivals stand one unit of area apart,
//! Poisson arrivals an exponential draw of mean one. Turning area back into time is then the same piecewise-linear
//! inversion for both, a change of rate in mid-gap needs no special case, and a Poisson stream is exact for a rate that
//! varies (time-rescaling theorem), not an approximation per phase.

use rand::distr::Distribution;
use rand::{RngExt, SeedableRng};
use rand_distr::Exp1;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Phase, Profile};

/// How arrivals are spread in time around the offered rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent callers: exponential gaps, so bursts and lulls as in real traffic.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// A stretch of constant rate.
#[derive(Debug, Clone)]
struct Segment {
    start_ns: f64,
    rate_per_ns: f64,
    area_start: f64,
    area_end: f64,
}

/// The arrivals of one traffic entry, in order, as nanoseconds from the start of the run.
#[derive(Debug, Clone)]
pub struct Stream {
    segments: Vec<Segment>,
    segment: usize,
    spread: Arrivals,
    rng: Xoshiro256PlusPlus,
    area: f64,
}

impl Stream {
    /// A stream with `rate(phase, offered)` arrivals per second wherever `profile` offers so much.
    #[must_use]
    pub fn new(profile: &Profile, rate: impl Fn(&Phase, f64) -> f64, spread: Arrivals, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut area_start = 0.0;
        let phases = profile.phases().iter();
        let segments = phases
            .flat_map(|phase| phase.pieces().map(move |piece| (phase, piece)))
            .map(|(phase, (start, end, offered))| {
                let rate = rate(phase, offered);
                let area_end = area_start + rate * (end - start).as_secs_f64();
                let segment = Segment {
                    start_ns: start.as_secs_f64() * 1e9,
                    rate_per_ns: rate / 1e9,
                    area_start,
                    area_end,
                };
                area_start = area_end;
                segment
            })
            .collect();
        // Uniform streams start somewhere in their first gap, so that several of one rate do not beat in step.
        let area = match spread {
            Arrivals::Uniform => rng.random::<f64>() - 1.0,
            Arrivals::Poisson => 0.0,
        };
        Self {
            segments,
            segment: 0,
            spread,
            rng,
            area,
        }
    }
}

impl Iterator for Stream {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.area += match self.spread {
            Arrivals::Uniform => 1.0,
            Arrivals::Poisson => Exp1.sample(&mut self.rng),
        };
        while self.segments.get(self.segment)?.area_end <= self.area {
            self.segment += 1;
        }
        let segment = &self.segments[self.segment];
        let into_ns = (self.area - segment.area_start) / segment.rate_per_ns;
        Some((segment.start_ns + into_ns) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::arrival::PhaseKind;

    fn profile(phases: &[(u64, f64)]) -> Profile {
        phases.iter().fold(Profile::default(), |profile, (ms, rate)| {
            profile.then("p", PhaseKind::Step, Duration::from_millis(*ms), *rate)
        })
    }

    #[test]
    fn uniform_arrivals_stand_equally_apart_across_a_change_of_rate() {
        let profile = profile(&[(1000, 100.0), (1000, 1000.0)]);
        let arrivals: Vec<u64> = Stream::new(&profile, |_, rate| rate, Arrivals::Uniform, 7).collect();
        assert_eq!(arrivals.len(), 1100);
        let gaps = |range: std::ops::Range<usize>| {
            arrivals[range]
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect::<Vec<_>>()
        };
        assert!(gaps(0..100).iter().all(|gap| gap.abs_diff(10_000_000) <= 1));
        assert!(gaps(101..1100).iter().all(|gap| gap.abs_diff(1_000_000) <= 1));
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_deviation_of_an_exponential() {
        let profile = profile(&[(100_000, 1000.0)]);
        let arrivals: Vec<u64> = Stream::new(&profile, |_, rate| rate, Arrivals::Poisson, 7).collect();
        let gaps: Vec<f64> = arrivals.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // 100,000 gaps: the standard error of the mean is 0.32 %, of the deviation 0.45 %.
        assert!((mean / 1e6 - 1.0).abs() < 0.015, "mean {mean}");
        assert!(
            (variance.sqrt() / 1e6 - 1.0).abs() < 0.02,
            "deviation {}",
            variance.sqrt()
        );
    }

    proptest! {
        #[test]
        fn arrivals_add_up_to_the_integral_of_a_recorded_rate(
            rates in prop::collection::vec(0.0..3000.0f64, 1..30),
            seed: u64,
            poisson: bool,
        ) {
            let profile = Profile::default()
                .then("warm-up", PhaseKind::WarmUp, Duration::from_millis(1_500), 100.0)
                .then_rates("peak", PhaseKind::Peak, rates.clone());
            let spread = if poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let mut counts = vec![0.0; rates.len()];
            for arrival in Stream::new(&profile, |_, rate| rate, spread, seed) {
                let second = arrival.checked_sub(1_500_000_000).map(|into_ns| (into_ns / 1_000_000_000) as usize);
                if let Some(count) = second.and_then(|second| counts.get_mut(second)) {
                    *count += 1.0;
                }
            }
            // In each second, and so in all: uniform to within one, Poisson to within six deviations.
            for (count, rate) in counts.iter().zip(&rates) {
                let most = if poisson { 6.0 * rate.sqrt() + 10.0 } else { 1.001 };
                prop_assert!((count - rate).abs() <= most, "{count} of {rate}");
            }
        }

        #[test]
        fn arrivals_never_go_back_and_never_leave_the_profile(
            phases in prop::collection::vec((1u64..2000, 0.0..5000.0f64), 1..6),
            seed: u64,
            poisson: bool,
        ) {
            let profile = profile(&phases);
            let spread = if poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let arrivals: Vec<u64> = Stream::new(&profile, |_, rate| rate, spread, seed).collect();
            prop_assert!(arrivals.is_sorted());
            prop_assert!(arrivals.last().is_none_or(|last| u128::from(*last) <= profile.end().as_nanos()));
            let again: Vec<u64> = Stream::new(&profile, |_, rate| rate, spread, seed).collect();
            prop_assert_eq!(&arrivals, &again, "the same seed gives the same arrivals");
            if !poisson {
                let area: f64 = phases.iter().map(|(ms, rate)| *ms as f64 / 1e3 * rate).sum();
                prop_assert!((arrivals.len() as f64 - area).abs() <= 1.0);
            }
        }
    }
}
