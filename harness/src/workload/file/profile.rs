//! How the offered rate moves over time, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workload::quantity::{Rate, Share, Span};

/// How the offered rate moves over time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum ProfileFile {
    /// One rate throughout.
    Constant {
        /// The offered rate.
        target: Rate,
        /// How long it is offered.
        hold: Span,
        /// Offered before, at the same rate, and reported apart.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// Equal steps up to the target.
    Steps {
        /// The rate before the first step.
        base: Rate,
        /// The rate of the last step.
        target: Rate,
        /// Number of steps.
        #[schemars(range(min = 1, max = 100))]
        steps: u32,
        /// Length of each step.
        hold: Span,
        /// Time at the base rate before the first step.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// Everyday load, then the target at once.
    Spike {
        /// Everyday rate.
        base: Rate,
        /// The rate of the spike.
        target: Rate,
        /// Time at the base rate.
        base_hold: Span,
        /// Length of the spike.
        spike_hold: Span,
        /// Time at the base rate before measuring.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// Real traffic, moved: at one rate the part of one of the `target.hosts` grows step by step, and goes back.
    Shift {
        /// The offered rate, of all hosts together.
        target: Rate,
        /// The host whose part grows; before and after it has none.
        to: String,
        /// Its part in each step, such as `[10%, 50%, 100%]`; the others have the rest, by their weights.
        #[schemars(length(min = 1, max = 100))]
        shares: Vec<Share>,
        /// Length of each step.
        hold: Span,
        /// Time after the last step in which it has no part again, `hold` if not given.
        #[serde(default)]
        back: Option<Span>,
        /// Time before the first step.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// The rehearsal: steps up to the target, back to everyday load, one jump to the target.
    Bmt {
        /// Everyday rate.
        base: Rate,
        /// The rate of the last step and of the spike.
        target: Rate,
        /// Number of steps.
        #[schemars(range(min = 1, max = 100))]
        steps: u32,
        /// Length of each step.
        hold: Span,
        /// Time back at the base rate in which what the ramp has piled up may drain; a phase of its own, not judged.
        #[serde(default)]
        recovery: Option<Span>,
        /// Time at the base rate before the spike, `hold` if not given.
        #[serde(default)]
        base_hold: Option<Span>,
        /// Length of the spike.
        spike_hold: Span,
        /// Time at the base rate before the first step.
        #[serde(default)]
        warm_up: Option<Span>,
    },
}
