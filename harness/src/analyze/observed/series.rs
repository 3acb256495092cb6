//! One named series, by phase.
//!
//! What a counter or a histogram grew between two readings is shared out among the phases that the stretch overlaps, by
//! time. A quantile is that of the growth, linear within its bucket: the rule of Prometheus's `histogram_quantile`.

use super::growth::{Reading, grown, raise};
use super::phases::Phases;
use crate::observe::{HistogramSample, SeriesSample};
use crate::record::{SeriesResult, samples_min};

/// A rate of which less than this part of the phase was observed is none.
const OBSERVED_MIN: f64 = 0.5;

/// What one series was, folded into phases as it comes.
#[derive(Debug)]
pub(super) struct SeriesFold {
    totals: Vec<Totals>,
    last: Option<Reading<SeriesSample>>,
}

#[derive(Debug, Clone, Default)]
struct Totals {
    /// Time of the phase between two readings of a counter or histogram.
    observed_s: f64,
    counter: Option<f64>,
    gauge_max: Option<f64>,
    gauge_last: Option<f64>,
    histogram: Option<HistogramSample>,
}

impl SeriesFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![Totals::default(); phases],
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, sample: &SeriesSample) {
        if let (Some(phase), SeriesSample::Gauge(value)) = (phases.at(at_s), sample) {
            let totals = &mut self.totals[phase];
            raise(&mut totals.gauge_max, Some(*value));
            totals.gauge_last = Some(*value);
        }
        let value = sample.clone();
        if let Some(before) = self.last.replace(Reading { at_s, value }) {
            for overlap in phases.overlaps(before.at_s, at_s) {
                let totals = &mut self.totals[overlap.phase];
                totals.grow(&before.value, sample, overlap.part, overlap.to_s - overlap.from_s);
            }
        }
    }

    /// `None` where the phase has no reading.
    pub(super) fn result(&self, phase: usize, (start_s, end_s): (f64, f64)) -> Option<SeriesResult> {
        let totals = &self.totals[phase];
        let is_known = totals.observed_s >= (end_s - start_s) * OBSERVED_MIN && totals.observed_s > 0.0;
        if let Some(increase) = totals.counter.filter(|_| is_known) {
            return Some(SeriesResult::Counter {
                increase,
                rate: increase / totals.observed_s,
            });
        }
        if let Some(grown) = totals.histogram.as_ref().filter(|_| is_known) {
            return Some(histogram(grown));
        }
        Some(SeriesResult::Gauge {
            max: totals.gauge_max?,
            last: totals.gauge_last?,
        })
    }
}

impl Totals {
    fn grow(&mut self, before: &SeriesSample, after: &SeriesSample, part: f64, seconds: f64) {
        match (before, after) {
            (SeriesSample::Counter(before), SeriesSample::Counter(after)) => {
                *self.counter.get_or_insert(0.0) += grown(*before, *after) * part;
            }
            (SeriesSample::Histogram(before), SeriesSample::Histogram(after)) => {
                let histogram = self.histogram.get_or_insert_default();
                histogram.count += grown(before.count, after.count) * part;
                histogram.sum += grown(before.sum, after.sum) * part;
                for (bound, count) in &after.buckets {
                    let before = before.buckets.iter().find(|(known, _)| known == bound);
                    let by = grown(before.map_or(0.0, |(_, count)| *count), *count) * part;
                    match histogram.buckets.iter_mut().find(|(known, _)| known == bound) {
                        Some((_, count)) => *count += by,
                        None => histogram.buckets.push((*bound, by)),
                    }
                }
            }
            // A gauge has no growth, and a series that is of another kind now has none that is known.
            _ => return,
        }
        self.observed_s += seconds;
    }
}

fn histogram(grown: &HistogramSample) -> SeriesResult {
    let mut buckets = grown.buckets.clone();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let count = grown.count.round() as u64;
    let known = |rank: f64| {
        let is_enough = count >= samples_min(rank);
        is_enough.then(|| quantile(&buckets, grown.count, rank)).flatten()
    };
    SeriesResult::Histogram {
        count,
        mean: (grown.count > 0.0).then(|| grown.sum / grown.count),
        p50: known(0.5),
        p90: known(0.9),
        p99: known(0.99),
        p999: known(0.999),
    }
}

