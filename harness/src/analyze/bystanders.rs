//! Who else suffered: traffic that was not the storm, compared with itself before the storm.
//!
//! A bystander is an operation with a rate of its own. It is judged apart on the hot chat's shard and on the others, for that is
//! what isolation is about. Its own `base` phase is the reference, so a variant that is slow at all times is not called a victim
//! of the spike.

use super::figure::{error_share, phase};
use crate::arrival::PhaseKind;
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Run};
use crate::workload::Placement;

/// A p99 this many times the one before the storm counts as suffering …
const P99_RATIO: f64 = 2.0;
/// … if it also grew by this much: a few milliseconds are nobody's complaint.
const P99_GROWTH_US: f64 = 20_000.0;
/// More failures than before by this part of all requests count as suffering.
const ERROR_GROWTH: f64 = 0.01;

/// What the storm did to one bystander.
#[derive(Debug, Clone, PartialEq)]
pub struct Bystander {
    /// Name of the traffic entry.
    pub operation: String,
    /// Where its chats live.
    pub placement: Option<Placement>,
    /// p99 of `ok` answers before the storm.
    pub p99_before_us: Option<u64>,
    /// The same in the storm.
    pub p99_during_us: Option<u64>,
    /// Part that did not end `ok` before the storm.
    pub errors_before: f64,
    /// The same in the storm.
    pub errors_during: f64,
    /// Whether it suffered.
    pub suffered: bool,
}

/// The bystanders of a cell, between its last base phase and its last phase; empty where the profile has no base.
#[must_use]
pub fn of_cell(run: &Run, cell: &Cell) -> Vec<Bystander> {
    let Some(before) = cell.phases.iter().rfind(|phase| phase.kind == PhaseKind::Base) else {
        return Vec::new();
    };
    let Some(during) = cell.phases.iter().rfind(|phase| phase.kind == PhaseKind::Spike) else {
        return Vec::new();
    };
    let entries = run.workload.traffic.iter().filter(|(_, entry)| entry.rate.is_some());
    entries
        .flat_map(|(name, _)| of_operation(name, before, during))
        .collect()
}

/// The bystanders of a variant's first repetition.
#[must_use]
pub fn of_variant(run: &Run, variant: &str) -> Vec<Bystander> {
    let whole = run
        .cells
        .iter()
        .filter(|cell| cell.variant == variant && cell.ended_early.is_none());
    let cell = whole.min_by_key(|cell| cell.repetition);
    cell.map(|cell| of_cell(run, cell)).unwrap_or_default()
}

fn of_operation(name: &str, before: &PhaseResult, during: &PhaseResult) -> Vec<Bystander> {
    let (Some(before), Some(during)) = (before.operations.get(name), during.operations.get(name)) else {
        return Vec::new();
    };
    if during.placements.is_empty() {
        return vec![compare(name, None, before, during)];
    }
    during
        .placements
        .iter()
        .filter_map(|(placement, during)| {
            Some(compare(
                name,
                Some(*placement),
                before.placements.get(placement)?,
                during,
            ))
        })
        .collect()
}

fn compare(name: &str, placement: Option<Placement>, before: &OperationResult, during: &OperationResult) -> Bystander {
    let p99 = |operation: &OperationResult| operation.response_us.get(Outcome::Ok.name()).and_then(|ok| ok.p99);
    let (p99_before_us, p99_during_us) = (p99(before), p99(during));
    let (errors_before, errors_during) = (error_share(before), error_share(during));
    let slower = match (p99_before_us, p99_during_us) {
        (Some(before), Some(during)) => {
            let (before, during) = (before as f64, during as f64);
            during > before * P99_RATIO && during - before > P99_GROWTH_US
        }
        (Some(_), None) => true,
        _ => false,
    };
    Bystander {
        operation: name.to_owned(),
        placement,
        p99_before_us,
        p99_during_us,
        errors_before,
        errors_during,
        suffered: slower || errors_during - errors_before > ERROR_GROWTH,
    }
}

/// The phase that tables show: the spike, or the last one in which something was offered.
#[must_use]
pub fn headline_phase(run: &Run) -> Option<&PhaseResult> {
    let cell = run.cells.iter().max_by_key(|cell| cell.phases.len())?;
    cell.phases
        .iter()
        .rfind(|phase| phase.kind == PhaseKind::Spike)
        .or_else(|| cell.phases.iter().rfind(|phase| phase.kind != PhaseKind::Settle))
        .or(cell.phases.last())
        .and_then(|headline| phase(cell, &headline.name))
}
