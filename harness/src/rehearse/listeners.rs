//! Everyone who listens to a run: the writer of its directory, the analysis of the cell that runs, the progress
//! display.

use crate::analyze::CellAnalysis;
use crate::record::{Cell, CellHeader, Merged, RecordingError, RunEvent, RunWriter, Snapshot, Subscriber};
use crate::report::Progress;

/// Who listens. Each event is on disk before it is analysed.
pub(super) struct Listeners {
    pub(super) writer: RunWriter,
    progress: Progress,
    workload: Snapshot,
    cell: Option<CellAnalysis>,
}

impl Listeners {
    pub(super) fn new(writer: RunWriter, progress: Progress, workload: &Snapshot) -> Self {
        Self {
            writer,
            progress,
            workload: workload.clone(),
            cell: None,
        }
    }

    /// A cell begins.
    pub(super) fn begin(&mut self, header: CellHeader) -> Result<(), RecordingError> {
        self.cell = Some(CellAnalysis::new(&self.workload, &header));
        self.tell(&RunEvent::CellBegan(Box::new(header)))
    }

    pub(super) fn tell(&mut self, event: &RunEvent) -> Result<(), RecordingError> {
        self.writer.take(event)?;
        if let Some(cell) = &mut self.cell {
            cell.take(event)?;
        }
        self.progress.take(event)
    }

    /// The workload as it is recorded.
    pub(super) fn workload(&self) -> &Snapshot {
        &self.workload
    }

    /// What the cell that runs has measured so far.
    pub(super) fn merged(&self) -> Option<&Merged> {
        self.cell.as_ref().map(CellAnalysis::merged)
    }

    /// The cell that ran, analysed.
    pub(super) fn finish_cell(&mut self) -> Option<Cell> {
        self.cell.take().map(CellAnalysis::finish)
    }

    /// What is about to begin, before there is anything to measure.
    pub(super) fn announce(&mut self, what: &str) {
        self.progress.announce(what);
    }
}
