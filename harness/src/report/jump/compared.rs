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
        let jump = phases.iter().rfind(|phase| phase.kind == PhaseKind::Spike);
        // Everyday load before the jump, and not after it; the last there was where it did not come to a jump.
        let until = jump.map_or(f64::INFINITY, |jump| jump.start_s);
        let everyday = phases
            .iter()
            .rfind(|phase| phase.kind == PhaseKind::Base && phase.start_s <= until);
        let mut steps = run.header.workload.phases.iter();
        let top = steps.rfind(|phase| phase.kind == PhaseKind::Step);
        Self {
            everyday,
            ramp: phases
                .iter()
                .find(|phase| top.is_some_and(|top| top.name == phase.name)),
            jump,
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
