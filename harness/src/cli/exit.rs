//! Exit codes are an API: CI jobs branch on them.

use crate::record::Verdict;

/// How bmt exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, every gate passed.
    Done = 0,
    /// Something unexpected.
    Unexpected = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// An expectation was not met: the run does not show what it is there to show.
    Unconvincing = 98,
    /// A gate failed.
    GateFailed = 99,
    /// The workload is not valid.
    WorkloadInvalid = 104,
    /// Stopped by a signal; partial results are written.
    Interrupted = 105,
    /// Figures speak of the generator and not of the target.
    RunInvalid = 120,
    /// The target, or something it needs, could not be started or reached.
    TargetLost = 121,
    /// A gate or an expectation could not be decided.
    Inconclusive = 122,
    /// A guard lowered or ended the load.
    Guarded = 123,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Done,
            Verdict::Failed => Self::GateFailed,
            Verdict::Unconvincing => Self::Unconvincing,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Invalid => Self::RunInvalid,
            Verdict::Guarded => Self::Guarded,
            Verdict::Interrupted => Self::Interrupted,
            // No run that has ended has this verdict.
            Verdict::Unfinished => Self::Unexpected,
            Verdict::TargetLost => Self::TargetLost,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
