//! Gates and expectations, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Metric, Placement};
use crate::workload::figure_name::FigureName;
use crate::workload::quantity::Span;

/// One condition on a figure. Among `gates`: what must hold for the build to ship. Among `expect`: what a run must show
/// in order to show anything.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFile {
    /// Why the condition is there, in a few words.
    #[serde(default)]
    pub because: Option<String>,
    /// The figure that is judged: `response_p99`, with what it is of as `operation` or `series`, or all in one as
    /// `order.response_p99`.
    pub metric: FigureName,
    /// The traffic entry whose figure it is; needed by every metric of an operation.
    #[serde(default)]
    pub operation: Option<String>,
    /// Which of the operation's chats, by the shard they live on.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// The series whose figure it is, by its name in `observe`; needed by every metric of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The phase it is judged in, by name (`spike`, `base`, `step 1`); if not given, every phase but `warm-up`,
    /// `recovery`, `after` and `settle`, of which all but the first may be named.
    #[serde(default)]
    pub phase: Option<String>,
    /// For `ok_within`: how much of the beginning of the phase counts, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The fault whose figure it is, for metrics of a fault: its place in order of time, from 1, or its kind
    /// (`pause_shard`) where only one is of that kind. May be left out where there is a single fault.
    #[serde(default)]
    pub fault: Option<FaultName>,
    /// The variants that must pass; if not given, all, or all but that of `relative_to`.
    #[serde(default)]
    pub variants: Option<Vec<String>>,
    /// Judge the ratio of the figure to this variant's, made within each block, instead of the figure itself.
    #[serde(default)]
    pub relative_to: Option<String>,
    /// Judge the ratio of the figure to the same variant's in this phase of the same block, instead of the figure
    /// itself: with `phase: spike` and `step 2` here, the jump against the ramp at the same rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_to_phase: Option<String>,
    /// The figure may not be above this: a time (`50ms`), rate (`2000/s`), percentage (`1%`) or plain number, as the
    /// metric has it.
    #[serde(default)]
    pub at_most: Option<Limit>,
    /// The figure may not be below this.
    #[serde(default)]
    pub at_least: Option<Limit>,
    /// What an answer that the noise between blocks leaves open counts as. If not given, an inconclusive condition
    /// makes the run inconclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<Inconclusive>,
}

impl GateFile {
    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric.metric
    }

    /// What the figure is of, a traffic entry, one of its steps or a host, whichever way that is written.
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref().or(self.metric.operation())
    }

    /// The series that the figure is of, whichever way that is written.
    pub fn series(&self) -> Option<&str> {
        self.series.as_deref().or(self.metric.series())
    }
}

/// What an inconclusive condition counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Inconclusive {
    /// As passed.
    Pass,
    /// As failed.
    Fail,
}

/// A gate's limit: a number, or a quantity with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    /// A plain number.
    Number(f64),
    /// A quantity such as `50ms`, `2000/s` or `1%`.
    Quantity(String),
}

/// A fault of the workload, by its place in order of time or by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FaultName {
    /// Its place in order of time, from 1.
    Place(u32),
    /// Its kind, such as `pause_shard`.
    Kind(String),
}
