//! The onset of a phase: its first tenth of a second.
//!
//! Whether a jump is one is decided there. A generator that needs a while to come up to the target rate has rehearsed a
//! steep ramp. So what was due in the onset is counted, and how much of that was sent in it: by the generator, as it
//! happened, and not from the schedule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Due, Sample};

/// How long it is.
pub const ONSET: Duration = Duration::from_millis(100);
/// What was due in it may be sent so much later and still counts as sent in it: what is due at its end needs a moment.
pub const ONSET_GRACE: Duration = Duration::from_millis(10);

const ONSET_NS: u64 = ONSET.as_nanos() as u64;
const GRACE_NS: u64 = ONSET_GRACE.as_nanos() as u64;

/// What became of the arrivals that were due in the onset of a phase: due = sent + `own_late` + those that the target
/// was late to take, or that were never sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Onset {
    /// Arrivals that were due in it.
    pub due: u64,
    /// Of these, sent within it and [`ONSET_GRACE`].
    pub sent: u64,
    /// Of these, sent later, though a punctual generator would have sent them in time.
    pub own_late: u64,
}

impl Onset {
    /// Whether an arrival is due in the onset of its phase, which begins at `start_ns`.
    pub(super) fn holds(due: &Due, start_ns: u64) -> bool {
        due.intended_ns
            .checked_sub(start_ns)
            .is_some_and(|into_ns| into_ns < ONSET_NS)
    }

    /// An arrival that was due in it has been sent, and has ended.
    pub(super) fn sent(&mut self, sample: &Sample, start_ns: u64) {
        let until_ns = start_ns + ONSET_NS + GRACE_NS;
        if sample.sent_ns < until_ns {
            self.sent += 1;
        } else if sample.sent_ns.saturating_sub(sample.own_ns) < until_ns {
            self.own_late += 1;
        }
    }

    /// Adds everything that `other` holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.own_late += other.own_late;
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
