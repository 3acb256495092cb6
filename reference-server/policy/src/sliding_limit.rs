//! Decides whether something may happen once more, or has happened too often lately.
//!
//! Admissions are counted per key over a sliding window ([`SketchSize`]'s module), and the next one is granted only
//! while the estimate is below the limit. The estimate is never less than the true count, so the limit holds; the price
//! of fixed memory is that some keys are rejected slightly early.
//!
//! Guarantees, each with a test of its own:
//! - **Never over the limit** in *any* window, wherever it begins, whatever collides, from however many threads.
//! - **Nearly all of the limit is usable.** An admission counts for up to one sub-window more than the window, so a key
//!   that is always in demand gets at least `sub_windows / (sub_windows + 1)` of the limit: 97.6 % by default.
//! - **Collisions only reject.** A key is rejected early by more than `e / width` of what its stripe has admitted in
//!   the window with probability at most `e^−depth`: by default 0.27 % of about an eighth of all admissions, exceeded
//!   by one key in 55. And a key over the limit adds no more than the limit to others.
//! - **Fixed memory**, however many keys there are.
//!
//! Keys are spread over stripes, each with a lock. A key has exactly one stripe, so its check and its count are one
//! step, and threads working on different keys seldom contend.
//!
//! Rejected: a token bucket (admits up to twice the limit in a window: a full bucket plus its refill), tumbling windows
//! (the same across a boundary), a log of times per key (memory grows with the limit and with the number of keys),
//! atomics instead of locks (check and count would be two steps).
//!
//! - **Cold:** everything is admitted up to the limit.
//! - **Boundary:** an admission exactly `window` old still counts.
//! - **Bound:** `4 B × width × depth × (sub_windows + 2)` for each stripe.
//! - **Clock:** threads read the time before they take the lock. A call whose time is earlier than the latest known one
//!   is counted at the latter, as [`Admitted::at`] reports.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::row_hash::RowHash;
use crate::sliding_sketch::{InvalidSketch, SketchSize, SlidingSketch};

/// At most `count` in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimit {
    count: u32,
    window: Duration,
}

impl WindowLimit {
    /// Any count, 0 included; a window of a millisecond to a day.
    ///
    /// # Errors
    /// [`InvalidLimit::Window`] for other windows.
    pub fn try_new(count: u32, window: Duration) -> Result<Self, InvalidLimit> {
        if (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&window) {
            Ok(Self { count, window })
        } else {
            Err(InvalidLimit::Window(window))
        }
    }

    /// The same window with another count.
    #[must_use]
    pub fn with_count(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Maximum number of admissions in a window.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Length of the window.
    #[must_use]
    pub fn window(self) -> Duration {
        self.window
    }
}

/// Size of a limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSize {
    /// `2^stripe_bits` locks, each with a sketch; 1 to 8 bits.
    pub stripe_bits: u32,
    /// Size of each stripe's sketch.
    pub sketch: SketchSize,
}

impl Default for LimitSize {
    /// Eight stripes of 1024 × 4 cells and 40 sub-windows: 5.3 MiB.
    fn default() -> Self {
        Self {
            stripe_bits: 3,
            sketch: SketchSize {
                width_bits: 10,
                depth: 4,
                sub_windows: 40,
            },
        }
    }
}

/// Why a limit or limiter cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// Shorter than a millisecond or longer than a day.
    #[error("a window of {0:?} is out of range, expected 1 ms to 1 day")]
    Window(Duration),
    /// Too many locks, or a single one.
    #[error("2^{0} stripes are out of range, expected 1 to 8 bits")]
    Stripes(u32),
    /// The sketch's size is out of range.
    #[error(transparent)]
    Sketch(#[from] InvalidSketch),
}

/// Admitted and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The time at which it counts: the caller's, or a later one already known.
    pub at: Duration,
    /// The key's count, this admission included.
    pub count: u32,
}

