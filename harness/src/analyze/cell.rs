//! A recorded cell becomes a [`Cell`], the same whether the recording comes live, from a file, or from another machine.

use std::collections::BTreeMap;

use super::assemble::{self, Parts};
use super::observed::Observed;
use super::recovery::RecoveryFold;
use super::{blast, connection_axis, drift, timeline, validity};
use crate::record::{
    AcknowledgedResult, Cell, CellEvent, CellHeader, ChangeResult, Ended, FaultResult, GuardCount, GuardResult, Merged,
    NotificationBooks, ObserverCost, RecordingError, RunEvent, Snapshot, Subscriber,
};

/// Takes in a cell's recording, event by event.
#[derive(Debug)]
pub struct CellAnalysis {
    workload: Snapshot,
    header: CellHeader,
    merged: Merged,
    observed: Observed,
    recovery: RecoveryFold,
    faults: BTreeMap<usize, FaultResult>,
    changes: BTreeMap<usize, ChangeResult>,
    guards: BTreeMap<usize, GuardResult>,
    guard_counts: Vec<GuardCount>,
    acknowledged: Option<AcknowledgedResult>,
    notifications: Option<NotificationBooks>,
    cost: Option<ObserverCost>,
    ended: Option<Ended>,
    /// Up to when something was recorded, in seconds of the cell.
    recorded_s: f64,
}

impl CellAnalysis {
    /// Nothing taken in yet of the cell `header` of a run of `workload`.
    #[must_use]
    pub fn new(workload: &Snapshot, header: &CellHeader) -> Self {
        let bounds: Vec<(f64, f64)> = workload
            .phases
            .iter()
            .map(|phase| (phase.start.as_secs_f64(), phase.end.as_secs_f64()))
            .collect();
        Self {
            merged: Merged::new(workload.phases.len(), header.series.len()),
            observed: Observed::new(&bounds, header.shards).with_series(&workload.series),
            recovery: RecoveryFold::new(&workload.phases),
            workload: workload.clone(),
            header: header.clone(),
            faults: BTreeMap::new(),
            changes: BTreeMap::new(),
            guards: BTreeMap::new(),
            guard_counts: Vec::new(),
            acknowledged: None,
            notifications: None,
            cost: None,
            ended: None,
            recorded_s: 0.0,
        }
    }

    /// Writes that the target has acknowledged so far.
    #[must_use]
    pub fn merged(&self) -> &Merged {
        &self.merged
    }

    /// What it all came to. A recording without an end is that of a cell that goes on, or was killed.
    #[must_use]
    pub fn finish(self) -> Cell {
        let ended = self.ended.unwrap_or_else(|| Ended {
            at_s: self.recorded_s,
            early: Some("the recording ends here: bmt was killed, or is still running".to_owned()),
            is_target_lost: false,
            is_interrupted: false,
        });
        let parts = Parts {
            workload: &self.workload,
            header: &self.header,
            merged: &self.merged,
            observed: &self.observed,
            recovery: &self.recovery,
            ended_s: ended.at_s,
        };
        let mut cell = Cell {
            valid: true,
            warnings: Vec::new(),
            ended_early: ended.early,
            generator: assemble::generator(&self.workload, &self.merged),
            observer: self.cost,
            phases: parts.phases(),
            faults: self.faults.into_values().collect(),
            changes: self.changes.into_values().collect(),
            guards: self.guards.into_values().collect(),
            guard_counts: self.guard_counts,
            timeline: timeline::timeline(&self.merged.axis),
            acknowledged: self.acknowledged,
            notifications: self.notifications,
            connection_axis: connection_axis::axis(&self.merged, &self.observed),
            header: self.header,
        };
        // Faults are injected in the order of the workload, which is that of time.
        let sick: Vec<Option<u16>> = self.workload.faults.iter().map(|fault| fault.shard).collect();
        blast::fill(&mut cell, &self.merged.axis, &sick);
        note_acknowledged(&mut cell);
        note_unjudged(&mut cell);
        note_notifications(&mut cell);
        let reasons = validity::reasons(&self.workload, &cell);
        cell.valid = reasons.is_empty();
        cell.warnings
            .extend(reasons.into_iter().map(|reason| format!("INVALID: {reason}")));
        cell.warnings.extend(validity::notes(&self.workload, &cell));
        cell.warnings.extend(drift::note(&cell));
        let cost = cell.observer.as_ref();
        cell.warnings
            .extend(cost.map(|cost| cost.notes.clone()).unwrap_or_default());
        cell
    }
}

impl Subscriber for CellAnalysis {
    fn take(&mut self, event: &RunEvent) -> Result<(), RecordingError> {
        match event {
            RunEvent::Interval(interval) => {
                self.recorded_s = self.recorded_s.max((interval.second + 1) as f64);
                if self.merged.take(interval) {
                    self.recovery.take(&self.header, interval);
                }
            }
            RunEvent::Observed(sample) => {
                self.recorded_s = self.recorded_s.max(sample.at_s);
                self.observed.take(sample);
            }
            RunEvent::Cell(event) => match event.as_ref() {
                CellEvent::Fault { index, fault } => drop(self.faults.insert(*index, fault.clone())),
                CellEvent::Change { index, change } => drop(self.changes.insert(*index, change.clone())),
                CellEvent::Guard { index, guard } => drop(self.guards.insert(*index, guard.clone())),
                CellEvent::Guards(counts) => self.guard_counts.clone_from(counts),
                CellEvent::Acknowledged(result) => self.acknowledged = Some(result.clone()),
                CellEvent::Notifications(books) => self.notifications = Some(books.clone()),
                CellEvent::Observed(cost) => self.cost = Some(cost.clone()),
                CellEvent::Ended(ended) => self.ended = Some(ended.clone()),
            },
            RunEvent::RunBegan(_) | RunEvent::CellBegan(_) | RunEvent::Ending(_) | RunEvent::RunEnded(_) => {}
        }
        Ok(())
    }
}

/// A rule that could not be judged did nothing, and that is no sign that all was well.
fn note_unjudged(cell: &mut Cell) {
    let acted = |name: &String| cell.guards.iter().any(|guard| guard.name == *name);
    let unjudged = cell.guard_counts.iter();
    let unjudged = unjudged.filter(|count| count.without_figure > 0 && !acted(&count.name));
    for count in unjudged {
        let all = count.judged + count.without_figure;
        let reason = count.reason.iter().map(|reason| format!(": {reason}"));
        cell.warnings.push(format!(
            "the guard on {} could not be judged in {} of {all} seconds{}",
            count.name,
            count.without_figure,
            reason.collect::<String>()
        ));
    }
}

/// What is to be known of the books beside whether they balance, which is a matter of the verdict.
fn note_notifications(cell: &mut Cell) {
    let Some(books) = &cell.notifications else { return };
    let waiting: u64 = books.roles.values().map(|role| role.queued + role.in_flight).sum();
    if waiting > 0 || books.lag_records > 0 {
        cell.warnings.push(format!(
            "at the end {waiting} notifications were still waiting, and {} events had not been looked at by the push component",
            books.lag_records
        ));
    }
}

/// What is lost is the cell's, and told beside each of its faults.
fn note_acknowledged(cell: &mut Cell) {
    let Some(result) = &cell.acknowledged else { return };
    for fault in &mut cell.faults {
        fault.blast.acknowledged_lost = result.lost();
    }
    if let Some(problem) = &result.problem {
        cell.warnings.push(format!(
            "acknowledged writes could not be looked for, so it is not known whether any are lost: {problem}"
        ));
    }
}
