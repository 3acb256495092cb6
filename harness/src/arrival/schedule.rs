//! All streams of a workload, merged in time and dealt out to workers.
//!
//! Every worker walks the whole schedule and keeps each `workers`-th arrival. That costs a few nanoseconds an arrival
//! and buys two things: the arrivals of a run do not depend on the number of workers, and no worker needs another.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand_distr::Zipf;
use rand_xoshiro::SplitMix64;

use super::{Arrivals, Phase, PhaseKind, Profile, Stream};

/// What decides the arrivals of one traffic entry.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Part of the profile's rate, from 0 to 1, in phases without a mix of their own.
    pub share: f64,
    /// Arrivals per second on top, in every phase.
    pub rate: f64,
    /// Number of items to choose from, such as chats; 0 where there is no choice.
    pub items: u32,
    /// Zipf exponent of the choice; 0 chooses evenly.
    pub zipf: f64,
}

impl Flow {
    /// Arrivals per second of the entry with this index while the profile offers `offered` in a phase; none while
    /// everything settles.
    #[must_use]
    pub fn rate_at(&self, index: usize, phase: &Phase, offered: f64) -> f64 {
        match phase.kind {
            PhaseKind::Settle => 0.0,
            _ => offered * phase.mix.get(index).unwrap_or(&self.share) + self.rate,
        }
    }

    /// The same on the average of the phase.
    #[must_use]
    pub fn rate_in(&self, index: usize, phase: &Phase) -> f64 {
        self.rate_at(index, phase, phase.rate)
    }
}

/// One request that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Intended start, in nanoseconds from the start of the run.
    pub intended_ns: u64,
    /// Index of its traffic entry.
    pub flow: usize,
    /// Its number within the entry, from 0.
    pub ordinal: u64,
    /// Index of what it concerns among the items of its entry.
    pub item: usize,
    /// Index of the host that it goes to, where there are several; else 0.
    pub host: usize,
}

/// The arrivals of a whole run. Cloning gives the same arrivals again.
#[derive(Debug, Clone)]
pub struct Schedule {
    flows: Vec<FlowState>,
    hosts: Hosts,
}

#[derive(Debug, Clone)]
struct FlowState {
    stream: Stream,
    next_ns: Option<u64>,
    ordinal: u64,
    seed: u64,
    choice: Option<Zipf<f64>>,
}

impl Schedule {
    /// The schedule of `flows` along `profile`.
    #[must_use]
    pub fn new(profile: &Profile, flows: &[Flow], spread: Arrivals, seed: u64) -> Self {
        let flows = flows
            .iter()
            .enumerate()
            .map(|(index, flow)| {
                let seed = mixed(seed, index as u64 + 1);
                let rate = |phase: &Phase, offered| flow.rate_at(index, phase, offered);
                let mut stream = Stream::new(profile, rate, spread, seed);
                FlowState {
                    next_ns: stream.next(),
                    stream,
                    ordinal: 0,
                    seed,
                    // Zipf with exponent 0 is the even choice; the law wants at least one element.
                    choice: (flow.items > 1).then(|| {
                        Zipf::new(f64::from(flow.items), flow.zipf)
                            .expect("the workload bounds the exponent and the number of items")
                    }),
                }
            })
            .collect();
        Self {
            flows,
            hosts: Hosts::new(profile),
        }
    }

    /// Every `workers`-th arrival, beginning with number `worker`.
    pub fn share_of(self, worker: usize, workers: usize) -> impl Iterator<Item = Arrival> {
        self.skip(worker).step_by(workers)
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let (flow, state) = self
            .flows
            .iter_mut()
            .enumerate()
            .filter(|(_, state)| state.next_ns.is_some())
            .min_by_key(|(_, state)| state.next_ns)?;
        let arrival = Arrival {
            intended_ns: state.next_ns?,
            flow,
            ordinal: state.ordinal,
            item: state.item(),
            host: self.hosts.of(state.next_ns?, state.seed, state.ordinal),
        };
        state.next_ns = state.stream.next();
        state.ordinal += 1;
        Some(arrival)
    }
}

impl FlowState {
    /// The item of the current arrival: a function of the seed and the ordinal alone.
    fn item(&self) -> usize {
        self.choice.map_or(0, |choice| {
            let mut rng = SplitMix64::seed_from_u64(mixed(self.seed, self.ordinal));
            choice.sample(&mut rng) as usize - 1
        })
    }
}

/// Which host an arrival goes to.
///
/// Not by chance: the arrivals of an entry, one after the other, are dealt out by a golden-ratio sequence, which keeps
/// every stretch of them as close to the parts as can be. By chance 10,000 arrivals would miss a half by one in a
/// hundred as often as one time in twenty.
#[derive(Debug, Clone)]
struct Hosts {
    /// Of each phase its end, and up to where each host's part reaches.
    phases: Vec<(u64, Vec<f64>)>,
}

