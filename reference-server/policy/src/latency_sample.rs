//! What the gradient limit measures: the calls of a window, and the calls of a probe.
//!
//! A window takes the calls that *end* in it, of which there is a steady stream. A probe is short, so it takes the
//! first calls that *begin* in it and waits for all of them: those that end first are the quick ones.

use std::time::Duration;

/// Calls of a probe, whose mean stays in force for long.
const PROBE_CALLS: u32 = 50;
/// Tolerated drops, one in so many calls: one unlucky call must not slow down a busy server.
const CALLS_PER_DROP: u32 = 100;

/// What the end of a call says about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// The server did its work, whatever the answer: its latency counts.
    Done,
    /// A time-out, or shed further down: reason to back off.
    Dropped,
    /// Nothing: a caller's mistake, or a call that never reached what is slow.
    Unknown,
}

/// The calls that ended since the limit last moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    pub(crate) since: Duration,
    pub(crate) done: u32,
    pub(crate) dropped: u32,
    total_s: f64,
    pub(crate) in_progress_max: u32,
}

/// The calls by which the latency without contention is measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Probe {
    pub(crate) since: Duration,
    begun: u32,
    /// When the last of its calls began, once it has.
    until: Option<Duration>,
    ended: u32,
    done: u32,
    total_s: f64,
}

impl Window {
    /// Calls in progress at its start are in use during it, whether or not another begins.
    pub(crate) fn at(since: Duration, in_progress_max: u32) -> Self {
        Self {
            since,
            in_progress_max,
            ..Self::default()
        }
    }

    pub(crate) fn count(&mut self, latency_s: f64, end: CallEnd) {
        match end {
            CallEnd::Done => {
                self.done += 1;
                self.total_s += latency_s;
            }
            CallEnd::Dropped => self.dropped += 1,
            CallEnd::Unknown => {}
        }
    }

    /// Mean latency of the calls that were done, in seconds; there is at least one.
    pub(crate) fn mean_s(&self) -> f64 {
        self.total_s / f64::from(self.done)
    }

    pub(crate) fn drops_too_many(&self) -> bool {
        self.dropped > (self.done + self.dropped) / CALLS_PER_DROP
    }
}

impl Probe {
    pub(crate) fn at(since: Duration) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    pub(crate) fn begin(&mut self, now: Duration) {
        self.begun += 1;
        if self.begun == PROBE_CALLS {
            self.until = Some(now);
        }
    }

    /// Whether a call that began then is one of those that are waited for.
    pub(crate) fn has(&self, began: Duration) -> bool {
        began >= self.since && self.until.is_none_or(|until| began <= until)
    }

    pub(crate) fn count(&mut self, latency_s: f64, end: CallEnd) {
        self.ended += 1;
        if end == CallEnd::Done {
            self.done += 1;
            self.total_s += latency_s;
        }
    }

    /// Whether all its calls have ended.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended >= PROBE_CALLS
    }

    /// Mean latency in seconds, once it is known: most calls of a probe that is whole must have been done.
    pub(crate) fn mean_s(&self) -> Option<f64> {
        let knows = self.is_whole() && self.done * 2 >= self.ended;
        knows.then(|| self.total_s / f64::from(self.done))
    }
}
