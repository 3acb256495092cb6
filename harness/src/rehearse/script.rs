//! Changes of live settings and faults, carried out on the target when they are due, and the record of what came of
//! each.
//!
//! The order is [`Queue`]'s. The record has an entry for everything that was planned: what failed, what was
//! interrupted and what was never reached says so in `problem`, so that nothing is judged as if it had happened.
//!
//! A step may take seconds: a table that cannot be locked, an admin API that does not answer. An interrupt does not
//! wait for it. The step under way gets [`GRACE`] to finish and is then dropped. A fault is noted before it is
//! injected, so whatever part of it came about is undone as well.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::fault::{inject, mend};
use super::queue::{Queue, Step, Stretch};
use crate::clock::Clock;
use crate::provision::Target;
use crate::record::{Blast, ChangeResult, FaultResult};
use crate::workload::{Change, Fault, Workload};

/// How long a step may go on after an interrupt; most take milliseconds.
const GRACE: Duration = Duration::from_millis(500);
/// How long undoing may take after an interrupt: databases that were killed start again.
const UNDO_GRACE: Duration = Duration::from_secs(10);

/// The rest of what is to happen in a cell, and the record of what did.
#[derive(Debug)]
pub(super) struct Script {
    queue: Queue,
    planned: Vec<Fault>,
    /// Faults that were injected, perhaps in part, and not mended; in that order.
    broken: Vec<usize>,
    /// One for each fault of the workload, in its order.
    pub(super) faults: Vec<FaultResult>,
    /// One for each change of the variant, in order of time.
    pub(super) changes: Vec<ChangeResult>,
}

impl Script {
    pub(super) fn new(workload: &Workload, variant: &str) -> Self {
        let changes = workload.changes.iter();
        let changes = changes.filter(|change| change.variants.iter().any(|name| name == variant));
        Self::of(changes, &workload.faults)
    }

    fn of<'a>(changes: impl IntoIterator<Item = &'a Change>, faults: &[Fault]) -> Self {
        let changes: Vec<&Change> = changes.into_iter().collect();
        let stretches = faults.iter().map(|fault| Stretch {
            at: fault.at,
            until: fault.until,
            target: fault.inject.target(),
        });
        Self {
            queue: Queue::new(changes.iter().map(|change| change.at), stretches.collect()),
            planned: faults.to_vec(),
            broken: Vec::new(),
            faults: faults.iter().map(planned_fault).collect(),
            changes: changes.into_iter().map(planned_change).collect(),
        }
    }

    /// Does what is due; returns early once `interrupted` is ready.
    pub(super) async fn play(&mut self, clock: Clock, target: &mut Target, interrupted: impl Future<Output = ()>) {
        let mut interrupted = pin!(interrupted);
        while let Some(step) = self.queue.next(clock.elapsed()) {
            let done = async {
                match step {
                    Step::Change(change) => self.change(change, clock, target).await,
                    Step::Begin(fault) => self.begin(fault, clock, target).await,
                    Step::End(fault) => drop(self.end(fault, clock, target).await),
                }
            };
            if !finishes(done, interrupted.as_mut(), GRACE).await {
                return;
            }
        }
    }

    /// Mends what is still broken, whatever ended the cell, and notes what was never reached.
    ///
    /// What was broken last is mended first. What could not be mended is tried once more if anything else was, since
    /// that may have stood in its way. After an interrupt all of it may take [`UNDO_GRACE`]: the processes end with
    /// the cell anyway.
    pub(super) async fn undo(&mut self, clock: Clock, target: &mut Target, interrupted: impl Future<Output = ()>) {
        self.note_unreached(clock.elapsed());
        let undone = async {
            while !self.broken.is_empty() {
                let mut is_any_mended = false;
                for fault in self.broken.clone().into_iter().rev() {
                    is_any_mended |= self.end(fault, clock, target).await;
                }
                if !is_any_mended {
                    return;
                }
            }
        };
        if finishes(undone, pin!(interrupted), UNDO_GRACE).await {
            return;
        }
        for fault in &self.broken {
            let gave_up = || format!("not undone within {UNDO_GRACE:?} of the interrupt");
            self.faults[*fault].problem.get_or_insert_with(gave_up);
        }
    }

    fn note_unreached(&mut self, ended: Duration) {
        let unreached = format!("not reached: the cell ended at {:.1} s", ended.as_secs_f64());
        for fault in self.faults.iter_mut().filter(|fault| fault.start_s.is_none()) {
            fault.problem = Some(unreached.clone());
        }
        let changes = self.changes.iter_mut();
        for change in changes.filter(|change| change.applied_s.is_none() && change.problem.is_none()) {
            change.problem = Some(unreached.clone());
        }
    }

    async fn change(&mut self, index: usize, clock: Clock, target: &Target) {
        let change = &mut self.changes[index];
        change.at_s = seconds(clock);
        change.problem = Some("interrupted before the server answered".to_owned());
        let changed = match target.admin() {
            Ok(admin) => admin.change(&change.settings).await,
            Err(problem) => Err(problem),
        };
        change.applied_s = changed.is_ok().then(|| seconds(clock));
        change.revision = changed.as_ref().ok().copied();
        change.problem = changed.err();
    }

    async fn begin(&mut self, index: usize, clock: Clock, target: &mut Target) {
        // Noted first: an injection that failed or was dropped half-way may have worked, and is mended all the same.
        self.broken.push(index);
        let fault = &mut self.faults[index];
        fault.start_s = Some(seconds(clock));
        fault.problem = Some("interrupted while it was being injected".to_owned());
        fault.problem = inject(self.planned[index].inject, target).await.err();
    }

    /// Whether it is mended.
    async fn end(&mut self, index: usize, clock: Clock, target: &mut Target) -> bool {
        let mended = mend(self.planned[index].inject, target).await;
        let fault = &mut self.faults[index];
        match mended {
            Ok(()) => {
                self.broken.retain(|broken| *broken != index);
                fault.end_s = Some(seconds(clock));
                true
            }
            // It stays noted, and is tried again when the cell ends.
            Err(problem) => {
                fault.problem = Some(problem);
                false
            }
        }
    }
}

/// Whether the step finishes, given `grace` once `interrupted` is ready.
async fn finishes(step: impl Future<Output = ()>, interrupted: impl Future<Output = ()>, grace: Duration) -> bool {
    let mut step = pin!(step);
    tokio::select! {
        biased;
        () = &mut step => true,
        () = interrupted => tokio::time::timeout(grace, step).await.is_ok(),
    }
}

fn planned_fault(fault: &Fault) -> FaultResult {
    FaultResult {
        kind: fault.inject.kind().to_owned(),
        target: fault.inject.target(),
        planned_s: fault.at.as_secs_f64(),
        planned_end_s: fault.until.as_secs_f64(),
        start_s: None,
        end_s: None,
        problem: None,
        blast: Blast::default(),
    }
}

fn planned_change(change: &Change) -> ChangeResult {
    ChangeResult {
        planned_s: change.at.as_secs_f64(),
        at_s: change.at.as_secs_f64(),
        applied_s: None,
        settings: change.settings.clone(),
        revision: None,
        problem: None,
    }
}

fn seconds(clock: Clock) -> f64 {
    clock.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests;
