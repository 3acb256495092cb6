//! The order of what happens to the target: which step is due, whatever took longer than planned. Pure: time comes in,
//! no target is touched.
//!
//! A step that blocks makes later ones late, so planned times alone do not order them. The guarantees, for any delays:
//!
//! - A fault that begins late ends late by as much: it lasts as long as planned.
//! - At equal times ends come first, then changes, then begins.
//! - A fault whose planned end is not after the planned begin of another fault of the same target ends before that one
//!   begins, at the cost of its length if it began late. Otherwise the end of the first, such as resuming a process,
//!   would undo the second.
//!
//! Rejected: a fixed list of begins and ends by planned time, which would end a fault that began late too early, or
//! not at all.

use std::collections::VecDeque;
use std::time::Duration;

/// A planned fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    /// Offset of its begin from the start of the cell.
    pub(super) at: Duration,
    /// Offset of its end.
    pub(super) until: Duration,
    /// What it is done to; faults of other targets do not get in its way.
    pub(super) target: String,
}

/// What is due; the number is the place among the planned changes or faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Change(usize),
    Begin(usize),
    End(usize),
}

/// The steps of a cell that are still to come.
#[derive(Debug)]
pub(super) struct Queue {
    faults: Vec<Stretch>,
    /// Changes and begins in order of time.
    pending: VecDeque<(Duration, Step)>,
    /// Faults that have begun and not ended, with the time of their end.
    open: Vec<(Duration, usize)>,
}

impl Queue {
    /// Changes by their times, and faults; each in any order.
    pub(super) fn new(changes: impl IntoIterator<Item = Duration>, faults: Vec<Stretch>) -> Self {
        let changes = changes.into_iter().enumerate();
        let changes = changes.map(|(change, at)| (at, Step::Change(change)));
        let begins = faults
            .iter()
            .enumerate()
            .map(|(fault, stretch)| (stretch.at, Step::Begin(fault)));
        let mut pending: Vec<(Duration, Step)> = changes.chain(begins).collect();
        pending.sort_by_key(|(at, _)| *at);
        Self {
            faults,
            pending: pending.into(),
            open: Vec::new(),
        }
    }

    /// Takes the next step that is due at `now`. A fault that is returned begins at `now`.
    pub(super) fn next(&mut self, now: Duration) -> Option<Step> {
        let pending = self.pending.front().copied().filter(|(at, _)| *at <= now);
        if let Some(place) = pending.and_then(|(_, step)| self.in_the_way_of(step)) {
            return Some(self.end(place));
        }
        let ends = self.open.iter().enumerate().filter(|(_, (end, _))| *end <= now);
        let first = ends.min_by_key(|(_, (end, fault))| (*end, *fault));
        if let Some((place, (end, _))) = first
            && pending.is_none_or(|(at, _)| *end <= at)
        {
            return Some(self.end(place));
        }
        let (_, step) = pending?;
        self.pending.pop_front();
        if let Step::Begin(fault) = step {
            let length = self.faults[fault].until.saturating_sub(self.faults[fault].at);
            self.open.push((now.saturating_add(length), fault));
        }
        Some(step)
    }

    /// The place in `open` of the first fault of the same target that should have ended before `step` begins another.
    fn in_the_way_of(&self, step: Step) -> Option<usize> {
        let Step::Begin(next) = step else { return None };
        let next = &self.faults[next];
        self.open.iter().position(|(_, fault)| {
            let earlier = &self.faults[*fault];
            earlier.target == next.target && earlier.until <= next.at
        })
    }

    fn end(&mut self, place: usize) -> Step {
        let (_, fault) = self.open.remove(place);
        Step::End(fault)
    }
}

#[cfg(test)]
mod tests;
