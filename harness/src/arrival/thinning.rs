//! Which arrivals are left where less than the profile is to be offered.
//!
//! Thinning keeps the open model: an arrival that is left comes when the schedule says, whatever the server does. Seed
//! and number of an arrival decide, and not what came before it, so every worker decides alike, and the arrivals that
//! are left follow from the moments at which the rate was lowered. What is left is of the same kind as the whole:
//!
//! - a Poisson stream of which each arrival is kept by a draw of its own is a Poisson stream of the lower rate;
//! - of a uniform stream every so manieth is kept, so the gaps stay equal, to within one gap of the whole.
//!
//! Only the profile's rate is lowered. What an entry has as a rate of its own it keeps.

use std::time::Duration;

use super::{Arrival, Arrivals, Flow, Phase, Profile, mixed};

/// Separates the draws from those that choose items.
const SALT: u64 = u64::MAX;

/// The rule by which arrivals are left out.
#[derive(Debug, Clone)]
pub struct Thinning {
    phases: Vec<Phase>,
    flows: Vec<(Flow, u64)>,
    spread: Arrivals,
}

impl Thinning {
    /// The rule for the schedule of `flows` along `profile`.
    #[must_use]
    pub fn new(profile: &Profile, flows: &[Flow], spread: Arrivals, seed: u64) -> Self {
        let flows = flows.iter().cloned().zip(1u64..);
        Self {
            phases: profile.phases().to_vec(),
            flows: flows
                .map(|(flow, number)| (flow, mixed(mixed(seed, number), SALT)))
                .collect(),
            spread,
        }
    }

    /// Whether the arrival is offered where the profile may offer `cap` arrivals per second at most.
    #[must_use]
    pub fn keeps(&self, arrival: &Arrival, cap: f64) -> bool {
        let at = Duration::from_nanos(arrival.intended_ns);
        let place = self.phases.partition_point(|phase| phase.end <= at);
        let Some(phase) = self.phases.get(place).or(self.phases.last()) else {
            return true;
        };
        if phase.rate <= cap {
            return true;
        }
        let (flow, seed) = &self.flows[arrival.flow];
        let part = flow.rate_at(arrival.flow, phase, cap) / flow.rate_in(arrival.flow, phase);
        match self.spread {
            Arrivals::Poisson => (mixed(*seed, arrival.ordinal) as f64) < part * 2f64.powi(64),
            Arrivals::Uniform => {
                let kept = |arrivals: u64| (arrivals as f64 * part).floor();
                kept(arrival.ordinal + 1) > kept(arrival.ordinal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrival::{PhaseKind, Schedule};

    const S: Duration = Duration::from_secs(1);

    fn profile() -> Profile {
        Profile::default()
            .then("base", PhaseKind::Base, 10 * S, 100.0)
            .then("spike", PhaseKind::Spike, 40 * S, 1000.0)
    }

    fn flows() -> [Flow; 2] {
        let flow = |share, rate| Flow {
            share,
            rate,
            items: 1,
            zipf: 0.0,
        };
        [flow(1.0, 0.0), flow(0.0, 50.0)]
    }

    /// What is left of the spike and of the base where `cap` holds throughout: times of the entry that follows the
    /// profile, and how many of the other one.
    fn left(spread: Arrivals, seed: u64, cap: f64) -> (Vec<u64>, Vec<u64>, usize) {
        let thinning = Thinning::new(&profile(), &flows(), spread, seed);
        let kept: Vec<Arrival> = Schedule::new(&profile(), &flows(), spread, seed)
            .filter(|arrival| thinning.keeps(arrival, cap))
            .collect();
        let times = |in_spike: bool| {
            let own = kept.iter().filter(|arrival| arrival.flow == 0);
            let own = own.filter(|arrival| (arrival.intended_ns >= 10_000_000_000) == in_spike);
            own.map(|arrival| arrival.intended_ns).collect()
        };
        let others = kept.iter().filter(|arrival| arrival.flow == 1).count();
        (times(false), times(true), others)
    }

    #[test]
    fn a_spike_that_is_capped_at_base_offers_the_base_rate_and_the_base_is_left_alone() {
        for seed in 0..20 {
            let (base, spike, others) = left(Arrivals::Poisson, seed, 100.0);
            // 40 s at 100/s: the deviation of a Poisson count of 4,000 is 63.
            assert!((3_700..4_300).contains(&spike.len()), "{}", spike.len());
            assert!((850..1_150).contains(&base.len()), "{}", base.len());
            assert!((2_250..2_750).contains(&others), "a rate of its own is kept: {others}");
        }
    }

    #[test]
    fn what_is_left_of_a_poisson_stream_is_one() {
        let (_, spike, _) = left(Arrivals::Poisson, 7, 100.0);
        let gaps: Vec<f64> = spike.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 10.0 - 1.0).abs() < 0.06, "mean {mean} ms");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.06,
            "deviation {}",
            variance.sqrt()
        );
    }

    #[test]
    fn what_is_left_of_a_uniform_stream_stands_equally_apart() {
        let (_, spike, _) = left(Arrivals::Uniform, 7, 100.0);
        assert!((3_999..=4_001).contains(&spike.len()), "{}", spike.len());
        let mut gaps = spike.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.all(|gap| gap.abs_diff(10_000_000) <= 1_000_001));
    }

    #[test]
    fn a_cap_of_nothing_leaves_what_does_not_follow_the_profile() {
        for spread in [Arrivals::Poisson, Arrivals::Uniform] {
            let (base, spike, others) = left(spread, 1, 0.0);
            assert_eq!((base.len(), spike.len()), (0, 0));
            assert!(others > 2_000);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_higher_cap_keeps_about_as_much_more_and_one_above_the_profile_keeps_all(
            seed: u64,
            cap in 1.0..1000.0f64,
            poisson: bool,
        ) {
            let spread = if poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let (_, all, _) = left(spread, seed, 1000.0);
            let (_, kept, _) = left(spread, seed, cap);
            let part = kept.len() as f64 / all.len() as f64;
            prop_assert!((part - cap / 1000.0).abs() < 0.02, "{part} of {cap}");
        }
    }
}
