//! `run.json`, version `bmt.run/1`: everything a report needs.
//!
//! ```text
//! mod.rs          Run: a run, its machine, its cells and gates
//! moments.rs      what was broken and changed on purpose, and what it did to each shard
//! phase.rs        PhaseResult: one phase of one cell, by operation
//! connections.rs  fan_out.rs   parts of it
//! ```
//!
//! Times end in `_us` (microseconds) or `_s` (seconds). What was not observed is `null`, never 0.

mod connections;
mod fan_out;
mod moments;
mod phase;

use serde::{Deserialize, Serialize};

use crate::workload::{Settings, WorkloadFile};

pub use connections::{ClientSide, Connections, DatabaseSide, PoolWait, ServerSide};
pub use fan_out::{Fanout, JoinSide, PushSide};
pub use moments::{AcknowledgedResult, Blast, ChangeResult, FaultResult, ShardBlast, ShardTimeline, Timeline};
pub use phase::{Contention, OperationResult, PhaseResult, Quantiles, Resources, Retries};

/// The schema that this version writes and reads.
pub const RUN_SCHEMA: &str = "bmt.run/1";

/// One run of one workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Version of bmt.
    pub bmt_version: String,
    /// Commit of the directory that bmt was started in, where it is a git checkout; `-dirty` when it had changes.
    pub git: Option<String>,
    /// Seed of arrivals and of the order of the cells.
    pub seed: u64,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// The command line.
    pub command: String,
    /// Whether `--quick` was given.
    pub quick: bool,
    /// The workload with every default filled in.
    pub workload: WorkloadFile,
    /// Where it ran.
    pub environment: Environment,
    /// How it ended.
    pub verdict: Verdict,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<String>,
    /// One for each variant and repetition that was begun, in the order in which they ran.
    pub cells: Vec<Cell>,
    /// One for each gate, variant and phase.
    pub gates: Vec<GateResult>,
    /// Filled by comparisons of whole runs.
    pub comparisons: Vec<serde_json::Value>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every gate passed.
    Passed,
    /// A gate failed.
    Failed,
    /// The generator did not keep its schedule, so nothing can be said.
    Invalid,
    /// Stopped by a signal.
    Interrupted,
    /// Still running, or ended without a word.
    Unfinished,
    /// What was driven, or something it needs, went away or never came up.
    TargetLost,
}

/// The machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Environment {
    /// Name and release of the kernel.
    pub kernel: String,
    /// Model of the processor.
    pub cpu_model: Option<String>,
    /// Logical CPUs.
    pub cpus: usize,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Version of the database server, where bmt started it.
    pub database: Option<String>,
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

/// One variant, one repetition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    /// Name of the variant.
    pub variant: String,
    /// From 1.
    pub repetition: u32,
    /// The server's settings, resolved; `None` where the server is somebody else's.
    pub server: Option<Settings>,
    /// Whether the generator kept its schedule.
    pub valid: bool,
    /// Why the cell is not valid, and what else a reader should know.
    pub warnings: Vec<String>,
    /// Why the cell ended before its profile did.
    pub ended_early: Option<String>,
    /// The load generator.
    pub generator: Generator,
    /// What observing cost.
    pub observer: Option<ObserverCost>,
    /// By phase, in order.
    pub phases: Vec<PhaseResult>,
    /// Injected faults, in order of time.
    pub faults: Vec<FaultResult>,
    /// Changes of live settings, in order of time.
    #[serde(default)]
    pub changes: Vec<ChangeResult>,
    /// The calls to each shard over time, where something was broken or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// Whether what was acknowledged is there afterwards, where something was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<AcknowledgedResult>,
}

/// How the generator did over the whole cell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Worker threads.
    pub threads: usize,
    /// CPU over wall time of the busiest worker in its busiest phase, 0 to 1.
    pub cpu_max: f64,
    /// When the pacer woke − intended.
    pub schedule_lag_us: Quantiles,
    /// Arrivals that were scheduled and never sent.
    pub unsent: u64,
    /// Durations above one hour.
    pub clipped: u64,
}

/// What observing cost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ObserverCost {
    /// CPU seconds of the observing thread.
    pub cpu_s: f64,
    /// Queries sent to the shards.
    pub queries: u64,
    /// Mean time of one such query.
    pub query_mean_us: f64,
    /// CPU seconds that the shards spent on answering them; `None` where their threads cannot be seen.
    pub database_cpu_s: Option<f64>,
    /// The same over the length of the cell: part of one core.
    pub database_share: Option<f64>,
}

/// One gate judged on one variant in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate in words.
    pub name: String,
    /// Why it is there.
    pub because: Option<String>,
    /// The variant that was judged.
    pub variant: String,
    /// The phase that was judged.
    pub phase: String,
    /// The figure, with its unit, or why a fault has none; `None` where there was no data. Neither passes the gate.
    pub actual: Option<String>,
    /// The limit, with its unit.
    pub limit: String,
    /// Whether it holds.
    pub passed: bool,
}
