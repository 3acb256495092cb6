//! Counts how often each key was seen in the last `window`, in memory that does not depend on the number of keys.
//!
//! A count-min sketch (Cormode and Muthukrishnan 2005) per sub-window, in a ring, and the sum of the ring kept beside
//! it. Recording adds one to `depth` cells of the newest sub-window and of the sum; when time enters a new sub-window,
//! the oldest is subtracted from the sum and cleared. The ring holds one sub-window more than the window, so whatever
//! the position of `now` in its sub-window, the whole of `[now − window, now]` is counted, and nothing older than a
//! further sub-window.
//!
//! **Bound.** An estimate is never less than the key's true count in `[now − window, now]`. It exceeds the true count
//! in the last `window + sub-window` by more than `e / width × all records in that time` with probability at most
//! `e^−depth`, over the seed (their theorem 1). With 4096 cells and 4 rows: 0.066 % of all records, exceeded by one key
//! in 55.
//!
//! Rejected: two tumbling windows (up to twice the limit passes across a boundary), a map of exact counters (grows with
//! the number of ids, and clients can invent ids), conservative update (tighter, but reads before each write),
//! exponential decay (no window for a limit to refer to).
//!
//! - **Cold:** all counts are 0; the same after a pause of more than the window.
//! - **Boundary:** a record exactly `window` old still counts.
//! - **Clock:** time does not run backwards; a record older than the newest one counts as if it arrived with it, so for
//!   longer, never for less long.

use std::time::Duration;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::nanos::nanos;
use crate::row_hash::RowHash;

/// Size of a sketch; its memory is `4 B × width × depth × (sub_windows + 2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SketchSize {
    /// `width = 2^width_bits` cells in a row, 1 to 24 bits.
    pub width_bits: u32,
    /// Rows, 1 to 16.
    pub depth: usize,
    /// Sub-windows per window, 1 to 1000.
    pub sub_windows: u32,
}

impl Default for SketchSize {
    /// 4096 × 4 cells, ten sub-windows: 768 KiB.
    fn default() -> Self {
        Self {
            width_bits: 12,
            depth: 4,
            sub_windows: 10,
        }
    }
}

/// Why a sketch cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSketch {
    /// Not from 1 to 24 bits.
    #[error("a row of 2^{0} cells is out of range, expected 1 to 24 bits")]
    Width(u32),
    /// Not from 1 to 16 rows.
    #[error("{0} rows are out of range, expected 1 to 16")]
    Depth(usize),
    /// Not from 1 to 1000 sub-windows.
    #[error("{0} sub-windows are out of range, expected 1 to 1000")]
    SubWindows(u32),
    /// A sub-window would be shorter than the clock's resolution.
    #[error("a window of {0:?} is out of range, expected a microsecond per sub-window to 1 day")]
    Window(Duration),
}

/// The sketch and its ring.
#[derive(Debug)]
pub(crate) struct SlidingSketch {
    rows: Box<[RowHash]>,
    width_bits: u32,
    sub_window_ns: u64,
    /// Number of the sub-window being filled, since the origin.
    newest: u64,
    /// First nanosecond after it.
    newest_end_ns: u64,
    /// `sub_windows + 1` times `cells`.
    ring: Box<[u32]>,
    /// The sum of the ring, row after row.
    sum: Box<[u32]>,
}

const DAY: Duration = Duration::from_secs(86_400);

impl SlidingSketch {
    pub(crate) fn try_new(window: Duration, size: SketchSize, seed: u64) -> Result<Self, InvalidSketch> {
        if !(1..=24).contains(&size.width_bits) {
            return Err(InvalidSketch::Width(size.width_bits));
        }
        if !(1..=16).contains(&size.depth) {
            return Err(InvalidSketch::Depth(size.depth));
        }
        if !(1..=1000).contains(&size.sub_windows) {
            return Err(InvalidSketch::SubWindows(size.sub_windows));
        }
        let sub_window_ns = sub_window_ns(window, size.sub_windows)?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let cells = size.depth << size.width_bits;
        Ok(Self {
            rows: (0..size.depth)
                .map(|_| RowHash::new(size.width_bits, &mut rng))
                .collect(),
            width_bits: size.width_bits,
            sub_window_ns,
            newest: 0,
            newest_end_ns: sub_window_ns,
            ring: vec![0; cells * (size.sub_windows as usize + 1)].into(),
            sum: vec![0; cells].into(),
        })
    }

    /// Counts `key` once; returns its estimate, this record included.
    pub(crate) fn record(&mut self, key: u64, now: Duration) -> u32 {
        self.advance(now);
        let base = self.base(self.newest);
        let mut estimate = u32::MAX;
        for (row, hash) in self.rows.iter().enumerate() {
            let cell = (row << self.width_bits) + hash.cell(key);
            // One thread cannot make four billion records in a window; if it did, the count would stay large.
            self.ring[base + cell] = self.ring[base + cell].saturating_add(1);
            self.sum[cell] = self.sum[cell].saturating_add(1);
            estimate = estimate.min(self.sum[cell]);
        }
        estimate
    }

