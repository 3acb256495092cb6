//! A recorded rate: grown, compressed in time, and cut in phases.
//!
//! Each second of a compressed trace offers the mean of the seconds that it stands for. Means alone would flatten the
//! peak, which is what a rehearsal is about: compressed by 60, a peak of five seconds would lose nine tenths of itself.
//! So the second that stands for the peak offers the peak. Rejected: the maximum of each stretch, which would offer
//! more than was ever offered all day; multiplying the rate by the compression, which keeps the number of arrivals and
//! makes a peak that nobody has to expect.

use super::{PhaseKind, Profile};

/// The peak is the stretch around the highest second in which at least this part of it is offered: its full width at
/// half maximum.
const OF_PEAK: f64 = 0.5;

/// Arrivals per second, second by second.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    rates: Vec<f64>,
}

impl Trace {
    /// The trace with these rates.
    ///
    /// # Panics
    /// When there are none, or one is no number of at least 0.
    #[must_use]
    pub fn new(rates: Vec<f64>) -> Self {
        assert!(!rates.is_empty(), "a trace has at least one second");
        assert!(
            rates.iter().all(|rate| *rate >= 0.0),
            "a rate is a number of at least 0"
        );
        Self { rates }
    }

    /// The rates in order.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// The first of the seconds with the highest rate, and that rate.
    #[must_use]
    pub fn peak(&self) -> (usize, f64) {
        let first = (0, self.rates[0]);
        let rates = self.rates.iter().copied().enumerate();
        rates.fold(first, |peak, other| if other.1 > peak.1 { other } else { peak })
    }

    /// The same, every rate multiplied by `growth` and `compress` seconds in one; the last second has what is left.
    /// The peak is that of the trace × `growth`, whatever the compression.
    ///
    /// # Panics
    /// When `compress` is less than 1.
    #[must_use]
    pub fn grown_and_compressed(&self, growth: f64, compress: f64) -> Self {
        assert!(compress >= 1.0, "a trace is not stretched");
        let length = self.rates.len() as f64;
        let (at, peak) = self.peak();
        let starts = (0u32..).map(|second| f64::from(second) * compress);
        let starts = starts.take_while(|start| *start < length);
        // Rounding does not raise a mean above the peak.
        let mean = |start: f64| (self.mean(start, (start + compress).min(length)) * growth).min(peak * growth);
        let mut rates: Vec<f64> = starts.map(mean).collect();
        let place = ((at as f64 / compress) as usize).min(rates.len() - 1);
        rates[place] = peak * growth;
        Self { rates }
    }

    /// Mean rate from one moment to another, in seconds.
    fn mean(&self, start: f64, end: f64) -> f64 {
        let seconds = self.rates.iter().enumerate().skip(start as usize);
        let within = seconds.take_while(|(second, _)| (*second as f64) < end);
        let arrivals: f64 = within
            .map(|(second, rate)| {
                let second = second as f64;
                rate * (end.min(second + 1.0) - start.max(second))
            })
            .sum();
        arrivals / (end - start)
    }