/// Rejected and not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// After this time it may happen, if nothing else is admitted; where keys collide, possibly a little sooner.
    pub retry_after: Duration,
}

/// Admits up to a limit per key; shared by threads.
#[derive(Debug)]
pub struct SlidingLimit {
    stripes: Box<[Mutex<Stripe>]>,
    stripe_of: RowHash,
}

#[derive(Debug)]
struct Stripe {
    sketch: SlidingSketch,
    window: Duration,
    /// The latest time passed in.
    latest: Duration,
}

impl SlidingLimit {
    /// `seed` determines which keys collide.
    ///
    /// # Errors
    /// [`InvalidLimit`] names what is out of range.
    pub fn try_new(size: LimitSize, seed: u64) -> Result<Self, InvalidLimit> {
        if !(1..=8).contains(&size.stripe_bits) {
            return Err(InvalidLimit::Stripes(size.stripe_bits));
        }
        let window = Duration::from_secs(1); // until the first call sets one
        let stripe = |number: u64| {
            let sketch = SlidingSketch::try_new(window, size.sketch, seed.wrapping_add(number))?;
            let latest = Duration::ZERO;
            Ok(Mutex::new(Stripe { sketch, window, latest }))
        };
        let stripes: Result<_, InvalidLimit> = (0..1 << size.stripe_bits).map(stripe).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_sub(1));
        Ok(Self {
            stripes: stripes?,
            stripe_of: RowHash::new(size.stripe_bits, &mut rng),
        })
    }

    /// Admits and counts one event if the limit allows it. After a change of window, existing counts are treated as if
    /// they had all just happened.
    ///
    /// # Errors
    /// [`TooMany`] while the limit is reached.
    pub fn admit(&self, key: u64, limit: WindowLimit, now: Duration) -> Result<Admitted, TooMany> {
        let mut stripe = self.stripe(key);
        let at = stripe.enter(limit.window, now);
        stripe.check(key, limit, now)?;
        let count = stripe.sketch.record(key, at);
        Ok(Admitted { at, count })
    }

    /// Checks whether it would be admitted; counts nothing.
    ///
    /// # Errors
    /// [`TooMany`] while the limit is reached.
    pub fn check(&self, key: u64, limit: WindowLimit, now: Duration) -> Result<(), TooMany> {
        let mut stripe = self.stripe(key);
        stripe.enter(limit.window, now);
        stripe.check(key, limit, now)
    }

    /// Counts something that has already happened, within the limit or not.
    pub fn count(&self, key: u64, window: WindowLimit, now: Duration) {
        let mut stripe = self.stripe(key);
        let at = stripe.enter(window.window, now);
        stripe.sketch.record(key, at);
    }

    /// Bytes held; constant over the limiter's lifetime.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let stripes = self.stripes.iter();
        let held = stripes.map(|stripe| size_of_val(stripe) + lock(stripe).sketch.memory_bytes());
        size_of::<Self>() + held.sum::<usize>()
    }

    fn stripe(&self, key: u64) -> MutexGuard<'_, Stripe> {
        lock(&self.stripes[self.stripe_of.cell(key)])
    }
}

impl Stripe {
    /// Advances to `now` and returns the effective time.
    fn enter(&mut self, window: Duration, now: Duration) -> Duration {
        self.latest = self.latest.max(now);
        self.sketch.advance(self.latest);
        if window != self.window {
            let changed = self.sketch.change_window(window, self.latest);
            changed.expect("a limit's window is in range for every number of sub-windows");
            self.window = window;
        }
        self.latest
    }

    fn check(&self, key: u64, limit: WindowLimit, now: Duration) -> Result<(), TooMany> {
        if self.sketch.estimate(key) < limit.count {
            return Ok(());
        }
        let retry_after = self.sketch.falls_below(key, limit.count).saturating_sub(now);
        Err(TooMany { retry_after })
    }
}

/// A poisoned lock holds correct counts: nothing here fails half-way.
fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}
