//! What guards decide, done: the cap that workers read, and the record of it.
//!
//! [`Guard`] judges; here is the clock, so that the record says when something took effect.

use std::time::Duration;

use crate::analyze::guard::{Act, Guard};
use crate::clock::Clock;
use crate::drive::Cap;
use crate::record::{CellEvent, GuardAction, GuardCount, GuardResult, Interval};

/// A cap takes effect this much later than it is set: a worker looks for it with each arrival, and each 10 ms.
const LEAD: Duration = Duration::from_millis(20);

/// The guards of a cell that runs.
pub(super) struct Watch {
    guard: Guard,
    cap: Cap,
    clock: Clock,
    /// What they did, in order of time.
    acts: Vec<GuardResult>,
    /// Indices of those that are not told yet as they are now.
    untold: Vec<usize>,
}

impl Watch {
    pub(super) fn new(guard: Guard, cap: Cap, clock: Clock) -> Self {
        Self {
            guard,
            cap,
            clock,
            acts: Vec::new(),
            untold: Vec::new(),
        }
    }

    /// A worker has measured something.
    pub(super) fn take(&mut self, interval: &Interval) {
        self.guard.take(interval);
    }

    /// A worker has reported everything that happened before `ns`.
    pub(super) fn until(&mut self, worker: u32, ns: u64) {
        if let Some(act) = self.guard.until(worker, ns) {
            self.perform(act);
        }
    }

    fn perform(&mut self, act: Act) {
        let now = self.clock.elapsed();
        match act {
            Act::Now { mut result, cap } => {
                let at = match result.action {
                    GuardAction::Abort => now,
                    GuardAction::BackOff | GuardAction::Hold => self.cap.set(cap, now + LEAD),
                };
                result.at_s = at.as_secs_f64();
                result.reaction_s = (result.at_s - result.since_s).max(0.0);
                self.untold.push(self.acts.len());
                self.acts.push(*result);
            }
            Act::Undo { rule, cap } => {
                let at = self.cap.set(cap, now + LEAD);
                if let Some(index) = self.acts.iter().rposition(|act| act.rule == rule) {
                    self.acts[index].until_s = Some(at.as_secs_f64());
                    self.untold.push(index);
                }
            }
        }
    }

    /// The load has ended: nothing is judged any more.
    pub(super) fn close(&mut self) {
        self.guard.close();
    }

    /// What has to be told since the last call.
    pub(super) fn news(&mut self) -> Vec<CellEvent> {
        let untold = std::mem::take(&mut self.untold);
        let events = untold.into_iter().map(|index| CellEvent::Guard {
            index,
            guard: self.acts[index].clone(),
        });
        events.collect()
    }

    /// Why the cell is to end, where a rule says so.
    pub(super) fn aborted(&self) -> Option<String> {
        let act = self.acts.iter().find(|act| act.action == GuardAction::Abort)?;
        Some(format!("the guard on {} aborted it", act.name))
    }

    pub(super) fn counts(&self) -> Vec<GuardCount> {
        self.guard.counts()
    }
}