    /// The estimate for `key` as of the latest time passed to [`Self::advance`] or [`Self::record`].
    pub(crate) fn estimate(&self, key: u64) -> u32 {
        let cells = self.rows.iter().enumerate();
        let counts = cells.map(|(row, hash)| self.sum[(row << self.width_bits) + hash.cell(key)]);
        counts.min().expect("there is at least one row")
    }

    /// Forgets what has left the window by `now`; `true` when time has entered a new sub-window.
    pub(crate) fn advance(&mut self, now: Duration) -> bool {
        let now_ns = nanos(now);
        if now_ns < self.newest_end_ns {
            return false;
        }
        let newest = now_ns / self.sub_window_ns;
        let slots = (self.ring.len() / self.sum.len()) as u64;
        // Entering a sub-window overwrites the oldest; after a long pause all are old.
        for entered in (self.newest + 1..=newest).take(self.ring.len() / self.sum.len()) {
            let base = self.base(entered % slots);
            let oldest = &mut self.ring[base..base + self.sum.len()];
            for (sum, old) in self.sum.iter_mut().zip(oldest) {
                *sum = sum.saturating_sub(*old);
                *old = 0;
            }
        }
        self.newest = newest;
        self.newest_end_ns = (newest + 1).saturating_mul(self.sub_window_ns);
        true
    }

    /// When the estimate for `key` will be below `count` if nothing more is recorded: the end of some sub-window's time
    /// in the ring.
    ///
    /// Only the row that gives the estimate is followed. Where keys collide another row may fall a little sooner, but
    /// four walks cost four times as much, and only keys over their limit ask.
    pub(crate) fn falls_below(&self, key: u64, count: u32) -> Duration {
        let slots = self.ring.len() / self.sum.len();
        let cells = self.rows.iter().enumerate();
        let cells = cells.map(|(row, hash)| (row << self.width_bits) + hash.cell(key));
        let cell = cells
            .min_by_key(|&cell| self.sum[cell])
            .expect("there is at least one row");
        let (mut left, mut sub_window) = (self.sum[cell], (self.newest + 1).saturating_sub(slots as u64));
        let mut at = self.base(sub_window) + cell;
        while sub_window < self.newest {
            left = left.saturating_sub(self.ring[at]);
            if left < count {
                break;
            }
            sub_window += 1;
            at += self.sum.len();
            if at >= self.ring.len() {
                at = cell;
            }
        }
        let left_at = sub_window.saturating_add(slots as u64);
        Duration::from_nanos(left_at.saturating_mul(self.sub_window_ns))
    }

    /// Counts over another window from now on. Existing counts are treated as if they had all arrived at `now`: for
    /// longer than they should, never for less long. What has been forgotten stays forgotten.
    pub(crate) fn change_window(&mut self, window: Duration, now: Duration) -> Result<(), InvalidSketch> {
        let slots = u32::try_from(self.ring.len() / self.sum.len()).expect("at most 1001 sub-windows");
        self.sub_window_ns = sub_window_ns(window, slots - 1)?;
        self.newest = nanos(now) / self.sub_window_ns;
        self.newest_end_ns = (self.newest + 1).saturating_mul(self.sub_window_ns);
        self.ring.fill(0);
        let base = self.base(self.newest);
        self.ring[base..base + self.sum.len()].copy_from_slice(&self.sum);
        Ok(())
    }

    pub(crate) fn sub_window(&self) -> Duration {
        Duration::from_nanos(self.sub_window_ns)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.ring) + size_of_val(&*self.sum) + size_of_val(&*self.rows)
    }

    /// Offset of a sub-window's cells in the ring.
    fn base(&self, sub_window: u64) -> usize {
        let slots = self.ring.len() / self.sum.len();
        (sub_window % slots as u64) as usize * self.sum.len()
    }
}

