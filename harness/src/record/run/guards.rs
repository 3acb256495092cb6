//! What guards did in a cell: load that was lowered or ended because of how it went.

use serde::{Deserialize, Serialize};

use super::BoundKind;

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// The profile offers no more than its base rate.
    BackOff,
    /// The profile offers no more than in the phase in which the rule acted.
    Hold,
    /// Nothing more is offered, in this cell and in the run.
    Abort,
}

impl GuardAction {
    /// The name in a workload file and in a result.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BackOff => "back_off",
            Self::Hold => "hold",
            Self::Abort => "abort",
        }
    }
}

/// Something that a guard did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardResult {
    /// Place of the rule among the workload's, from 1.
    pub rule: usize,
    /// Why the rule is there.
    pub because: Option<String>,
    /// The figure that was judged, such as `order.response_p99`.
    pub name: String,
    /// What it was, in `unit`.
    pub figure: f64,
    /// Which side of the limit it should have kept to.
    pub bound: BoundKind,
    /// The limit, in `unit`.
    pub limit: f64,
    /// `us`, `per_s`, `share` (of one) or `number`.
    pub unit: String,
    /// Seconds that the figure was made of.
    pub over_s: u32,
    /// When the last of them ended, in seconds of the cell.
    pub since_s: f64,
    /// What was done.
    pub action: GuardAction,
    /// When that took effect, in seconds of the cell.
    pub at_s: f64,
    /// From the end of the last second to that moment.
    pub reaction_s: f64,
    /// The profile's rate before.
    pub rate_before: f64,
    /// The same afterwards; 0 where nothing was offered any more.
    pub rate_after: f64,
    /// When the profile's rate was tried again, in seconds of the cell; `None` where it was not.
    pub until_s: Option<f64>,
}

/// How often a rule could be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardCount {
    /// The figure that it judges.
    pub name: String,
    /// Seconds in which it was judged.
    pub judged: u64,
    /// Seconds in which there was no figure to judge.
    pub without_figure: u64,
    /// Why there was none, the last time.
    pub reason: Option<String>,
}