    /// Adds the trace to a profile as three phases: `rise`, `peak` and `fall`. The peak is the stretch around the
    /// highest second in which at least half of that is offered; where nothing is left before or after it, that phase
    /// is left out.
    #[must_use]
    pub fn after(self, profile: Profile) -> Profile {
        let (at, peak) = self.peak();
        let is_low = |rate: &f64| *rate < peak * OF_PEAK;
        let start = self.rates[..at].iter().rposition(is_low).map_or(0, |low| low + 1);
        let end = self.rates[at..]
            .iter()
            .position(is_low)
            .map_or(self.rates.len(), |low| at + low);
        profile
            .then_rates("rise", PhaseKind::Trace, self.rates[..start].to_vec())
            .then_rates("peak", PhaseKind::Peak, self.rates[start..end].to_vec())
            .then_rates("fall", PhaseKind::Trace, self.rates[end..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn means_are_kept_and_so_is_the_peak() {
        let trace = Trace::new(vec![10.0, 30.0, 20.0, 100.0, 40.0, 40.0, 7.0]);
        let by_two = trace.grown_and_compressed(1.0, 2.0);
        assert_eq!(by_two.rates(), [20.0, 100.0, 40.0, 7.0]);
        assert_eq!(trace.grown_and_compressed(2.0, 1.0).rates()[3], 200.0);
        // One and a half seconds each: the seconds on a boundary are shared.
        let by_half = trace.grown_and_compressed(1.0, 1.5);
        let by_hand = [
            (10.0 + 15.0) / 1.5,
            (15.0 + 20.0) / 1.5,
            100.0,
            (20.0 + 40.0) / 1.5,
            7.0,
        ];
        assert_eq!(by_half.rates().len(), by_hand.len());
        for (rate, by_hand) in by_half.rates().iter().zip(by_hand) {
            assert!((rate - by_hand).abs() < 1e-9, "{by_half:?}");
        }
    }

    #[test]
    fn the_peak_is_as_wide_as_half_of_it() {
        let cut = |rates: &[f64]| {
            let profile = Trace::new(rates.to_vec()).after(Profile::default());
            let phases = profile.phases().iter();
            phases
                .map(|phase| (phase.name.clone(), phase.rates.clone()))
                .collect::<Vec<_>>()
        };
        let phase = |name: &str, rates: &[f64]| (name.to_owned(), rates.to_vec());
        assert_eq!(
            cut(&[60.0, 10.0, 50.0, 100.0, 70.0, 49.0, 90.0]),
            [
                phase("rise", &[60.0, 10.0]),
                phase("peak", &[50.0, 100.0, 70.0]),
                phase("fall", &[49.0, 90.0])
            ]
        );
        assert_eq!(cut(&[5.0, 5.0]), [phase("peak", &[5.0, 5.0])]);
        assert_eq!(cut(&[9.0, 1.0]), [phase("peak", &[9.0]), phase("fall", &[1.0])]);
    }

    proptest! {
        #[test]
        fn the_peak_second_survives_any_growth_and_compression(
            rates in prop::collection::vec(0.0..10_000.0f64, 1..400),
            growth in 0.01..100.0f64,
            compress in 1.0..500.0f64,
        ) {
            let trace = Trace::new(rates.clone());
            let (at, peak) = trace.peak();
            let compressed = trace.grown_and_compressed(growth, compress);
            let (place, found) = compressed.peak();
            prop_assert_eq!(found, peak * growth, "exactly");
            prop_assert!(place as f64 <= at as f64 / compress, "no later than it came");
            prop_assert!(compressed.rates().len() as f64 >= rates.len() as f64 / compress - 1e-9);
            prop_assert!(compressed.rates().len() as f64 <= rates.len() as f64 / compress + 1.0 + 1e-9);
        }

        #[test]
        fn what_is_offered_away_from_the_peak_is_what_was_recorded(
            rates in prop::collection::vec(0.0..10_000.0f64, 1..40),
            compress in 1u32..20,
        ) {
            let compressed = Trace::new(rates.clone()).grown_and_compressed(1.0, f64::from(compress));
            let stretches: Vec<&[f64]> = rates.chunks(compress as usize).collect();
            prop_assert_eq!(stretches.len(), compressed.rates().len());
            let (_, peak) = compressed.peak();
            for (stretch, rate) in stretches.iter().zip(compressed.rates()) {
                let mean = stretch.iter().sum::<f64>() / stretch.len() as f64;
                prop_assert!((rate - mean).abs() < 1e-6 || *rate == peak, "{rate} of {stretch:?}");
            }
        }

        #[test]
        fn its_phases_are_the_trace(rates in prop::collection::vec(0.0..10_000.0f64, 1..400)) {
            let profile = Trace::new(rates.clone()).after(Profile::default());
            let phases = profile.phases();
            prop_assert_eq!(phases.iter().flat_map(|phase| phase.rates.clone()).collect::<Vec<_>>(), rates.clone());
            prop_assert_eq!(profile.end(), Duration::from_secs(rates.len() as u64));
            prop_assert!(phases.windows(2).all(|pair| pair[0].end == pair[1].start));
            let peak = phases.iter().find(|phase| phase.kind == PhaseKind::Peak).unwrap();
            prop_assert!(peak.rates.iter().all(|rate| *rate >= peak.rate_max() * OF_PEAK));
        }
    }
}
