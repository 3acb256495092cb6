//! Decides whether a chat is hot.
//!
//! A chat becomes hot with the record that makes more than `fetches` fall into some window, wherever that window
//! begins. It stays hot until its count is under `release × fetches`. Fetches are counted because they are what loads
//! storage: a chat with many members and few events, or the reverse, does no harm.
//!
//! Guarantees, each with a test of its own:
//! - **Never late.** The record that crosses the limit gets [`Heat::Hot`], whatever the position of the window and
//!   whatever collides: no more than `fetches` records pass unmarked in *any* window.
//! - **Early by at most one sub-window.** Without collisions a chat is hot only if it had more than `fetches` in the
//!   last `window + window / sub_windows`. With collisions the error is bounded as documented in [`SketchSize`]'s
//!   module: unless all other chats together make `width / e × fetches` (1500 times the limit, by default), fewer than
//!   `e^−depth` (one in 55) of the quiet chats are marked hot.
//! - **No flapping.** Between cooling and becoming hot again lie at least `fetches − release × fetches` records of the
//!   chat.
//! - **Fixed memory**, however many ids there are.
//!
//! Rejected: sampling with a share of the window (twemcache: a hot chat is identified by its rate, and the share of one
//! server's traffic says nothing about a shard), tumbling windows (twice the limit across a boundary), top-k alone
//! (some key always ranks first).
//!
//! - **Cold:** nothing is hot before it has crossed the limit. A new window length restarts the counts; chats that are
//!   hot then stay hot for at least one new window.
//! - **Boundary:** exactly `fetches` is not hot; exactly `release × fetches` is not yet cool. A full list does not hide
//!   a hot chat: its records still get [`Heat::Hot`], but the chat is not remembered, and [`HotChatDetector::unlisted`]
//!   counts it.

use std::time::Duration;

use crate::hot_list::{HotChat, HotList};
use crate::sliding_sketch::{InvalidSketch, SketchSize, SlidingSketch};

/// When a chat is hot. The limits may change at run time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HotLimits {
    /// Records a chat may have in any window.
    pub fetches: u32,
    /// Length of the window.
    pub window: Duration,
    /// A hot chat cools when its count is under this share of `fetches`; above 0, at most 1.
    pub release: f64,
}

/// Size of the detector's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectorSize {
    /// Size of the sketch that holds the counts.
    pub sketch: SketchSize,
    /// Maximum number of hot chats at a time, 1 to 65,536.
    pub hot_max: usize,
}

impl Default for DetectorSize {
    /// 800 KiB in total.
    fn default() -> Self {
        Self {
            sketch: SketchSize::default(),
            hot_max: 1024,
        }
    }
}

/// Why a detector cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidDetector {
    /// With 0 every chat would be hot.
    #[error("a limit of 0 fetches is out of range, expected at least 1")]
    Fetches,
    /// No chat could cool, or a chat could be hot and cool at once.
    #[error("a release of {0} is out of range, expected above 0 and at most 1")]
    Release(f64),
    /// Zero, or more than 65,536.
    #[error("room for {0} hot chats is out of range, expected 1 to 65536")]
    HotMax(usize),
    /// The sketch's size is out of range.
    #[error(transparent)]
    Sketch(#[from] InvalidSketch),
}

/// The detector's answer to one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Records of the chat in the window, this one included; an estimate, never too low.
    pub count: u32,
    /// Whether the chat is hot.
    pub heat: Heat,
}

/// Whether a chat is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heat {
    /// The chat is not hot.
    Quiet,
    /// The chat is hot.
    Hot {
        /// When it became hot.
        since: Duration,
        /// How the list of hot chats took this record.
        place: Place,
    },
    /// The chat was hot until this record.
    Cooled {
        /// When it had become hot.
        since: Duration,
    },
}

/// How the list of hot chats took a hot chat's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Became hot with this record.
    New,
    /// Was hot already.
    Known,
    /// Over the limit, but the list of hot chats is full.
    Unlisted,
}

impl Verdict {
    /// Whether the chat is hot as of this record.
    #[must_use]
    pub fn is_hot(&self) -> bool {
        matches!(self.heat, Heat::Hot { .. })
    }
}