/// Rounded up: the sub-windows together are at least the window.
fn sub_window_ns(window: Duration, sub_windows: u32) -> Result<u64, InvalidSketch> {
    let each = nanos(window).div_ceil(u64::from(sub_windows));
    if each < 1000 || window > DAY {
        return Err(InvalidSketch::Window(window));
    }
    Ok(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sketch() -> SlidingSketch {
        SlidingSketch::try_new(SECOND, SketchSize::default(), 1).unwrap()
    }

    #[test]
    fn a_record_counts_for_the_window_and_at_most_a_sub_window_more() {
        for at in [0, 1, 50, 99, 100, 12_345] {
            let mut sketch = sketch();
            assert_eq!(sketch.record(7, ms(at)), 1);
            sketch.advance(ms(at + 1000));
            assert_eq!(sketch.estimate(7), 1, "recorded at {at} ms: exactly one window old");
            sketch.advance(ms(at + 1100));
            assert_eq!(sketch.estimate(7), 0, "recorded at {at} ms: a sub-window later");
        }
    }

    #[test]
    fn a_long_pause_empties_the_sketch_and_an_older_record_counts_as_new() {
        let mut sketch = sketch();
        for _ in 0..50 {
            sketch.record(7, ms(5000));
        }
        assert_eq!(sketch.record(7, ms(3000)), 51, "from the past");
        sketch.advance(ms(6000));
        assert_eq!(sketch.estimate(7), 51);
        sketch.advance(Duration::from_secs(86_400 * 365));
        assert_eq!(sketch.estimate(7), 0);
        assert!(sketch.sum.iter().chain(&*sketch.ring).all(|cell| *cell == 0));
        assert_eq!(sketch.record(7, Duration::MAX), 1, "the end of time");
    }

    #[test]
    fn estimates_are_within_the_bound_of_the_paper() {
        let size = SketchSize {
            width_bits: 8,
            ..SketchSize::default()
        };
        let mut sketch = SlidingSketch::try_new(SECOND, size, 3).unwrap();
        // Key k is recorded once for each multiple of k below 40,000: few keys often, most once.
        let keys = 1..40_000_u64;
        let truth = |key: u64| u32::try_from(39_999 / key).unwrap();
        let mut all = 0;
        for key in keys.clone() {
            for _ in 0..truth(key) {
                sketch.record(key, ms(1));
                all += 1;
            }
        }
        let error_max = std::f64::consts::E / 256.0 * f64::from(all);
        let over = keys
            .clone()
            .filter(|key| f64::from(sketch.estimate(*key) - truth(*key)) > error_max)
            .count();
        assert!(
            over as f64 <= 39_999.0 * (-4.0_f64).exp(),
            "{over} keys are over the bound"
        );
        assert!(
            keys.clone().any(|key| sketch.estimate(key) > truth(key)),
            "so narrow a sketch must err"
        );
        for key in keys.step_by(100) {
            let before = sketch.estimate(key);
            assert_eq!(
                sketch.record(key, ms(1)),
                before + 1,
                "recording estimates as asking does: {key}"
            );
        }
    }

    #[test]
    fn falls_below_predicts_when_an_estimate_drops() {
        let mut sketch = sketch();
        for at in [50, 50, 450, 999] {
            sketch.record(7, ms(at));
        }
        // Each record leaves with its sub-window, one window after the sub-window's end.
        for (count, at) in [(4, 1100), (3, 1100), (2, 1500), (1, 2000)] {
            assert_eq!(sketch.falls_below(7, count), ms(at), "below {count}");
            let (mut before, mut then) = (sketch_of(&[50, 50, 450, 999]), sketch_of(&[50, 50, 450, 999]));
            before.advance(ms(at) - Duration::from_nanos(1));
            then.advance(ms(at));
            assert!(before.estimate(7) >= count && then.estimate(7) < count, "below {count}");
        }
    }

    #[test]
    fn a_change_of_window_keeps_counts_for_at_least_as_long() {
        let mut sketch = sketch_of(&[50, 450, 999]);
        sketch.change_window(SECOND * 2, ms(1000)).unwrap();
        sketch.advance(ms(3000));
        assert_eq!(sketch.estimate(7), 3, "a new window after the change");
        assert_eq!(sketch.record(7, ms(3000)), 4);
        assert_eq!(sketch.falls_below(7, 4), ms(3200));
        sketch.advance(ms(3200));
        assert_eq!(sketch.estimate(7), 1);
        sketch.change_window(ms(10), ms(3200)).unwrap();
        sketch.advance(ms(3210));
        assert_eq!(sketch.estimate(7), 1);
        sketch.advance(ms(3211));
        assert_eq!(sketch.estimate(7), 0);
        assert_eq!(
            sketch.change_window(Duration::ZERO, ms(4000)),
            Err(InvalidSketch::Window(Duration::ZERO))
        );
    }

    fn sketch_of(records: &[u64]) -> SlidingSketch {
        let mut sketch = sketch();
        for at in records {
            sketch.record(7, ms(*at));
        }
        sketch
    }

    #[test]
    fn invalid_parameters_are_rejected() {
        let new = |window, width_bits, depth, sub_windows| {
            let size = SketchSize {
                width_bits,
                depth,
                sub_windows,
            };
            SlidingSketch::try_new(window, size, 0).map(|_| ()).unwrap_err()
        };
        assert_eq!(new(SECOND, 25, 4, 10), InvalidSketch::Width(25));
        assert_eq!(new(SECOND, 0, 4, 10), InvalidSketch::Width(0));
        assert_eq!(new(SECOND, 12, 0, 10), InvalidSketch::Depth(0));
        assert_eq!(new(SECOND, 12, 4, 0), InvalidSketch::SubWindows(0));
        assert_eq!(new(Duration::ZERO, 12, 4, 10), InvalidSketch::Window(Duration::ZERO));
        assert_eq!(new(DAY * 2, 12, 4, 10), InvalidSketch::Window(DAY * 2));
    }
}
