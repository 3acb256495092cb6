//! Every call to each shard, in tenths of a second by its intended start: for cells in which something is broken or
//! changed.
//!
//! What a fault does begins and ends in the middle of a second, and whether calls fail fast is decided in less than
//! one. So tenths, and in each the response times of `ok` answers, rounded to 3 significant digits and counted: at most
//! some thousand counts a tenth, however many calls, and a few where few calls were made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;

/// Tenths in a second.
pub const TENTHS: usize = 10;
const TENTH_NS: u64 = 100_000_000;
/// An answer within this time is prompt, whatever it says: nobody has to wait for a shard that is known to be sick.
pub const PROMPT_NS: u64 = 100_000_000;

/// The calls to one shard that were due in one tenth of a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// All that ended, or were never sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub all: u32,
    /// Of these, answered within [`PROMPT_NS`], whatever the answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub prompt: u32,
    /// How many `ok` answers took so many microseconds, to 3 significant digits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ok_us: BTreeMap<u32, u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Rounds up to 3 significant digits, so that a bound that held still holds.
fn rounded_us(us: u32) -> u32 {
    let mut unit = 1;
    while us / unit >= 1000 {
        unit *= 10;
    }
    us.div_ceil(unit).saturating_mul(unit)
}

impl Calls {
    /// A call ended.
    pub fn ended(&mut self, outcome: Outcome, response_ns: u64) {
        self.all += 1;
        self.prompt += u32::from(outcome.is_answer() && response_ns <= PROMPT_NS);
        if outcome == Outcome::Ok {
            let us = rounded_us(u32::try_from(response_ns / 1000).unwrap_or(u32::MAX));
            *self.ok_us.entry(us).or_default() += 1;
        }
    }

    /// A call was never sent.
    pub fn unsent(&mut self) {
        self.all += 1;
    }

    /// `ok` answers.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.ok_us.values().map(|count| u64::from(*count)).sum()
    }

    /// Calls that did not end `ok`.
    #[must_use]
    pub fn not_ok(&self) -> u64 {
        u64::from(self.all) - self.ok()
    }

    fn merge(&mut self, other: &Self) {
        self.all += other.all;
        self.prompt += other.prompt;
        for (us, count) in &other.ok_us {
            *self.ok_us.entry(*us).or_default() += count;
        }
    }
}

/// One second of one shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardSecond {
    tenths: [Calls; TENTHS],
}

impl ShardSecond {
    /// The tenth in which `intended_ns` lies.
    pub fn at(&mut self, intended_ns: u64) -> &mut Calls {
        &mut self.tenths[(intended_ns / TENTH_NS) as usize % TENTHS]
    }

    /// In order.
    #[must_use]
    pub fn tenths(&self) -> &[Calls] {
        &self.tenths
    }

    fn is_empty(&self) -> bool {
        self.tenths.iter().all(|calls| calls.all == 0)
    }
}

/// A whole cell; without shards where nothing was kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeAxis {
    shards: Vec<Vec<Calls>>,
}

impl TimeAxis {
    /// The calls of each shard, by tenths from the start of the cell. All are of the same length: up to the last second
    /// with a call.
    #[must_use]
    pub fn shards(&self) -> &[Vec<Calls>] {
        &self.shards
    }

    /// Adds what is known of a second.
    pub fn add(&mut self, second: u64, shards: &[ShardSecond]) {
        if shards.iter().all(ShardSecond::is_empty) {
            return;
        }
        let first = usize::try_from(second).expect("no run is that long") * TENTHS;
        let length = self.shards.first().map_or(0, Vec::len).max(first + TENTHS);
        let count = self.shards.len().max(shards.len());
        self.shards.resize_with(count, Vec::new);
        for tenths in &mut self.shards {
            tenths.resize_with(length, Calls::default);
        }
        for (tenths, shard) in self.shards.iter_mut().zip(shards) {
            for (mine, theirs) in tenths[first..].iter_mut().zip(&shard.tenths) {
                mine.merge(theirs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_prompt_and_neither_ok_nor_a_latency() {
        let mut calls = Calls::default();
        calls.ended(Outcome::Ok, 2_000_000);
        calls.ended(Outcome::Shed, 1_000_000);
        calls.ended(Outcome::Ok, PROMPT_NS + 1);
        calls.ended(Outcome::ConnectError, 1_000_000);
        calls.ended(Outcome::Timeout, 5_000_000_000);
        calls.unsent();
        assert_eq!((calls.all, calls.prompt, calls.not_ok()), (6, 2, 4));
        assert_eq!(calls.ok_us, [(2_000, 1), (100_000, 1)].into());
    }

    #[test]
    fn memory_is_bounded_however_many_answers_and_times_keep_three_digits() {
        let mut calls = Calls::default();
        for us in 0..2_000_000 {
            calls.ended(Outcome::Ok, us * 1000);
        }
        assert_eq!(calls.ok(), 2_000_000);
        assert!(calls.ok_us.len() < 4_000, "{}", calls.ok_us.len());
        for (us, rounded) in [
            (7, 7),
            (999, 999),
            (1_234, 1_240),
            (2_000, 2_000),
            (1_999_001, 2_000_000),
        ] {
            assert_eq!(rounded_us(us), rounded);
        }
    }

    #[test]
    fn seconds_of_several_phases_and_workers_add_up_in_their_tenths() {
        let mut axis = TimeAxis::default();
        axis.add(0, &[]);
        assert!(axis.shards().is_empty());
        for intended_ns in [2_050_000_000, 2_950_000_000, 2_951_000_000] {
            let mut shards = vec![ShardSecond::default(), ShardSecond::default()];
            shards[1].at(intended_ns).ended(Outcome::Ok, 7_000);
            axis.add(2, &shards);
        }
        let sums: Vec<u32> = axis.shards()[1].iter().map(|calls| calls.all).collect();
        assert_eq!(sums[20..], [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(axis.shards()[0].len(), 30, "all shards are as long");
        assert!(axis.shards()[0].iter().all(|calls| calls.all == 0));
    }
}
