//! What is fixed before a run and before each of its cells, and what happens besides load: the parts of a recording
//! that are not figures.
//!
//! Together with intervals and samples they are all that analysis needs. Names of a workload's keys do not occur here:
//! renaming a key never orphans a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::run::{
    AcknowledgedResult, BoundKind, ChangeResult, FaultResult, GuardAction, GuardCount, GuardResult, NotificationBooks,
    ObserverCost,
};
use crate::arrival::Phase;
use crate::metric::Placement;

/// The schema of `recording.json` that this version writes and reads.
pub const RECORDING_SCHEMA: &str = "bmt.recording/1";

/// What is fixed before a run begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Version of bmt.
    pub bmt_version: String,
    /// Commit that bmt was built from, where that is known.
    pub built_from: Option<String>,
    /// Commit of the workload's directory, or of the one that bmt was started in, where it is a git checkout; `-dirty`
    /// when it had changes.
    pub git: Option<String>,
    /// Seed of arrivals, of placement, and of the order of the cells.
    pub seed: u64,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// The command line.
    pub command: String,
    /// Whether `--quick` was given.
    pub quick: bool,
    /// Whether a variant was run against itself: `--aa`.
    #[serde(default)]
    pub aa: bool,
    /// What was rehearsed.
    pub workload: Snapshot,
    /// Where it ran.
    pub environment: Environment,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<String>,
}

/// The workload as far as analysis and reports need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The question that it asks.
    pub question: String,
    /// The phases of its profile, in order.
    pub phases: Vec<Phase>,
    /// Traffic entries, in order.
    pub traffic: Vec<TrafficSnapshot>,
    /// Names of the hosts that share the arrivals, in order; none where there is a single target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Names of the variants that are to be run, in order.
    pub variants: Vec<String>,
    /// In each block every variant runs once.
    pub blocks: u32,
    /// Blocks that could be run in place of spoilt ones.
    #[serde(default)]
    pub spare_blocks: u32,
    /// Faults, in order of time.
    pub faults: Vec<FaultSnapshot>,
    /// What lowers or ends the load while a cell runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<GuardSnapshot>,
    /// What must hold for the build to ship.
    pub gates: Vec<GateSnapshot>,
    /// What the run must show in order to show anything.
    pub expectations: Vec<GateSnapshot>,
    /// Connections that the generator may open.
    pub connections: u32,
    /// Arrivals that may wait for one of them.
    #[serde(default)]
    pub waiting: u32,
    /// Names of the series that are to be observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<String>,
    /// Worker threads of the generator.
    pub workers: u32,
    /// A request is given up this long after its intended start.
    pub timeout_s: f64,
    /// The whole file with every default filled in, for people.
    pub source: serde_json::Value,
}

/// One traffic entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficSnapshot {
    /// The name under which results report it.
    pub name: String,
    /// What one request does, in one word.
    pub operation: String,
    /// Part of the profile's rate that it takes, 0 to 1.
    pub share: f64,
    /// Its own rate, per second.
    pub rate: f64,
    /// Whether its callers retry.
    pub retries: bool,
    /// The members that follow, where the entry is their fetches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<FollowSnapshot>,
    /// The WebSocket connections that it holds, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebsocketSnapshot>,
    /// Names of its steps, in order, where it is a session. Each is an entry of its own as well, called by the
    /// session's name, a dot and its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

impl TrafficSnapshot {
    /// Whether its arrivals are sessions, and not requests.
    #[must_use]
    pub fn is_session(&self) -> bool {
        !self.steps.is_empty()
    }
}

/// WebSocket connections that are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebsocketSnapshot {
    /// How many.
    pub hold: u32,
}

/// Members who are online.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowSnapshot {
    /// Members online in each chat.
    pub online: u32,
    /// Chats.
    pub chats: u32,
}

/// A fault that is to be injected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSnapshot {
    /// Its kind.
    pub kind: String,
    /// The shard that it is done to.
    pub shard: Option<u16>,
    /// When, in seconds of the cell.
    pub at_s: f64,
    /// When it is to be undone.
    pub until_s: f64,
}

/// A rule that lowers or ends the load while a cell runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardSnapshot {
    /// Why it is there.
    pub because: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// The traffic entry, one of its steps, or a host.
    pub operation: Option<String>,
    /// Which side of the limit the figure has to keep to, and the limit in the metric's unit.
    pub bound: (BoundKind, f64),
    /// The figure is that of so many seconds.
    pub over_s: u32,
    /// What the rule does.
    pub action: GuardAction,
    /// After so many seconds the profile's rate is tried again.
    pub again_after_s: Option<u32>,
    /// The profile's rate after a back-off.
    pub base_rate: f64,
}

