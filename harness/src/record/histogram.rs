//! Durations in HDR histograms: 3 significant digits, 1 µs to 1 h, clipped values counted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

const MAX_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of durations, kept in microseconds.
#[derive(Debug, Clone)]
pub struct Durations {
    counts: Histogram<u64>,
    clipped: u64,
    /// Exact, in nanoseconds: a mean from buckets would carry their rounding.
    sum_ns: u128,
}

impl Default for Durations {
    fn default() -> Self {
        let mut counts = Histogram::new(SIGNIFICANT_DIGITS).expect("3 significant digits are allowed");
        counts.auto(true);
        Self {
            counts,
            clipped: 0,
            sum_ns: 0,
        }
    }
}

/// What was stored as a histogram is none.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode a histogram: {0}; the file was cut short or changed")]
pub struct DecodeError(String);

impl Durations {
    /// Adds one duration in nanoseconds, rounded to the nearest microsecond.
    pub fn record_ns(&mut self, ns: u64) {
        let us = ns.saturating_add(500) / 1000;
        if us > MAX_US {
            self.clipped += 1;
        }
        self.sum_ns += u128::from(ns);
        // Not `saturating_record`: that one saturates at the current size instead of growing.
        self.counts
            .record(us.clamp(1, MAX_US))
            .expect("an auto-resizing histogram takes any value");
    }

    /// Adds everything that `other` holds; the result is as if one histogram had recorded both.
    pub fn merge(&mut self, other: &Self) {
        self.counts
            .add(&other.counts)
            .expect("an auto-resizing histogram holds any other of its kind");
        self.clipped += other.clipped;
        self.sum_ns += other.sum_ns;
    }

    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Number of durations above one hour, which were recorded as one hour.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// The duration in microseconds that a part `quantile` (0 to 1) of all did not exceed; `None` of nothing.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        (self.count() > 0).then(|| self.counts.value_at_quantile(quantile))
    }

    /// Exact mean in microseconds; `None` of nothing.
    #[must_use]
    pub fn mean_us(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_ns as f64 / self.count() as f64 / 1e3)
    }

    /// Largest duration in microseconds, to 3 digits; `None` of nothing.
    #[must_use]
    pub fn max_us(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.counts.max())
    }

    /// HdrHistogram V2 encoding, base64.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.counts, &mut bytes)
            .expect("writing to memory cannot fail");
        STANDARD.encode(bytes)
    }

    /// Reads what [`Self::encoded`] wrote. The mean is then that of the buckets.
    ///
    /// # Errors
    /// When the text is not base64 of a V2 histogram.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let bytes = STANDARD.decode(text).map_err(|error| DecodeError(error.to_string()))?;
        let mut counts: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| DecodeError(error.to_string()))?;
        counts.auto(true);
        let sum_us = counts.mean() * counts.len() as f64;
        Ok(Self {
            counts,
            clipped: 0,
            sum_ns: (sum_us * 1e3) as u128,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Durations::default().quantile_us(0.5), None);
        assert_eq!(Durations::default().mean_us(), None);
        assert_eq!(Durations::default().max_us(), None);
    }

    #[test]
    fn what_is_over_an_hour_is_clipped_and_counted() {
        let mut durations = Durations::default();
        durations.record_ns(3_600_000_000_000);
        assert_eq!(durations.clipped(), 0);
        durations.record_ns(3_600_001_000_000);
        assert_eq!(durations.clipped(), 1);
        assert_eq!(durations.count(), 2);
        assert!(durations.max_us().unwrap() <= 3_602_000_000);
    }

    #[test]
    fn garbage_is_refused() {
        assert!(Durations::decode("*").is_err());
        assert!(Durations::decode("AAAA").is_err());
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(values in prop::collection::vec(0u64..4_000_000_000_000, 1..200), cut in 0usize..200) {
            let record = |values: &[u64]| {
                let mut durations = Durations::default();
                values.iter().for_each(|ns| durations.record_ns(*ns));
                durations
            };
            let (head, tail) = values.split_at(cut.min(values.len()));
            let mut merged = record(head);
            merged.merge(&record(tail));
            let whole = record(&values);
            prop_assert_eq!(merged.counts, whole.counts);
            prop_assert_eq!((merged.clipped, merged.sum_ns), (whole.clipped, whole.sum_ns));
        }

        #[test]
        fn an_encoded_histogram_reads_back(values in prop::collection::vec(0u64..10_000_000_000, 0..100)) {
            let mut durations = Durations::default();
            values.iter().for_each(|ns| durations.record_ns(*ns));
            let decoded = Durations::decode(&durations.encoded()).unwrap();
            prop_assert_eq!(decoded.counts, durations.counts);
        }

        #[test]
        fn quantiles_are_within_a_thousandth(mut values in prop::collection::vec(1_000_000u64..60_000_000_000, 1..300), quantile in 0.01..1.0f64) {
            let mut durations = Durations::default();
            values.iter().for_each(|ns| durations.record_ns(*ns));
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64 / 1e3;
            let read = durations.quantile_us(quantile).unwrap() as f64;
            prop_assert!((read / exact - 1.0).abs() < 0.0021, "{read} for {exact}");
        }
    }
}
