//! Where values come from, and which one an arrival gets: a function of the seed and the arrival.

use std::str::FromStr;
use std::sync::Arc;

use rand::distr::Distribution as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::Zipf;
use rand_xoshiro::SplitMix64;

use super::table::Table;
use crate::arrival::{Arrival, mixed};

/// Keeps the choice of values apart from all else that follows from the same seed.
const VALUES: u64 = 0x7661_6C75_6573;

/// How an arrival's row is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    /// The rows one after the other, and again from the first; each traffic entry for itself.
    InTurn,
    /// Any of them, each as likely as another.
    Random,
    /// By the Zipf law with this exponent: the first row most often.
    Zipf(f64),
    /// Each row for one arrival.
    Once,
}

impl Pick {
    /// How it is written.
    pub const FORM: &'static str = "in_turn, random, once, or zipf with an exponent from 0 to 10, such as zipf 1.1";
}

impl FromStr for Pick {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["in_turn"] => Ok(Self::InTurn),
            ["random"] => Ok(Self::Random),
            ["once"] => Ok(Self::Once),
            ["zipf", exponent] => match exponent.parse::<f64>() {
                Ok(exponent) if (0.0..=10.0).contains(&exponent) => Ok(Self::Zipf(exponent)),
                _ => Err(()),
            },
            _ => Err(()),
        }
    }
}

/// Whole numbers from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: i64,
    last: i64,
}

impl Range {
    /// How it is written.
    pub const FORM: &'static str = "two whole numbers of at most fifteen digits, such as 1..100000; both are included, the second is not below the first";
    const MAX: u64 = 999_999_999_999_999;

    fn count(self) -> u64 {
        self.last.abs_diff(self.first) + 1
    }
}

impl FromStr for Range {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, last) = text.split_once("..").ok_or(())?;
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| ());
        let (first, last) = (number(first)?, number(last)?);
        let fits = first <= last && first.unsigned_abs() <= Self::MAX && last.unsigned_abs() <= Self::MAX;
        fits.then_some(Self { first, last }).ok_or(())
    }
}

/// What a source has to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Numbers.
    Range(Range),
    /// Rows of a file.
    Table(Table),
}

/// A named source of values.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    rows: Rows,
    pick: Pick,
    zipf: Option<Zipf<f64>>,
    /// Keeps its choices apart from those of other sources.
    salt: u64,
}

impl Source {
    /// A source that picks from `rows`.
    ///
    /// # Panics
    /// When the exponent of `zipf` is below 0, which [`Pick`] does not read.
    #[must_use]
    pub fn new(name: &str, rows: Rows, pick: Pick) -> Self {
        let count = count(&rows);
        let zipf = match pick {
            Pick::Zipf(exponent) => {
                Some(Zipf::new(count as f64, exponent).expect("there is a row, and the exponent is not below 0"))
            }
            Pick::InTurn | Pick::Random | Pick::Once => None,
        };
        Self {
            name: name.to_owned(),
            rows,
            pick,
            zipf,
            salt: name.bytes().fold(VALUES, |salt, byte| mixed(salt, u64::from(byte))),
        }
    }

    /// Its name in the workload.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        count(&self.rows)
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The row of an arrival, from 0.
    fn row(&self, seed: u64, arrival: &Arrival) -> u64 {
        let count = count(&self.rows);
        let rng = || SplitMix64::seed_from_u64(mixed(mixed(seed, arrival.flow as u64 + 1), arrival.ordinal));
        match (self.pick, self.zipf) {
            (Pick::InTurn | Pick::Once, _) => arrival.ordinal % count,
            (_, Some(zipf)) => (zipf.sample(&mut rng()) as u64).clamp(1, count) - 1,
            (_, None) => rng().random_range(0..count),
        }
    }
}

fn count(rows: &Rows) -> u64 {
    match rows {
        Rows::Range(range) => range.count(),
        Rows::Table(table) => table.rows() as u64,
    }
}

/// All sources of a workload, and what a step of a session knows besides.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    sources: Arc<[Source]>,
    /// Names of those that could not be made.
    broken: Vec<String>,
    /// Names that earlier steps have captured, by slot; `None` of a slot that is filled later.
    captured: Vec<Option<String>>,
    /// Names that are captured later, and where.
    later: Vec<(String, String)>,
}

impl Sources {
    /// These sources, beside which there are others that could not be made.
    #[must_use]
    pub fn new(sources: Vec<Source>, broken: Vec<String>) -> Self {
        Self {
            sources: sources.into(),
            broken,
            ..Self::default()
        }
    }

    /// The same, with names that earlier steps have captured, by slot, and those that are captured later, and where.
    pub(crate) fn knowing(&self, captured: Vec<Option<String>>, later: Vec<(String, String)>) -> Self {
        Self {
            captured,
            later,
            ..self.clone()
        }
    }

