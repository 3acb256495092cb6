//! Durations in HDR histograms: 3 significant digits, 1 µs to 1 h, clipped values counted; count, sum, least and
//! largest are exact.
//!
//! A histogram written and read back is the same histogram: nothing that analysis asks for is lost on the way through a
//! file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HdrDeserializer, Serializer as _, V2Serializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MAX_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of durations, kept in microseconds.
#[derive(Clone, PartialEq)]
pub struct Durations {
    counts: Histogram<u64>,
    exact: Exact,
}

/// What buckets would round. Nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Exact {
    sum_ns: u64,
    /// Undefined of nothing.
    min_ns: u64,
    max_ns: u64,
    clipped: u64,
}

/// The thousands of counts would hide everything else.
impl std::fmt::Debug for Durations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Durations({} of {:?} to {:?} us)",
            self.count(),
            self.min_us(),
            self.max_us()
        )
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            counts: growing(Histogram::new(SIGNIFICANT_DIGITS).expect("3 significant digits are allowed")),
            exact: Exact::default(),
        }
    }
}

fn growing(mut counts: Histogram<u64>) -> Histogram<u64> {
    counts.auto(true);
    counts
}

/// What was stored as a histogram is none.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode a histogram: {0}; the file was cut short or changed")]
pub struct DecodeError(String);

impl Durations {
    /// Adds one duration in nanoseconds, rounded to the nearest microsecond.
    pub fn record_ns(&mut self, ns: u64) {
        let us = ns.saturating_add(500) / 1000;
        let is_first = self.counts.is_empty();
        let exact = &mut self.exact;
        exact.clipped += u64::from(us > MAX_US);
        // In nanoseconds 64 bits hold 584 years.
        exact.sum_ns = exact.sum_ns.saturating_add(ns);
        exact.min_ns = if is_first { ns } else { exact.min_ns.min(ns) };
        exact.max_ns = exact.max_ns.max(ns);
        // Not `saturating_record`: that one saturates at the current size instead of growing.
        self.counts
            .record(us.clamp(1, MAX_US))
            .expect("an auto-resizing histogram takes any value");
    }

    /// Adds everything that `other` holds; the result is as if one histogram had recorded both.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let min_ns = if self.is_empty() {
            other.exact.min_ns
        } else {
            self.exact.min_ns.min(other.exact.min_ns)
        };
        self.exact = Exact {
            sum_ns: self.exact.sum_ns.saturating_add(other.exact.sum_ns),
            min_ns,
            max_ns: self.exact.max_ns.max(other.exact.max_ns),
            clipped: self.exact.clipped + other.exact.clipped,
        };
        self.counts
            .add(&other.counts)
            .expect("an auto-resizing histogram holds any other of its kind");
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Number of durations above one hour, which the buckets hold as one hour.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.exact.clipped
    }

    /// The duration in microseconds that a part `quantile` (0 to 1) of all did not exceed; `None` of nothing.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.counts.value_at_quantile(quantile))
    }

    /// The duration in microseconds at `rank` (from 1) in order of length; `None` where there are not so many.
    ///
    /// This is the quantile among durations some of which are missing because they never ended: what never ended is
    /// longer than all.
    #[must_use]
    pub fn ranked_us(&self, rank: u64) -> Option<u64> {
        let count = self.count();
        (1..=count)
            .contains(&rank)
            .then(|| self.counts.value_at_quantile((rank as f64 - 0.5) / count as f64))
    }

    /// Exact mean in microseconds; `None` of nothing.
    #[must_use]
    pub fn mean_us(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.exact.sum_ns as f64 / self.count() as f64 / 1e3)
    }

    /// Exact largest duration in microseconds; `None` of nothing.
    #[must_use]
    pub fn max_us(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.exact.max_ns.saturating_add(500) / 1000)
    }

    /// Exact least duration in microseconds; `None` of nothing.
    #[must_use]
    pub fn min_us(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.exact.min_ns.saturating_add(500) / 1000)
    }

    /// HdrHistogram V2 encoding of the buckets, base64.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.counts, &mut bytes)
            .expect("writing to memory cannot fail");
        STANDARD.encode(bytes)
    }

    /// Reads the buckets that [`Self::encoded`] wrote. Sum, least and largest are then those of the buckets: the
    /// lossless form is the serde one.
    ///
    /// # Errors
    /// When the text is not base64 of a V2 histogram.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let counts = decoded(text)?;
        let exact = Exact {
            sum_ns: (counts.mean() * counts.len() as f64 * 1e3) as u64,
            min_ns: counts.min() * 1000,
            max_ns: counts.max() * 1000,
            clipped: 0,
        };
        Ok(Self { counts, exact })
    }
}

fn decoded(text: &str) -> Result<Histogram<u64>, DecodeError> {
    let bytes = STANDARD.decode(text).map_err(|error| DecodeError(error.to_string()))?;
    let counts = HdrDeserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| DecodeError(error.to_string()))?;
    Ok(growing(counts))
}

/// How a histogram is written.
#[derive(Serialize, Deserialize)]
struct Written {
    count: u64,
    sum_ns: u64,
    min_ns: u64,
    max_ns: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    clipped: u64,
    hdr: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            count: self.count(),
            sum_ns: self.exact.sum_ns,
            min_ns: self.exact.min_ns,
            max_ns: self.exact.max_ns,
            clipped: self.exact.clipped,
            hdr: self.encoded(),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Durations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let counts = decoded(&written.hdr).map_err(de::Error::custom)?;
        if counts.len() != written.count {
            let text = format!(
                "a histogram says that it holds {} durations and holds {}; the file was changed",
                written.count,
                counts.len()
            );
            return Err(de::Error::custom(text));
        }
        let exact = Exact {
            sum_ns: written.sum_ns,
            min_ns: written.min_ns,
            max_ns: written.max_ns,
            clipped: written.clipped,
        };
        Ok(Self { counts, exact })
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
        assert_eq!(
            durations.max_us(),
            Some(3_600_001_000),
            "the largest is exact all the same"
        );
        assert!(durations.quantile_us(1.0).unwrap() <= 3_602_000_000);
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
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(merged.min_us(), values.iter().min().map(|ns| (ns + 500) / 1000));
            prop_assert_eq!(merged.max_us(), values.iter().max().map(|ns| (ns + 500) / 1000));
        }

        #[test]
        fn a_written_histogram_reads_back_as_the_same(values in prop::collection::vec(0u64..4_000_000_000_000, 0..100)) {
            let mut durations = Durations::default();
            values.iter().for_each(|ns| durations.record_ns(*ns));
            let text = serde_json::to_string(&durations).unwrap();
            let read: Durations = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &durations);
            prop_assert_eq!(Durations::decode(&durations.encoded()).unwrap().counts, durations.counts);
        }

        #[test]
        fn a_rank_is_the_quantile_of_all_that_should_be_there(arrived in 1u64..400, missing in 0u64..400) {
            let mut durations = Durations::default();
            (1..=arrived).for_each(|ms| durations.record_ns(ms * 1_000_000));
            let rank = ((arrived + missing) as f64 * 0.99).ceil() as u64;
            let exact = (rank <= arrived).then_some(rank as f64 * 1e3);
            match (durations.ranked_us(rank), exact) {
                (Some(read), Some(exact)) => prop_assert!((read as f64 / exact - 1.0).abs() < 0.002, "{read} for {exact}"),
                (read, exact) => prop_assert!(read.is_none() && exact.is_none(), "{read:?} for {exact:?}"),
            }
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
