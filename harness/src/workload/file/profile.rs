//! How the offered rate moves over time, as it is written.

use std::collections::BTreeMap;

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
        /// Time at the base rate after the spike, in which it is seen whether and when the target recovers; judged only
        /// by gates that name it.
        #[serde(default)]
        after: Option<Span>,
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
        /// Time at the base rate after the spike, in which it is seen whether and when the target recovers; judged only
        /// by gates that name it.
        #[serde(default)]
        after: Option<Span>,
        /// Time at the base rate before the first step.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// Everyday load and a jump after another, to learn whether each is recovered from.
    Sawtooth {
        /// Everyday rate.
        base: Rate,
        /// The rate of each spike.
        target: Rate,
        /// Number of spikes.
        #[schemars(range(min = 1, max = 100))]
        jumps: u32,
        /// Length of each spike.
        spike_hold: Span,
        /// Time at the base rate before the first spike and after each.
        base_hold: Span,
        /// Time at the base rate right after each spike in which what it has piled up may drain; phases of their own,
        /// not judged.
        #[serde(default)]
        recovery: Option<Span>,
        /// Time at the base rate before measuring.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// Everyday load and a jump for each midnight: at a time of its own, to a rate of its own, with a mix of its own.
    Midnights {
        /// Everyday rate.
        base: Rate,
        /// Time at the base rate before measuring.
        #[serde(default)]
        warm_up: Option<Span>,
        /// Least time at the base rate before the first jump; where it is not given, the first jump comes when it says.
        #[serde(default)]
        base_hold: Option<Span>,
        /// The jumps. Where several last at the same time, their rates add up.
        #[schemars(length(min = 1, max = 100))]
        jumps: Vec<JumpFile>,
        /// Time at the base rate after the last jump.
        #[serde(default)]
        end_hold: Option<Span>,
    },
    /// A rate that was recorded, second by second: grown, and compressed in time.
    Trace {
        /// Where it is.
        file: TraceFile,
        /// What every rate is multiplied by.
        #[serde(default = "one")]
        #[schemars(range(min = 0.001, max = 1000.0))]
        growth: f64,
        /// So many seconds of the trace are one second of the cell; 60 makes a minute of an hour. Each offers the mean
        /// of those that it stands for, but the one with the peak offers the peak.
        #[serde(default = "one")]
        #[schemars(range(min = 1.0, max = 86400.0))]
        compress: f64,
        /// Time at the rate of the trace's first second, before it begins.
        #[serde(default)]
        warm_up: Option<Span>,
    },
    /// One rate for long, cut in equal windows, so that the last can be compared with the first.
    Soak {
        /// The offered rate.
        target: Rate,
        /// How long it is offered in all.
        hold: Span,
        /// Number of windows, each a phase.
        #[serde(default = "six")]
        #[schemars(range(min = 2, max = 100))]
        windows: u32,
        /// Offered before, at the same rate, and reported apart.
        #[serde(default)]
        warm_up: Option<Span>,
    },
}

/// One jump of `midnights`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JumpFile {
    /// Its name, and that of its phase.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// When it begins, from the end of the warm-up.
    pub at: Span,
    /// The rate that it jumps to, everyday load included.
    pub target: Rate,
    /// How long that lasts.
    pub hold: Span,
    /// Parts of its rate by traffic entry, from 0 to 1; they add up to 1, and entries that are left out have none. The
    /// shares of the entries where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<BTreeMap<String, f64>>,
}

/// A column of a file with a row for each second.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// The file, in the workload's folder or below it; its first line names the columns.
    pub csv: String,
    /// The column with the rates, in arrivals per second.
    #[serde(default = "rate_column")]
    pub column: String,
}

fn one() -> f64 {
    1.0
}

fn six() -> u32 {
    6
}

fn rate_column() -> String {
    "rate".to_owned()
}