    /// The slot of a captured name.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        let mut captured = self.captured.iter();
        captured.position(|captured| captured.as_deref() == Some(name))
    }

    /// Where a name is captured that is not known yet.
    pub(super) fn captured_later(&self, name: &str) -> Option<&str> {
        let mut later = self.later.iter();
        later.find(|(later, _)| later == name).map(|(_, place)| place.as_str())
    }

    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|broken| broken == name)
    }

    /// Whether there is a source of this name, even one that could not be made.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some() || self.is_broken(name)
    }

    /// Those that give each row to one arrival.
    pub(crate) fn once(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.pick == Pick::Once)
    }

    pub(super) fn name(&self, source: usize) -> &str {
        &self.sources[source].name
    }

    /// All names, of those that could not be made as well.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let broken = self.broken.iter().map(String::as_str);
        let captured = self.captured.iter().flatten().map(String::as_str);
        self.sources.iter().map(Source::name).chain(broken).chain(captured)
    }

    pub(super) fn find(&self, name: &str) -> Option<(usize, &Source)> {
        self.sources.iter().enumerate().find(|(_, source)| source.name == name)
    }

    /// Name and rows of a source whose rows are a file's.
    pub(super) fn table(&self, source: usize) -> Option<(&str, &Table)> {
        match &self.sources[source] {
            Source {
                name,
                rows: Rows::Table(table),
                ..
            } => Some((name.as_str(), table)),
            _ => None,
        }
    }

    /// Rows of a source, and which of them is the arrival's.
    pub(super) fn pick(&self, source: usize, seed: u64, arrival: &Arrival) -> (&Rows, u64) {
        let chosen = &self.sources[source];
        let row = chosen.row(mixed(seed, chosen.salt), arrival);
        (&chosen.rows, row)
    }
}

impl Range {
    /// The number in a row, from 0.
    pub(super) fn number(self, row: u64) -> i64 {
        self.first + i64::try_from(row).expect("a range has fewer numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(flow: usize, ordinal: u64) -> Arrival {
        Arrival {
            intended_ns: 0,
            flow,
            ordinal,
            item: 0,
            host: 0,
        }
    }

    fn range(pick: Pick) -> Source {
        Source::new("id", Rows::Range("10..19".parse().unwrap()), pick)
    }

    #[test]
    fn picks_and_ranges_are_read() {
        assert_eq!("in_turn".parse(), Ok(Pick::InTurn));
        assert_eq!("zipf  1.5".parse(), Ok(Pick::Zipf(1.5)));
        assert_eq!("once".parse(), Ok(Pick::Once));
        for text in ["", "zipf", "zipf -1", "zipf 11", "zipf x", "random 3", "twice"] {
            assert_eq!(text.parse::<Pick>(), Err(()), "{text}");
        }
        let range: Range = "-3..3".parse().unwrap();
        assert_eq!((range.count(), range.number(0), range.number(6)), (7, -3, 3));
        for text in [
            "",
            "1",
            "3..1",
            "1...3",
            "a..b",
            "0..1000000000000000",
            "-9223372036854775808..0",
        ] {
            assert_eq!(text.parse::<Range>(), Err(()), "{text}");
        }
    }

    #[test]
    fn rows_are_taken_in_turn_by_each_entry() {
        let source = range(Pick::InTurn);
        let rows: Vec<u64> = (0..12).map(|ordinal| source.row(1, &arrival(0, ordinal))).collect();
        assert_eq!(rows, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        assert_eq!(source.row(1, &arrival(3, 0)), 0);
    }

    #[test]
    fn a_random_row_follows_from_seed_and_arrival_and_all_rows_are_as_likely() {
        let source = range(Pick::Random);
        let rows = |seed, flow| -> Vec<u64> {
            (0..10_000)
                .map(|ordinal| source.row(seed, &arrival(flow, ordinal)))
                .collect()
        };
        assert_eq!(rows(1, 0), rows(1, 0));
        assert_ne!(rows(1, 0), rows(2, 0));
        assert_ne!(rows(1, 0), rows(1, 1));
        for row in 0..10 {
            let hits = rows(1, 0).iter().filter(|hit| **hit == row).count();
            // Four standard deviations of a binomial count are 120.
            assert!((880..=1_120).contains(&hits), "row {row}: {hits}");
        }
    }

    #[test]
    fn zipf_takes_each_row_as_often_as_the_law_says() {
        let source = range(Pick::Zipf(1.0));
        let mut hits = [0_u32; 10];
        for ordinal in 0..10_000 {
            hits[source.row(1, &arrival(0, ordinal)) as usize] += 1;
        }
        let sum: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank)).sum();
        for (rank, hits) in (1..).zip(hits) {
            let expected = 10_000.0 / f64::from(rank) / sum;
            assert!(
                (f64::from(hits) - expected).abs() < 4.0 * expected.sqrt(),
                "rank {rank}: {hits} of {expected}"
            );
        }
    }
}