impl GuardSnapshot {
    /// The figure that it judges, such as `order.response_p99`.
    #[must_use]
    pub fn name(&self) -> String {
        let operation = self.operation.iter().map(|operation| format!("{operation}."));
        operation.chain([self.metric.clone()]).collect()
    }
}

/// A gate or an expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateSnapshot {
    /// Why it is there.
    pub because: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// The traffic entry.
    pub operation: Option<String>,
    /// Only its chats that live there.
    pub placement: Option<Placement>,
    /// Name of the series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Only so many seconds of the beginning of the phase.
    pub within_s: Option<u64>,
    /// Index of the fault.
    pub fault: Option<usize>,
    /// Names of the phases; of a fault's figure, how the fault is called.
    pub phases: Vec<String>,
    /// Names of the variants.
    pub variants: Vec<String>,
    /// Judge the ratio to this variant.
    pub relative_to: Option<String>,
    /// Judge the ratio to this phase of the same cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_to_phase: Option<String>,
    /// Limits, in the metric's unit.
    pub bounds: Vec<(BoundKind, f64)>,
    /// What it counts as where it is inconclusive: `pass` or `fail`.
    pub inconclusive: Option<super::run::Answer>,
}

impl GateSnapshot {
    /// Whether a ratio is judged instead of the figure itself.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.relative_to.is_some() || self.relative_to_phase.is_some()
    }
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Name and release of the kernel.
    pub kernel: String,
    /// Model of the processor.
    pub cpu_model: Option<String>,
    /// Logical CPUs.
    pub cpus: usize,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Address of a target that bmt did not start.
    pub target: Option<String>,
    /// CPUs of the generator, where it was pinned.
    pub generator_cpus: Vec<usize>,
    /// CPUs of the server and its databases, where they were pinned.
    pub target_cpus: Vec<usize>,
}

impl Environment {
    /// Whether generator and target have cores of their own.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        !self.generator_cpus.is_empty()
    }
}

/// What is fixed before the first arrival of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellHeader {
    /// Name of the variant.
    pub variant: String,
    /// Number of the block, from 1.
    pub block: u32,
    /// Name of its directory below `cells/`.
    pub directory: String,
    /// Place among the cells of the run, from 1.
    pub number: usize,
    /// Seed of arrivals and placement: the same for all cells of the block.
    pub seed: u64,
    /// The server's settings, resolved; `None` where the server is somebody else's.
    pub server: Option<serde_json::Map<String, serde_json::Value>>,
    /// The settings of the push gateway that bmt started beside the server, resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<serde_json::Map<String, serde_json::Value>>,
    /// The program that bmt started in place of the reference server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<StartedProcess>,
    /// Version of the database, where bmt started it.
    pub database: Option<String>,
    /// What is kept apart, by index.
    pub series: Vec<SeriesName>,
    /// Requests that may be under way at once; `None` in older recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Databases that are observed: shards, and behind them those that the workload names.
    pub shards: usize,
}

/// A program that bmt started as the target. What comes from bmt's environment or looks like a secret is `***`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedProcess {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The variables that the workload gave it.
    pub env: BTreeMap<String, String>,
    /// Where it listened.
    pub url: String,
}

/// What one series is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesName {
    /// Index of the traffic entry.
    pub entry: usize,
    /// Where its chats live; `None` where that is not known or the entry has none.
    pub placement: Option<Placement>,
}

/// What happens in a cell besides load. Of a fault, a change or an act of a guard, the last event with its index holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellEvent {
    /// A fault began, ended, or failed.
    Fault {
        /// Index in order of time.
        index: usize,
        /// What is known of it.
        fault: FaultResult,
    },
    /// A live setting was changed, or not.
    Change {
        /// Index in order of time.
        index: usize,
        /// What came of it.
        change: ChangeResult,
    },
    /// A guard did something, or that was undone.
    Guard {
        /// Index in order of time.
        index: usize,
        /// What is known of it.
        guard: GuardResult,
    },
    /// How often each guard could be judged.
    Guards(Vec<GuardCount>),
    /// Acknowledged writes were looked for.
    Acknowledged(AcknowledgedResult),
    /// The books of the push component were read.
    Notifications(NotificationBooks),
    /// What observing cost.
    Observed(ObserverCost),
    /// The cell has ended.
    Ended(Ended),
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When, in seconds of the cell.
    pub at_s: f64,
    /// Why before its profile did.
    pub early: Option<String>,
    /// Whether the target was lost.
    pub is_target_lost: bool,
    /// Whether a signal stopped it.
    pub is_interrupted: bool,
}

/// How a run ended, as far as its cells do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// A signal stopped it.
    pub is_interrupted: bool,
    /// Why the target was lost or never came up.
    pub lost: Option<String>,
}
