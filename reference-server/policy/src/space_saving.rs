//! Finds the keys with the most weight, in fixed memory.
//!
//! Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data
//! streams", ICDT 2005): a fixed number of keys have a counter; a key without one takes over the smallest, whose count
//! becomes the possible error. Each counter also records which *cell* (a combination of labels) its weight came from
//! since it was taken over.
//!
//! **Bound**, for `counters` counters and a total weight of N (proved there for weights of one; for others by Berinde,
//! Indyk, Cormode and Strauss, "Space-optimal heavy hitters with strong error bounds", 2010): `at_least ≤ true weight ≤
//! at_most`; `at_most − at_least ≤ N / counters`; a key that weighs more than `N / counters` has a counter.
//!
//! Rejected: a sketch with a heap (finds the same keys, but cannot attribute a count to cells), `HeavyKeeper` (its
//! counts may be too small without a bound), a sorted list and an index as in the paper (with some hundreds of counters
//! two passes over a few KiB cost less than maintaining them).
//!
//! - **Cold:** until every counter is in use, all counts are exact.
//! - **Boundary:** of several smallest counters the first is taken over. Sums saturate at `u64::MAX`.

/// Counters for the heaviest keys.
#[derive(Debug, Clone)]
pub(crate) struct SpaceSaving {
    keys: Vec<u64>,
    /// Parallel to `keys`: upper bound of each key's weight.
    counts: Vec<u64>,
    /// Parallel to `keys`: how much of the count may belong to other keys.
    errors: Vec<u64>,
    /// Parallel to `keys`, `cells` each: the rest of the count by cell.
    by_cell: Vec<u64>,
    /// Total weight by cell.
    totals: Vec<u64>,
    counters: usize,
    /// No count is smaller: counts only grow.
    smallest: u64,
    /// All counts before this index are larger than `smallest`.
    larger_before: usize,
}

/// What a counter records of its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<'a> {
    pub(crate) error: u64,
    pub(crate) by_cell: &'a [u64],
}

impl SpaceSaving {
    pub(crate) fn new(counters: usize, cells: usize) -> Self {
        assert!(counters > 0 && cells > 0, "there is at least one of each");
        Self {
            keys: Vec::with_capacity(counters),
            counts: Vec::with_capacity(counters),
            errors: Vec::with_capacity(counters),
            by_cell: Vec::with_capacity(counters * cells),
            totals: vec![0; cells],
            counters,
            smallest: 0,
            larger_before: 0,
        }
    }

    pub(crate) fn record(&mut self, key: u64, cell: usize, weight: u64) {
        let at = self.counter_of(key);
        let place = at * self.totals.len() + cell;
        self.counts[at] = self.counts[at].saturating_add(weight);
        self.by_cell[place] = self.by_cell[place].saturating_add(weight);
        self.totals[cell] = self.totals[cell].saturating_add(weight);
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.counts.clear();
        self.errors.clear();
        self.by_cell.clear();
        self.totals.fill(0);
        (self.smallest, self.larger_before) = (0, 0);
    }

    pub(crate) fn keys(&self) -> &[u64] {
        &self.keys
    }

    pub(crate) fn totals(&self) -> &[u64] {
        &self.totals
    }

    pub(crate) fn get(&self, key: u64) -> Option<Counted<'_>> {
        let at = self.position(key)?;
        let cells = self.totals.len();
        Some(Counted {
            error: self.errors[at],
            by_cell: &self.by_cell[at * cells..][..cells],
        })
    }

    /// The largest possible weight of a key without a counter.
    pub(crate) fn unseen_max(&self) -> u64 {
        if self.keys.len() < self.counters {
            return 0;
        }
        self.counts.iter().copied().min().unwrap_or(0)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let numbers = [&self.keys, &self.counts, &self.errors, &self.by_cell, &self.totals];
        numbers
            .iter()
            .map(|numbers| numbers.capacity() * size_of::<u64>())
            .sum()
    }

    fn position(&self, key: u64) -> Option<usize> {
        self.keys.iter().position(|known| *known == key)
    }

    /// The counter of `key`: its own, an unused one, or the smallest of the others'.
    fn counter_of(&mut self, key: u64) -> usize {
        if let Some(at) = self.position(key) {
            return at;
        }
        let cells = self.totals.len();
        if self.keys.len() < self.counters {
            self.keys.push(key);
            self.counts.push(0);
            self.errors.push(0);
            self.by_cell.resize(self.by_cell.len() + cells, 0);
            return self.keys.len() - 1;
        }
        let at = self.smallest();
        self.keys[at] = key;
        self.errors[at] = self.counts[at];
        self.by_cell[at * cells..][..cells].fill(0);
        at
    }

    /// The first counter with the smallest count. Scans each count once for every value that the smallest takes.
    fn smallest(&mut self) -> usize {
        let at = self.find(self.larger_before).unwrap_or_else(|| {
            self.smallest = self
                .counts
                .iter()
                .copied()
                .min()
                .expect("there is at least one counter");
            self.find(0).expect("it is one of them")
        });
        self.larger_before = at;
        at
    }

    fn find(&self, from: usize) -> Option<usize> {
        let found = self.counts[from..].iter().position(|count| *count == self.smallest);
        found.map(|at| from + at)
    }
}
