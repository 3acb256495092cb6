//! What a run tells whoever listens: the writer of its directory, its analysis, its progress display, later views.

use super::error::RecordingError;
use super::{CellEvent, CellHeader, Ending, Interval, Run, RunHeader};
use crate::observe::Sample as Observation;

/// Something that happened in a run. Large parts are boxed: events are moved about.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The run begins.
    RunBegan(Box<RunHeader>),
    /// A cell begins; intervals, samples and events until the next are its own.
    CellBegan(Box<CellHeader>),
    /// What a worker measured in about a second.
    Interval(Box<Interval>),
    /// What the target said of itself.
    Observed(Box<Observation>),
    /// Something was broken, changed, looked for; the cell ended.
    Cell(Box<CellEvent>),
    /// No further cell is run.
    Ending(Box<Ending>),
    /// The run has ended; this is what it came to.
    RunEnded(Box<Run>),
}

/// Who listens to a run.
pub trait Subscriber {
    /// Takes in the next event.
    ///
    /// # Errors
    /// When it cannot go on; the run then ends.
    fn take(&mut self, event: &RunEvent) -> Result<(), RecordingError>;
}
