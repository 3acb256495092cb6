//! Guards, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Limit;
use crate::workload::figure_name::FigureName;
use crate::workload::quantity::Span;

/// A rule that lowers or ends the load while a cell runs. It judges the last seconds, every second; the warm-up and
/// `settle` are not judged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardFile {
    /// Why the rule is there, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The figure that is judged, such as `order.response_p99`.
    pub when: FigureName,
    /// The rule acts where the figure is above this: a time (`50ms`), rate (`2000/s`), percentage (`1%`) or plain
    /// number, as the metric has it. Exactly one of `above` and `below` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Limit>,
    /// The rule acts where the figure is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Limit>,
    /// How many seconds the figure is made of, the last ones each time: whole seconds, from 1s to 60s.
    #[serde(rename = "for")]
    pub over: Span,
    /// What it does. A rule acts once in a cell, unless it has `again_after`.
    pub then: GuardAction,
    /// For `back_off`: the profile's rate is tried again after so many whole seconds, and the rule may act again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_after: Option<Span>,
}

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// The profile offers no more than its base rate for the rest of the cell.
    BackOff,
    /// The profile offers no more than in the phase in which the rule acted, for the rest of the cell.
    Hold,
    /// Nothing more is offered; the cell ends when what is under way has ended, and the run with it.
    Abort,
}
