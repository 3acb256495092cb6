//! Finds the keys with the most recent weight, and the labels it came from.
//!
//! Two generations of [Space-Saving](crate::space_saving) counters: all weight goes to the younger one. At age `span`
//! it becomes the older one, and the previous older one is discarded. An answer sums both, and so covers between one
//! and two spans.
//!
//! **Bound.** For every key: `at_least ≤ weight in the time covered ≤ at_most`, also over a selection of cells; they
//! differ by at most `N / counters` for each generation, N being the generation's total weight. A key that weighs more
//! than that in one of them is not missed; a selection of cells finds its keys only among those that are heavy over all
//! cells.
//!
//! Rejected: decaying counts (the figure covers no definite time), a ring of many generations (the errors of all add
//! up), one generation (every rotation would show an empty list).
//!
//! - **Cold:** covers the time since the first use. After a pause of two spans nothing is left.
//! - **Boundary:** the generations change at exactly `span`. A record older than the newest counts as new.

use std::time::Duration;

use crate::space_saving::SpaceSaving;

/// Size of the counts; the memory is about `16 B × counters × (cells + 3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopSize {
    /// Keys that have a counter, 1 to 4096.
    pub counters: usize,
    /// Cells that divide a key's weight, 1 to 1000.
    pub cells: usize,
    /// Age at which a generation is closed.
    pub span: Duration,
}

/// Why counts of this size cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTop {
    /// Zero, or too many to scan.
    #[error("{0} counters are out of range, expected 1 to 4096")]
    Counters(usize),
    /// Zero, or too many to hold for every counter.
    #[error("{0} cells are out of range, expected 1 to 1000")]
    Cells(usize),
    /// With a span of zero every record would begin a generation.
    #[error("a span of 0 is out of range, expected any longer time")]
    Span,
}

/// The heaviest keys of the recent past.
#[derive(Debug)]
pub struct RecentTop {
    size: TopSize,
    young: SpaceSaving,
    old: SpaceSaving,
    young_since: Duration,
    old_since: Duration,
    now: Duration,
}

/// One key and its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopEntry {
    /// The key.
    pub key: u64,
    /// Lower bound of its weight.
    pub at_least: u64,
    /// Upper bound of its weight.
    pub at_most: u64,
    /// `at_least` by cell; 0 for cells that were not selected.
    pub by_cell: Vec<u64>,
}

impl RecentTop {
    /// # Errors
    /// [`InvalidTop`] names what is out of range.
    pub fn try_new(size: TopSize) -> Result<Self, InvalidTop> {
        if !(1..=4096).contains(&size.counters) {
            return Err(InvalidTop::Counters(size.counters));
        }
        if !(1..=1000).contains(&size.cells) {
            return Err(InvalidTop::Cells(size.cells));
        }
        if size.span.is_zero() {
            return Err(InvalidTop::Span);
        }
        Ok(Self {
            size,
            young: SpaceSaving::new(size.counters, size.cells),
            old: SpaceSaving::new(size.counters, size.cells),
            young_since: Duration::ZERO,
            old_since: Duration::ZERO,
            now: Duration::ZERO,
        })
    }

    /// Adds to the weight of `key`; an out-of-range `cell` counts as the last.
    pub fn record(&mut self, key: u64, cell: usize, weight: u64, now: Duration) {
        self.advance(now);
        self.young.record(key, cell.min(self.size.cells - 1), weight);
    }

    /// The `limit` heaviest keys as of `now`, ordered by the lower bound of their weight in the cells for which
    /// `selects` returns true; keys without any are left out.
    pub fn top(&mut self, limit: usize, now: Duration, selects: impl Fn(usize) -> bool) -> Vec<TopEntry> {
        self.advance(now);
        let olds = self.old.keys().iter().filter(|key| self.young.get(**key).is_none());
        let keys = self.young.keys().iter().chain(olds);
        let mut entries: Vec<TopEntry> = keys.map(|key| self.entry(*key, &selects)).collect();
        entries.retain(|entry| entry.at_least > 0);
        entries.sort_unstable_by_key(|entry| (std::cmp::Reverse(entry.at_least), entry.key));
        entries.truncate(limit);
        entries
    }

    /// The weight of all keys together, by cell, as of `now`; keys without a counter included.
    pub fn totals(&mut self, now: Duration) -> Vec<u64> {
        self.advance(now);
        let both = self.young.totals().iter().zip(self.old.totals());
        both.map(|(young, old)| young.saturating_add(*old)).collect()
    }

    /// How long before `now` the counts begin.
    pub fn covers(&mut self, now: Duration) -> Duration {
        self.advance(now);
        self.now - self.old_since
    }

    /// Bytes held at most.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.young.memory_bytes() + self.old.memory_bytes()
    }

    fn entry(&self, key: u64, selects: impl Fn(usize) -> bool) -> TopEntry {
        let (mut by_cell, mut error) = (vec![0_u64; self.size.cells], 0_u64);
        for generation in [&self.young, &self.old] {
            let Some(counted) = generation.get(key) else {
                error = error.saturating_add(generation.unseen_max());
                continue;
            };
            error = error.saturating_add(counted.error);
            for (cell, weight) in counted.by_cell.iter().enumerate().filter(|(cell, _)| selects(*cell)) {
                by_cell[cell] = by_cell[cell].saturating_add(*weight);
            }
        }
        let at_least = by_cell.iter().fold(0_u64, |sum, weight| sum.saturating_add(*weight));
        TopEntry {
            key,
            at_least,
            at_most: at_least.saturating_add(error),
            by_cell,
        }
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let age = self.now - self.young_since;
        if age < self.size.span {
            return;
        }
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.old_since = self.young_since;
        self.young_since = self.now;
        if age >= self.size.span * 2 {
            self.old.clear();
            self.old_since = self.now;
        }
    }
}