/// Counts records per chat and says which chats are hot.
#[derive(Debug)]
pub struct HotChatDetector {
    limits: HotLimits,
    size: DetectorSize,
    seed: u64,
    sketch: SlidingSketch,
    hot: HotList,
    now: Duration,
    /// Until then the counts do not cover a whole window, so they cannot show that a chat has cooled.
    no_cooling_before: Duration,
    /// When a full list was last searched for cooled chats.
    searched: Duration,
}

impl HotChatDetector {
    /// # Errors
    /// [`InvalidDetector`] names what is out of range.
    pub fn try_new(limits: HotLimits, size: DetectorSize, seed: u64) -> Result<Self, InvalidDetector> {
        check(&limits)?;
        if !(1..=65_536).contains(&size.hot_max) {
            return Err(InvalidDetector::HotMax(size.hot_max));
        }
        Ok(Self {
            limits,
            size,
            seed,
            sketch: SlidingSketch::try_new(limits.window, size.sketch, seed)?,
            hot: HotList::new(size.hot_max),
            now: Duration::ZERO,
            no_cooling_before: Duration::ZERO,
            searched: Duration::ZERO,
        })
    }

    /// Counts one record of `chat_id` and judges the chat.
    pub fn record(&mut self, chat_id: u64, now: Duration) -> Verdict {
        self.now = self.now.max(now);
        let count = self.sketch.record(chat_id, self.now);
        let cool = self.is_cool(count);
        let heat = match self.hot.get_mut(chat_id) {
            Some(hot) if !cool => {
                hot.count = count;
                Heat::Hot {
                    since: hot.since,
                    place: Place::Known,
                }
            }
            Some(hot) => {
                let since = hot.since;
                self.hot.remove(chat_id);
                Heat::Cooled { since }
            }
            None if count > self.limits.fetches => self.becomes_hot(chat_id, count),
            None => Heat::Quiet,
        };
        Verdict { count, heat }
    }

    /// Removes the chats that have cooled by `now`, including those without further records; returns how many.
    pub fn sweep(&mut self, now: Duration) -> usize {
        self.now = self.now.max(now);
        self.sketch.advance(self.now);
        let (before, settled) = (self.hot.as_slice().len(), self.now >= self.no_cooling_before);
        let (sketch, release) = (&self.sketch, self.release());
        self.hot.retain(|hot| {
            hot.count = sketch.estimate(hot.chat_id);
            !settled || f64::from(hot.count) >= release
        });
        before - self.hot.as_slice().len()
    }

    /// The hot chats by id, as of the latest record and sweep.
    #[must_use]
    pub fn hot(&self) -> &[HotChat] {
        self.hot.as_slice()
    }

    /// Records of chats over the limit that did not fit into the list of hot chats.
    #[must_use]
    pub fn unlisted(&self) -> u64 {
        self.hot.unlisted
    }

    /// Replaces the limits. Rejected limits change nothing.
    ///
    /// # Errors
    /// [`InvalidDetector`] names what is out of range.
    pub fn retune(&mut self, limits: HotLimits) -> Result<(), InvalidDetector> {
        check(&limits)?;
        if limits.window != self.limits.window {
            self.sketch = SlidingSketch::try_new(limits.window, self.size.sketch, self.seed)?;
            self.no_cooling_before = self.now + limits.window;
        }
        self.limits = limits;
        Ok(())
    }

    /// Bytes held; constant over the detector's lifetime.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.sketch.memory_bytes() + self.hot.memory_bytes()
    }

    fn becomes_hot(&mut self, chat_id: u64, count: u32) -> Heat {
        // A full list is searched once per sub-window: counts do not fall in between.
        if self.hot.is_full() && self.now >= self.searched + self.sketch.sub_window() {
            self.searched = self.now;
            self.sweep(self.now);
        }
        let since = self.now;
        let listed = self.hot.insert(HotChat { chat_id, since, count });
        let place = if listed { Place::New } else { Place::Unlisted };
        Heat::Hot { since, place }
    }

    fn is_cool(&self, count: u32) -> bool {
        f64::from(count) < self.release() && self.now >= self.no_cooling_before
    }

    fn release(&self) -> f64 {
        self.limits.release * f64::from(self.limits.fetches)
    }
}

fn check(limits: &HotLimits) -> Result<(), InvalidDetector> {
    if limits.fetches == 0 {
        return Err(InvalidDetector::Fetches);
    }
    if !(limits.release > 0.0 && limits.release <= 1.0) {
        return Err(InvalidDetector::Release(limits.release));
    }
    Ok(())
}
