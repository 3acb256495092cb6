//! Where it is noted which processes a cell has, and again when one is started again.

use crate::observe::Processes;

/// The processes of a cell by name.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    pub(super) processes: Processes,
}

impl Whereabouts {
    pub(super) fn note(&self, name: &str, pid: u32) {
        self.processes.note(name, pid);
    }
}