impl Hosts {
    fn new(profile: &Profile) -> Self {
        let phases = profile.phases().iter().map(|phase| {
            let reach = phase.hosts.iter().scan(0.0, |reach, part| {
                *reach += part;
                Some(*reach)
            });
            (u64::try_from(phase.end.as_nanos()).unwrap_or(u64::MAX), reach.collect())
        });
        Self {
            phases: phases.collect(),
        }
    }

    /// The host of arrival number `ordinal` of a stream of its own seed.
    fn of(&self, intended_ns: u64, seed: u64, ordinal: u64) -> usize {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 over the golden ratio
        let place = self.phases.partition_point(|(end_ns, _)| *end_ns <= intended_ns);
        let Some((_, reach)) = self.phases.get(place).or(self.phases.last()) else {
            return 0;
        };
        if reach.len() < 2 {
            return 0;
        }
        let point = seed.wrapping_add(ordinal.wrapping_mul(GOLDEN)) as f64 / 2f64.powi(64);
        // What rounding leaves at the end is the last one's that has a part.
        let last = reach.iter().position(|end| *end >= reach[reach.len() - 1]).unwrap_or(0);
        reach.partition_point(|end| *end <= point).min(last)
    }
}

/// The seed of a block, from 1: arrivals, users and placement are the same for all of its cells, and others in other
/// blocks. The first block has the seed itself.
#[must_use]
pub fn block_seed(seed: u64, block: u32) -> u64 {
    match block {
        0 | 1 => seed,
        _ => mixed(seed, u64::from(block) << 32),
    }
}