/// The value that the part `rank` of all values does not exceed, linear within its bucket, as Prometheus's
/// `histogram_quantile`: the first bucket begins at 0 unless its bound is below that; of the last, unbounded one only
/// its lower bound is known. `buckets` are upper bounds, ascending, with the number of values at or below each.
pub(super) fn quantile(buckets: &[(f64, f64)], count: f64, rank: f64) -> Option<f64> {
    if count <= 0.0 {
        return None;
    }
    let wanted = rank * count;
    let (mut lower, mut below) = (0.0, 0.0);
    for (place, (bound, at_most)) in buckets.iter().enumerate() {
        // Pages are not read at one moment, so a higher bucket may lag behind.
        let at_most = at_most.max(below);
        if at_most >= wanted && at_most > 0.0 {
            if place == 0 && *bound <= 0.0 {
                return Some(*bound);
            }
            let within = at_most - below;
            let part = if within > 0.0 { (wanted - below) / within } else { 1.0 };
            return Some(lower + (bound - lower) * part);
        }
        (lower, below) = (*bound, at_most);
    }
    buckets.last().map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHASES: [(f64, f64); 3] = [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)];

    fn folded(samples: &[(f64, SeriesSample)]) -> [Option<SeriesResult>; 3] {
        let phases = Phases::new(&PHASES);
        let mut fold = SeriesFold::new(phases.len());
        for (at_s, sample) in samples {
            fold.take(&phases, *at_s, sample);
        }
        [0, 1, 2].map(|phase| fold.result(phase, PHASES[phase]))
    }

    #[test]
    fn a_counter_is_a_rate_over_what_was_observed_and_none_of_less_than_half() {
        let [first, second, third] = folded(&[
            (0.0, SeriesSample::Counter(0.0)),
            (1.0, SeriesSample::Counter(100.0)),
            (3.0, SeriesSample::Counter(160.0)),
        ]);
        let counter = |increase, rate| Some(SeriesResult::Counter { increase, rate });
        assert_eq!(first, counter(130.0, 65.0));
        assert_eq!(second, counter(30.0, 30.0));
        assert_eq!(third, None);
        let [first, ..] = folded(&[(1.2, SeriesSample::Counter(0.0)), (2.0, SeriesSample::Counter(9.0))]);
        assert_eq!(first, None, "0.8 of 2 s");
    }

    #[test]
    fn a_gauge_is_the_largest_reading_of_the_phase() {
        let gauge = |at_s, value| (at_s, SeriesSample::Gauge(value));
        let [first, second, third] = folded(&[gauge(0.0, 3.0), gauge(1.0, -7.0), gauge(2.0, -5.0), gauge(6.0, 9.0)]);
        assert_eq!(first, Some(SeriesResult::Gauge { max: 3.0, last: -7.0 }));
        assert_eq!(second, Some(SeriesResult::Gauge { max: -5.0, last: -5.0 }));
        assert_eq!(third, None);
    }

    #[test]
    fn a_histogram_has_the_quantiles_of_its_growth_where_enough_values_came() {
        let at = |counts: [f64; 3]| {
            SeriesSample::Histogram(HistogramSample {
                buckets: vec![(0.1, counts[0]), (0.2, counts[1])],
                count: counts[2],
                sum: counts[2] / 10.0,
            })
        };
        // 600 below 0.1, 300 from there to 0.2, 100 above.
        let [first, ..] = folded(&[(0.0, at([50.0, 60.0, 70.0])), (2.0, at([650.0, 960.0, 1070.0]))]);
        let Some(SeriesResult::Histogram {
            count,
            mean,
            p50,
            p90,
            p99,
            p999,
        }) = first
        else {
            panic!("{first:?}")
        };
        assert_eq!((count, mean, p999), (1000, Some(0.1), None));
        assert!((p50.unwrap() - 0.1 * 500.0 / 600.0).abs() < 1e-12, "{p50:?}");
        assert_eq!(
            (p90, p99),
            (Some(0.2), Some(0.2)),
            "above the last bound only that is known"
        );
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let buckets = [(0.5, 10.0), (1.0, 30.0), (2.0, 40.0)];
        for (rank, value) in [
            (0.0, 0.0),
            (0.25, 0.5),
            (0.5, 0.75),
            (0.75, 1.0),
            (0.875, 1.5),
            (1.0, 2.0),
        ] {
            let found = quantile(&buckets, 40.0, rank).unwrap();
            assert!((found - value).abs() < 1e-12, "{rank}: {found}");
        }
        assert_eq!(quantile(&[(-1.0, 5.0), (1.0, 10.0)], 10.0, 0.3), Some(-1.0));
        assert_eq!(quantile(&[(1.0, 0.0), (2.0, 10.0)], 10.0, 0.5), Some(1.5));
        assert_eq!(quantile(&buckets, 0.0, 0.5), None);
        assert_eq!(quantile(&[], 5.0, 0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_bucket_that_holds_it_and_grows_with_its_rank(
            growths in prop::collection::vec(0u32..100, 1..8), beyond in 0u32..100, rank in 0.0..1.0f64
        ) {
            let mut sum = 0.0;
            let buckets: Vec<(f64, f64)> = growths.iter().zip(1..).map(|(by, bound)| {
                sum += f64::from(*by);
                (f64::from(bound), sum)
            }).collect();
            let count = sum + f64::from(beyond);
            let found = quantile(&buckets, count, rank);
            prop_assert_eq!(found.is_some(), count > 0.0);
            if let Some(found) = found {
                let place = buckets.iter().position(|(_, at_most)| *at_most >= rank * count && *at_most > 0.0);
                let (low, high) = match place {
                    Some(place) => (place as f64, place as f64 + 1.0),
                    None => (buckets.len() as f64, buckets.len() as f64),
                };
                prop_assert!(low <= found && found <= high, "{found} in {buckets:?}");
                prop_assert!(quantile(&buckets, count, (rank + 0.1).min(1.0)).unwrap() >= found);
            }
        }
    }
}
