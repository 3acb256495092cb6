//! A histogram and the figures that people ask of it.

use serde::{Deserialize, Serialize};

use crate::record::Durations;

/// A quantile is given only where at least so many values lie above it: with fewer it is a draw of one or two requests.
pub const ABOVE_QUANTILE_MIN: f64 = 5.0;

/// The least number of values of which `quantile` (0 to 1) is given: 10 for the median, 50 for p90, 500 for p99, 5,000
/// for p99.9.
#[must_use]
pub fn samples_min(quantile: f64) -> u64 {
    (ABOVE_QUANTILE_MIN / (1.0 - quantile)).round() as u64
}

/// A histogram and the figures that people ask of it. All but `count` are `None` of nothing, and a quantile also where
/// there are too few values for it ([`samples_min`]).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantiles {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Least.
    pub min: Option<u64>,
    /// Median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// Largest.
    pub max: Option<u64>,
    /// HdrHistogram V2 in base64, in microseconds.
    pub hdr: Option<String>,
}

impl Quantiles {
    /// Whether they are those of nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Of a histogram of which `missing` further values never came about: they are longer than all, and a quantile that
    /// lies among them is `None`.
    #[must_use]
    pub fn with_missing(durations: &Durations, missing: u64) -> Self {
        let all = durations.count() + missing;
        let quantile = |quantile: f64| {
            let rank = (quantile * all as f64).ceil().max(1.0) as u64;
            (all >= samples_min(quantile))
                .then(|| durations.ranked_us(rank))
                .flatten()
        };
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            mean: durations.mean_us().filter(|_| missing == 0),
            max: durations.max_us().filter(|_| missing == 0),
            ..Self::from(durations)
        }
    }

    /// The same without the encoded histogram.
    #[must_use]
    pub fn without_histogram(self) -> Self {
        Self { hdr: None, ..self }
    }
}

impl From<&Durations> for Quantiles {
    fn from(durations: &Durations) -> Self {
        let quantile = |quantile: f64| {
            let enough = durations.count() >= samples_min(quantile);
            enough.then(|| durations.quantile_us(quantile)).flatten()
        };
        Self {
            count: durations.count(),
            mean: durations.mean_us(),
            min: durations.min_us(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: durations.max_us(),
            hdr: (!durations.is_empty()).then(|| durations.encoded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_ms(count: u64) -> Durations {
        let mut durations = Durations::default();
        (1..=count).for_each(|ms| durations.record_ns(ms * 1_000_000));
        durations
    }

    #[test]
    fn a_quantile_of_too_few_values_is_not_given() {
        let figures = |count| {
            let of = Quantiles::from(&first_ms(count));
            [of.p50, of.p90, of.p99, of.p999].map(|value| value.is_some())
        };
        assert_eq!(figures(9), [false, false, false, false]);
        assert_eq!(figures(10), [true, false, false, false]);
        assert_eq!(figures(300), [true, true, false, false], "no p99.9 of 300 requests");
        assert_eq!(figures(500), [true, true, true, false]);
        assert_eq!(figures(5_000), [true, true, true, true]);
    }

    #[test]
    fn what_never_arrived_is_longer_than_all_that_did() {
        let whole = Quantiles::with_missing(&first_ms(1_000), 0);
        assert_eq!(whole, Quantiles::from(&first_ms(1_000)));
        // 31 of 1,000 never came: the 99th percentile is one of them.
        let lossy = Quantiles::with_missing(&first_ms(969), 31);
        assert_eq!((lossy.p99, lossy.max, lossy.mean), (None, None, None));
        assert!(lossy.p50.unwrap().abs_diff(500_000) < 1_000, "{:?}", lossy.p50);
        assert!(lossy.p90.unwrap().abs_diff(900_000) < 1_000, "{:?}", lossy.p90);
        assert_eq!(lossy.count, 969);
    }
}