/// A seed of its own for the `number`-th part of something seeded.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    use rand::Rng as _;
    SplitMix64::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).next_u64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn schedule(seed: u64) -> Schedule {
        let profile = Profile::default()
            .then("base", PhaseKind::Base, Duration::from_secs(1), 200.0)
            .then("spike", PhaseKind::Spike, Duration::from_secs(1), 2000.0);
        let hot = Flow {
            share: 1.0,
            rate: 0.0,
            items: 1,
            zipf: 0.0,
        };
        let quiet = Flow {
            share: 0.0,
            rate: 100.0,
            items: 50,
            zipf: 1.0,
        };
        Schedule::new(&profile, &[hot, quiet], Arrivals::Poisson, seed)
    }

    #[test]
    fn a_rate_of_its_own_does_not_follow_the_profile() {
        let count = |flow, from_ns| {
            schedule(3)
                .filter(|a| a.flow == flow && (a.intended_ns >= 1_000_000_000) == from_ns)
                .count()
        };
        assert!((150..250).contains(&count(0, false)));
        assert!((1850..2150).contains(&count(0, true)));
        assert!((70..130).contains(&count(1, false)));
        assert!((70..130).contains(&count(1, true)));
    }

    #[test]
    fn while_everything_settles_nothing_is_offered() {
        let profile = Profile::default()
            .then("base", PhaseKind::Base, Duration::from_secs(2), 0.0)
            .then("settle", PhaseKind::Settle, Duration::from_secs(5), 0.0);
        let bystander = Flow {
            share: 0.0,
            rate: 100.0,
            items: 1,
            zipf: 0.0,
        };
        let arrivals: Vec<Arrival> = Schedule::new(&profile, &[bystander], Arrivals::Uniform, 1).collect();
        assert_eq!(arrivals.len(), 200);
        assert!(arrivals.iter().all(|arrival| arrival.intended_ns < 2_000_000_000));
    }

    /// Arrivals of the whole schedule that are due in the first 100 ms of the spike.
    fn at_once(spread: Arrivals, seed: u64) -> usize {
        let profile = Profile::default()
            .then("base", PhaseKind::Base, Duration::from_millis(1_234), 100.0)
            .then("spike", PhaseKind::Spike, Duration::from_secs(1), 2_000.0);
        let flow = |share| Flow {
            share,
            rate: 0.0,
            items: 0,
            zipf: 0.0,
        };
        let onset = 1_234_000_000..1_334_000_000;
        let schedule = Schedule::new(&profile, &[flow(0.9), flow(0.1)], spread, seed);
        schedule.filter(|arrival| onset.contains(&arrival.intended_ns)).count()
    }

    #[test]
    fn the_first_tenth_of_a_second_of_a_jump_has_the_target_rate() {
        const SEEDS: usize = 200;
        let uniform: Vec<usize> = (0..SEEDS as u64).map(|seed| at_once(Arrivals::Uniform, seed)).collect();
        // 180 of the one entry and 20 of the other, give or take what rounding to a nanosecond moves over an edge.
        assert!(uniform.iter().all(|count| (199..=201).contains(count)), "{uniform:?}");
        assert!(
            uniform.iter().filter(|count| **count == 200).count() > SEEDS * 9 / 10,
            "{uniform:?}"
        );
        let poisson: Vec<f64> = (0..SEEDS as u64)
            .map(|seed| at_once(Arrivals::Poisson, seed) as f64)
            .collect();
        let (sum, expected) = (poisson.iter().sum::<f64>(), 200.0 * SEEDS as f64);
        // A sum of Poisson counts is one itself: its deviation is the root of its mean.
        assert!((sum - expected).abs() < 3.0 * expected.sqrt(), "{sum} of {expected}");
        let squares: f64 = poisson.iter().map(|count| (count - 200.0).powi(2)).sum();
        let dispersion = squares / expected;
        // Its variance is its mean, to within three deviations of that estimate, √(2 ÷ seeds).
        assert!(
            (dispersion - 1.0).abs() < 3.0 * (2.0 / SEEDS as f64).sqrt(),
            "{dispersion}"
        );
    }

    #[test]
    fn a_mix_moves_the_rate_among_the_entries_and_leaves_their_own_rates() {
        let mix = vec![0.2, 0.8, 0.0];
        let profile = Profile::default()
            .then("base", PhaseKind::Base, Duration::from_secs(10), 100.0)
            .then_mixed("auckland", PhaseKind::Spike, Duration::from_secs(10), 1_000.0, mix);
        let flow = |share, rate| Flow {
            share,
            rate,
            items: 0,
            zipf: 0.0,
        };
        let flows = [flow(1.0, 0.0), flow(0.0, 0.0), flow(0.0, 50.0)];
        let mut counts = [[0i64; 3]; 2];
        for arrival in Schedule::new(&profile, &flows, Arrivals::Uniform, 5) {
            counts[profile.phase_at(Duration::from_nanos(arrival.intended_ns))][arrival.flow] += 1;
        }
        for (counted, expected) in counts.iter().zip([[1_000, 0, 500], [2_000, 8_000, 500]]) {
            let near = counted
                .iter()
                .zip(expected)
                .all(|(count, expected)| (count - expected).abs() <= 1);
            assert!(near, "{counts:?}");
        }
    }

    #[test]
    fn zipf_prefers_the_first_items_and_reaches_many() {
        let mut hits = [0u32; 50];
        for seed in 0..20 {
            for arrival in schedule(seed).filter(|arrival| arrival.flow == 1) {
                hits[arrival.item] += 1;
            }
        }
        assert!(hits[0] > 3 * hits[9], "{hits:?}");
        assert!(hits.iter().filter(|hits| **hits > 0).count() > 40, "{hits:?}");
    }

    #[test]
    fn hosts_get_their_parts_in_every_phase_and_none_without_one() {
        let phase = |name: &str| (name.to_owned(), PhaseKind::Step);
        let shares = [[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]];
        let profile = shares
            .iter()
            .enumerate()
            .fold(Profile::default(), |profile, (index, _)| {
                let (name, kind) = phase(&index.to_string());
                profile.then(name, kind, Duration::from_secs(2), 1000.0)
            });
        let profile = profile.among_hosts(|index| shares[index].to_vec());
        let flow = |share| Flow {
            share,
            rate: 0.0,
            items: 1,
            zipf: 0.0,
        };
        for seed in 0..20 {
            let mut counts = [[0u32; 2]; 4];
            for arrival in Schedule::new(&profile, &[flow(0.7), flow(0.3)], Arrivals::Poisson, seed) {
                counts[profile.phase_at(Duration::from_nanos(arrival.intended_ns))][arrival.host] += 1;
            }
            for (count, share) in counts.iter().zip(shares) {
                let measured = f64::from(count[1]) / f64::from(count[0] + count[1]);
                assert!((measured - share[1]).abs() < 0.005, "{measured} of {share:?}");
                assert!(share[0] > 0.0 || count[0] == 0, "{count:?}");
                assert!(share[1] > 0.0 || count[1] == 0, "{count:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn workers_together_send_exactly_the_schedule(seed: u64, workers in 1usize..6) {
            let whole: Vec<Arrival> = schedule(seed).collect();
            prop_assert!(whole.is_sorted_by_key(|arrival| arrival.intended_ns));
            let mut dealt: Vec<Arrival> = (0..workers).flat_map(|worker| schedule(seed).share_of(worker, workers)).collect();
            dealt.sort_by_key(|arrival| (arrival.intended_ns, arrival.flow, arrival.ordinal));
            let mut sorted = whole;
            sorted.sort_by_key(|arrival| (arrival.intended_ns, arrival.flow, arrival.ordinal));
            prop_assert_eq!(dealt, sorted);
        }
    }
}
