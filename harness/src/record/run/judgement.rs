//! Gates, expectations, comparisons, the verdict.

use serde::{Deserialize, Serialize};

/// How a run ended. Where several hold, the first in this order: interrupted, target lost, invalid, guarded, failed,
/// unconvincing, inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every gate passed.
    Passed,
    /// A gate failed.
    Failed,
    /// An expectation was not met: the run does not show what it is there to show.
    Unconvincing,
    /// A gate or an expectation could not be decided.
    Inconclusive,
    /// Figures speak of the generator, so nothing can be said of the target.
    Invalid,
    /// A guard lowered or ended the load, so not all of it was offered.
    Guarded,
    /// Stopped by a signal.
    Interrupted,
    /// Still running, or ended without a word.
    Unfinished,
    /// What was driven, or something it needs, went away or never came up.
    TargetLost,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The limit is kept.
    Pass,
    /// It is not.
    Fail,
    /// The measurements do not decide it.
    Inconclusive,
}

/// Which side of its limit a figure must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundKind {
    /// The figure may not be above.
    AtMost,
    /// The figure may not be below.
    AtLeast,
}

/// One gate or expectation judged on one variant in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate in words.
    pub name: String,
    /// Why it is there.
    pub because: Option<String>,
    /// The variant that was judged.
    pub variant: String,
    /// The phase that was judged, or the fault.
    pub phase: String,
    /// Name of the metric.
    pub metric: String,
    /// The figure, in `unit`: of several blocks the mean that the interval is around. `None` where there is none.
    pub actual: Option<f64>,
    /// Lower end of the figure's interval.
    pub low: Option<f64>,
    /// Upper end of the figure's interval.
    pub high: Option<f64>,
    /// The side of the limit.
    pub bound: BoundKind,
    /// The limit, in `unit`.
    pub limit: f64,
    /// `us`, `s`, `per_s`, `share` (of one), `number` or `ratio`.
    pub unit: String,
    /// How the ends were made: `t95_log`, `each_block` (the least and the largest block), `two_draws` or `one_draw`;
    /// `None` where there is no figure.
    #[serde(default)]
    pub method: Option<String>,
    /// Blocks that decided.
    pub n: u32,
    /// The figure of each block, in order; `None` where a block has none or does not count.
    pub blocks: Vec<Option<f64>>,
    /// What the gate says.
    pub answer: Answer,
    /// Why it says so, where the figures do not explain it.
    pub reason: Option<String>,
    /// The figures with and without the generator's own lateness answer differently: nobody can tell, and the run is
    /// INVALID.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecidable: bool,
}

/// One figure of one variant over that of another, block by block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the metric.
    pub metric: String,
    /// The traffic entry, where the metric is of one.
    pub operation: Option<String>,
    /// The phase.
    pub phase: String,
    /// The variant.
    pub variant: String,
    /// The variant that it is compared with.
    pub relative_to: String,
    /// The ratio: the geometric mean of the blocks' ratios. `None` where no block has one.
    pub ratio: Option<f64>,
    /// Lower end of its interval; `None` with fewer than three blocks.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Blocks that have a ratio.
    pub n: u32,
    /// How the interval was made: `t95_log` or `one_draw` or `two_draws`.
    pub method: String,
}
