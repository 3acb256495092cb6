//! The phases that are compared.

use crate::arrival::PhaseKind;
use crate::record::{OperationResult, PhaseResult, Run};

/// The phases that are compared, of the only cell; `None` of one that was not reached.
pub(super) struct Columns<'a> {
    pub(super) everyday: Option<&'a PhaseResult>,
    pub(super) ramp: Option<&'a PhaseResult>,
    pub(super) jump: Option<&'a PhaseResult>,
}

impl<'a> Columns<'a> {
    /// The ramp is its last step, which offers what the jump does.
    pub(super) fn of(run: &'a Run) -> Self {
        let phases = run.cells.first().map_or(&[][..], |cell| &cell.phases);
        let last = |kind: PhaseKind| phases.iter().rfind(|phase| phase.kind == kind);
        let mut steps = run.header.workload.phases.iter();
        let top = steps.rfind(|phase| phase.kind == PhaseKind::Step);
        Self {
            everyday: last(PhaseKind::Base),
            ramp: phases
                .iter()
                .find(|phase| top.is_some_and(|top| top.name == phase.name)),
            jump: last(PhaseKind::Spike),
        }
    }

    pub(super) fn all(&self) -> [Option<&'a PhaseResult>; 3] {
        [self.everyday, self.ramp, self.jump]
    }
}

/// The only operation of a phase.
pub(super) fn operation(phase: &PhaseResult) -> Option<&OperationResult> {
    phase.operations.values().next()
}
