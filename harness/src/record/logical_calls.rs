//! Callers who retry: what became of them.
//!
//! A leaf but for the histogram.

use serde::{Deserialize, Serialize};

use super::Durations;
use super::histogram::is_zero;

/// What became of callers who retry until they have what they want, or give up.
///
/// A logical call begins with the caller's first attempt and belongs to the phase in which that was due. Within the
/// phase it is kept with the second in which it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogicalCalls {
    /// First intended start → the answer that ended the call well.
    pub until_done: Durations,
    /// Of these, the ones that needed one attempt.
    pub at_first: u64,
    /// Attempts that they took together.
    pub attempts: u64,
    /// Most attempts that one of them took.
    pub attempts_max: u64,
    /// Ended without success.
    pub gave_up: u64,
    /// Of these, the ones that found the budget of retries used up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub out_of_budget: u64,
    /// Ended by the end of the run.
    pub cut_off: u64,
}

impl LogicalCalls {
    /// One that ended well.
    pub fn succeeded(&mut self, attempts: u16, took_ns: u64) {
        self.until_done.record_ns(took_ns);
        self.at_first += u64::from(attempts == 1);
        self.attempts += u64::from(attempts);
        self.attempts_max = self.attempts_max.max(u64::from(attempts));
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.until_done.merge(&other.until_done);
        self.at_first += other.at_first;
        self.attempts += other.attempts;
        self.attempts_max = self.attempts_max.max(other.attempts_max);
        self.gave_up += other.gave_up;
        self.out_of_budget += other.out_of_budget;
        self.cut_off += other.cut_off;
    }
}
