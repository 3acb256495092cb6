//! How much of the profile may be offered at most, told to workers that run.
//!
//! Every arrival of the schedule asks, so the answer is one word, read by one relaxed load: rate and moment stand in
//! it together and cannot be torn apart. The moment lies a little ahead, and a worker looks each 10 ms as well, so it
//! sees each word that stands for longer; which arrivals are withdrawn then follows from the moments alone, however
//! the workers are scheduled. An arrival that was due before the moment, and comes to be sent after it, is offered as
//! it was to be.
//!
//! Knows words and arrivals; [`Thinning`] decides which are left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::arrival::{Arrival, Thinning};

/// Rate in the upper half, as 32 bits of floating point; milliseconds of the cell in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    const OPEN: Self = Self((f32::INFINITY.to_bits() as u64) << 32);

    fn new(rate: Option<f64>, from: Duration) -> Self {
        let from_ms = u32::try_from(from.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let rate = rate.map_or(f32::INFINITY, rounded_up);
        Self((u64::from(rate.to_bits()) << 32) | u64::from(from_ms))
    }

    fn rate(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }

    fn since_ns(self) -> u64 {
        (self.0 & u64::from(u32::MAX)) * 1_000_000
    }
}

/// A cap at the rate of a phase must not fall below it by rounding.
fn rounded_up(rate: f64) -> f32 {
    let near = rate as f32;
    match f64::from(near) < rate {
        true => near.next_up(),
        false => near,
    }
}

/// The highest rate that the profile may offer; none at first. Clones share it.
#[derive(Debug, Clone)]
pub struct Cap(Arc<AtomicU64>);

impl Default for Cap {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(Word::OPEN.0)))
    }
}

impl Cap {
    /// From `from` on, rounded up to a millisecond, the profile may offer `rate` arrivals per second at most; `None` as
    /// many as it says. Returns the moment.
    pub fn set(&self, rate: Option<f64>, from: Duration) -> Duration {
        let word = Word::new(rate, from);
        self.0.store(word.0, Ordering::Relaxed);
        Duration::from_nanos(word.since_ns())
    }
}

/// A cap, and the rule by which arrivals are withdrawn under it.
#[derive(Debug, Clone)]
pub struct Capped {
    /// The cap.
    pub cap: Cap,
    /// The rule.
    pub thinning: Arc<Thinning>,
}

/// What one worker makes of a cap.
#[derive(Debug)]
pub(super) struct Withdrawal {
    capped: Capped,
    word: Word,
    /// What held until the moment of `word`.
    before: Word,
}

impl Withdrawal {
    pub(super) fn new(capped: Capped) -> Self {
        Self {
            capped,
            word: Word::OPEN,
            before: Word::OPEN,
        }
    }

    /// Sees what holds now.
    pub(super) fn look(&mut self) -> Word {
        let word = Word(self.capped.cap.0.load(Ordering::Relaxed));
        if word != self.word {
            self.before = std::mem::replace(&mut self.word, word);
        }
        word
    }

    /// Whether the arrival is not offered. Arrivals come in order.
    pub(super) fn withdraws(&mut self, arrival: &Arrival) -> bool {
        let word = self.look();
        let holds = match arrival.intended_ns < word.since_ns() {
            true => self.before,
            false => word,
        };
        let rate = holds.rate();
        rate.is_finite() && !self.capped.thinning.keeps(arrival, f64::from(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::{Arrivals, Flow, PhaseKind, Profile, Schedule};

    const MS: Duration = Duration::from_millis(1);

    fn profile() -> Profile {
        Profile::default().then("constant", PhaseKind::Step, 10_000 * MS, 1000.0)
    }

    fn flow() -> Flow {
        Flow {
            share: 1.0,
            rate: 0.0,
            items: 1,
            zipf: 0.0,
        }
    }

    fn capped() -> Capped {
        Capped {
            cap: Cap::default(),
            thinning: Arc::new(Thinning::new(&profile(), &[flow()], Arrivals::Uniform, 3)),
        }
    }

    /// The times, in milliseconds, of the arrivals that some workers together withdraw; `set` changes the cap when the
    /// time has come, which each worker finds out with its next arrival.
    fn withdrawn(workers: usize, sets: &[(u64, Option<f64>)]) -> Vec<u64> {
        let capped = capped();
        let mut of_workers: Vec<Withdrawal> = (0..workers).map(|_| Withdrawal::new(capped.clone())).collect();
        let mut sets = sets.iter().peekable();
        let mut withdrawn = Vec::new();
        for (place, arrival) in Schedule::new(&profile(), &[flow()], Arrivals::Uniform, 3).enumerate() {
            // It is told 20 ms before.
            while let Some((from_ms, rate)) =
                sets.next_if(|(from_ms, _)| (from_ms - 20) * 1_000_000 <= arrival.intended_ns)
            {
                capped.cap.set(*rate, Duration::from_millis(*from_ms));
            }
            if of_workers[place % workers].withdraws(&arrival) {
                withdrawn.push(arrival.intended_ns / 1_000_000);
            }
        }
        withdrawn
    }

    #[test]
    fn arrivals_are_withdrawn_from_one_moment_to_the_other_whoever_sends_them() {
        let sets = [(2_000, Some(250.0)), (5_000, None), (7_000, Some(0.0))];
        let one = withdrawn(1, &sets);
        let within = |from, to| one.iter().filter(|ms| (from..to).contains(*ms)).count();
        assert_eq!((within(0, 2_000), within(5_000, 7_000)), (0, 0));
        assert!(
            (2_249..=2_251).contains(&within(2_000, 5_000)),
            "{}",
            within(2_000, 5_000)
        );
        assert!(
            (2_999..=3_001).contains(&within(7_000, 10_000)),
            "all: {}",
            within(7_000, 10_000)
        );
        for workers in [2, 3, 5] {
            assert_eq!(withdrawn(workers, &sets), one, "{workers} workers");
        }
    }

    #[test]
    fn a_moment_and_a_rate_are_read_as_they_were_set_and_a_cap_never_falls_below_its_rate() {
        for rate in [0.0, 0.1, 33.333_333_333, 1e7, 123_456.789] {
            let word = Word::new(Some(rate), Duration::from_micros(1_500_001));
            assert_eq!(word.since_ns(), 1_501_000_000);
            let read = f64::from(word.rate());
            assert!(read >= rate && read <= rate * (1.0 + 1e-6), "{rate}: {read}");
        }
        assert!(Word::new(None, Duration::ZERO) == Word::OPEN && Word::OPEN.rate().is_infinite());
        assert_eq!(Cap::default().set(Some(1.0), Duration::from_nanos(1)), MS);
    }
}
