//! What happens to the target at given seconds of a cell: live settings change, things go wrong and are mended.

use std::collections::VecDeque;
use std::time::Duration;

use super::fault::{inject, mend};
use crate::clock::Clock;
use crate::provision::Target;
use crate::record::{Blast, ChangeResult, FaultResult};
use crate::workload::{Change, Fault, Workload};

/// The rest of what is to happen in a cell, and the record of what did.
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<(Duration, Step)>,
    injected: Vec<(Fault, usize)>,
    pub(super) faults: Vec<FaultResult>,
    pub(super) changes: Vec<ChangeResult>,
}

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    Begin(Fault),
    End(Fault),
}

impl Script {
    pub(super) fn new(workload: &Workload, variant: &str) -> Self {
        let changes = workload
            .changes
            .iter()
            .filter(|change| change.variants.iter().any(|name| name == variant));
        let changes = changes.map(|change| (change.at, Step::Change(change.clone())));
        let faults = workload.faults.iter();
        let faults = faults.map(|fault| (fault.at, Step::Begin(*fault)));
        let mut steps: Vec<(Duration, Step)> = changes.chain(faults).collect();
        steps.sort_by_key(|(at, _)| *at);
        Self {
            steps: steps.into(),
            injected: Vec::new(),
            faults: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Does what is due.
    pub(super) async fn play(&mut self, clock: Clock, target: &mut Target) {
        while self.steps.front().is_some_and(|(at, _)| *at <= clock.elapsed()) {
            let Some((_, step)) = self.steps.pop_front() else {
                return;
            };
            match step {
                Step::Change(change) => self.change(change, clock, target).await,
                Step::Begin(fault) => self.begin(fault, clock, target).await,
                Step::End(fault) => self.end(fault, clock, target).await,
            }
        }
    }

    /// Mends what is still broken, whatever ended the cell: what was broken last first, and what could not be mended once more, because
    /// what stood in its way may have been mended after it.
    pub(super) async fn undo(&mut self, clock: Clock, target: &mut Target) {
        for _ in 0..2 {
            let broken: Vec<Fault> = self.injected.iter().rev().map(|(fault, _)| *fault).collect();
            for fault in broken {
                self.end(fault, clock, target).await;
            }
        }
    }

    /// A fault lasts as long as it should from when it really began: the step before it may have taken its time.
    fn ends_later(&mut self, fault: Fault, began: Duration) {
        let until = began + (fault.until - fault.at);
        let place = self.steps.partition_point(|(at, _)| *at <= until);
        self.steps.insert(place, (until, Step::End(fault)));
    }

    async fn change(&mut self, change: Change, clock: Clock, target: &Target) {
        let at_s = seconds(clock);
        let changed = match target.admin() {
            Ok(admin) => admin.change(&change.settings).await,
            Err(problem) => Err(problem),
        };
        self.changes.push(ChangeResult {
            at_s,
            applied_s: changed.is_ok().then(|| seconds(clock)),
            settings: change.settings,
            revision: changed.as_ref().ok().copied(),
            problem: changed.err(),
        });
    }

    async fn begin(&mut self, fault: Fault, clock: Clock, target: &mut Target) {
        let began = clock.elapsed();
        self.ends_later(fault, began);
        // Noted first: an injection that seems to have failed may have worked, and is mended all the same.
        self.injected.push((fault, self.faults.len()));
        let problem = inject(fault.inject, target).await.err();
        self.faults.push(FaultResult {
            kind: fault.inject.kind().to_owned(),
            target: fault.inject.target(),
            start_s: began.as_secs_f64(),
            end_s: None,
            problem,
            blast: Blast::default(),
        });
    }

    async fn end(&mut self, fault: Fault, clock: Clock, target: &mut Target) {
        let Some(place) = self.injected.iter().position(|(injected, _)| *injected == fault) else {
            return; // mended already
        };
        let (_, index) = self.injected[place];
        let mended = mend(fault.inject, target).await;
        let result = &mut self.faults[index];
        match mended {
            Ok(()) => {
                self.injected.remove(place);
                result.end_s = Some(seconds(clock));
            }
            // It stays noted, and is tried again when the cell ends.
            Err(problem) => result.problem = Some(problem),
        }
    }
}

fn seconds(clock: Clock) -> f64 {
    clock.elapsed().as_secs_f64()
}
