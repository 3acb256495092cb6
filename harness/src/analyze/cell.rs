//! A recorded cell becomes a [`Cell`], the same whether the recording comes live, from a file, or from another machine.

use std::collections::BTreeMap;

use super::assemble::{self, Parts};
use super::observed::Observed;
use super::{blast, timeline, validity};
use crate::record::{
    AcknowledgedResult, Cell, CellEvent, CellHeader, ChangeResult, Ended, FaultResult, Merged, ObserverCost,
    RecordingError, RunEvent, Snapshot, Subscriber,
};

/// Takes in a cell's recording, event by event.
#[derive(Debug)]
pub struct CellAnalysis {
    workload: Snapshot,
    header: CellHeader,
    merged: Merged,
    observed: Observed,
    faults: BTreeMap<usize, FaultResult>,
    changes: BTreeMap<usize, ChangeResult>,
    acknowledged: Option<AcknowledgedResult>,
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
            workload: workload.clone(),
            header: header.clone(),
            faults: BTreeMap::new(),
            changes: BTreeMap::new(),
            acknowledged: None,
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
            timeline: timeline::timeline(&self.merged.axis),
            acknowledged: self.acknowledged,
            header: self.header,
        };
        // Faults are injected in the order of the workload, which is that of time.
        let sick: Vec<Option<u16>> = self.workload.faults.iter().map(|fault| fault.shard).collect();
        blast::fill(&mut cell, &self.merged.axis, &sick);
        note_acknowledged(&mut cell);
        let reasons = validity::reasons(&self.workload, &cell);
        cell.valid = reasons.is_empty();
        cell.warnings
            .extend(reasons.into_iter().map(|reason| format!("INVALID: {reason}")));
        cell.warnings.extend(validity::notes(&self.workload, &cell));
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
                self.merged.take(interval);
            }
            RunEvent::Observed(sample) => {
                self.recorded_s = self.recorded_s.max(sample.at_s);
                self.observed.take(sample);
            }
            RunEvent::Cell(event) => match event.as_ref() {
                CellEvent::Fault { index, fault } => drop(self.faults.insert(*index, fault.clone())),
                CellEvent::Change { index, change } => drop(self.changes.insert(*index, change.clone())),
                CellEvent::Acknowledged(result) => self.acknowledged = Some(result.clone()),
                CellEvent::Observed(cost) => self.cost = Some(cost.clone()),
                CellEvent::Ended(ended) => self.ended = Some(ended.clone()),
            },
            RunEvent::RunBegan(_) | RunEvent::CellBegan(_) | RunEvent::Ending(_) | RunEvent::RunEnded(_) => {}
        }
        Ok(())
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
