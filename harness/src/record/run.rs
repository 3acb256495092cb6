//! `run.json`, version `bmt.run/1`: everything a report needs.
//!
//! Times end in `_us` (microseconds) or `_s` (seconds). What was not observed is `null`, never 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Durations, Outcome};
use crate::arrival::PhaseKind;
use crate::workload::{Placement, Settings, WorkloadFile};

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

/// Writes of a cell that the target acknowledged, and how many of them are not there afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AcknowledgedResult {
    /// Joins that were acknowledged.
    pub joins: u64,
    /// Messages that were acknowledged.
    pub messages: u64,
    /// Of the joins, those whose user is no member; `None` where that could not be asked.
    pub lost_joins: Option<u64>,
    /// Of the messages, those in whose place there is none, or another one; `None` where that could not be asked.
    pub lost_messages: Option<u64>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

impl AcknowledgedResult {
    /// All that are lost; `None` where that could not be asked.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        Some(self.lost_joins? + self.lost_messages?)
    }
}

/// Something that went wrong on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultResult {
    /// What, as the workload names it, such as `pause_shard` or `kill_redis`.
    pub kind: String,
    /// What it was done to: `shard 0`, `server`, `redis`, `publish role`, `10 % of the members`.
    pub target: String,
    /// When it began, in seconds of the cell.
    pub start_s: f64,
    /// When it was undone, at the latest right after the cell; `None` where that failed.
    pub end_s: Option<f64>,
    /// Why it could not be injected or undone.
    pub problem: Option<String>,
    /// What it did, shard by shard.
    #[serde(flatten)]
    pub blast: Blast,
}

/// What a fault did to the calls to each shard. `docs/METHOD.md`, "Blast radius", defines every figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// The stretch that *before* means, in seconds of the cell; `None` where there was no second of undisturbed load right before.
    #[serde(default)]
    pub before_s: Option<(f64, f64)>,
    /// From the fault's begin until calls to the sick shard are answered at once, whatever the answer; `None`: not while it lasted.
    #[serde(default)]
    pub fail_fast_s: Option<f64>,
    /// From the fault's end until the sick shard is as it was before; `None`: not within the run.
    #[serde(default)]
    pub recovered_s: Option<f64>,
    /// Writes of the whole cell that were acknowledged and are not there; `None` where that could not be asked.
    #[serde(default)]
    pub acknowledged_lost: Option<u64>,
    /// In order; empty where shards are not known.
    #[serde(default)]
    pub shards: Vec<ShardBlast>,
}

/// The calls to one shard before and during a fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardBlast {
    /// Its number.
    pub shard: usize,
    /// Whether the fault is done to it.
    pub sick: bool,
    /// Calls that were due before.
    pub requests_before: u64,
    /// Calls that were due during.
    pub requests_during: u64,
    /// 99th percentile of the response times of `ok` answers before; `None` of none.
    pub p99_before_us: Option<u64>,
    /// The same during.
    pub p99_during_us: Option<u64>,
    /// Part of the calls before that did not end `ok`, from 0 to 1; `None` of none.
    pub error_rate_before: Option<f64>,
    /// The same during.
    pub error_rate_during: Option<f64>,
}

impl ShardBlast {
    /// The p99 during over that before; `None` where either is missing.
    #[must_use]
    pub fn p99_ratio(&self) -> Option<f64> {
        let (before, during) = (self.p99_before_us?, self.p99_during_us?);
        Some(during as f64 / before.max(1) as f64)
    }
}

/// The calls to each shard over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// In order.
    pub shards: Vec<ShardTimeline>,
}

/// The calls to one shard, by the second in which they were due, from the start of the cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardTimeline {
    /// Its number.
    pub shard: usize,
    /// Calls.
    pub requests: Vec<u64>,
    /// Of these, those that did not end `ok`.
    pub not_ok: Vec<u64>,
    /// 99th percentile of the response times of `ok` answers, in microseconds; `null` of none.
    pub ok_p99_us: Vec<Option<u64>>,
}

/// A change of the server's live settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeResult {
    /// When it was asked for, in seconds of the cell.
    pub at_s: f64,
    /// When the server said that it is in force.
    pub applied_s: Option<f64>,
    /// The settings that were changed.
    pub settings: Settings,
    /// The revision of the settings from then on.
    pub revision: Option<u64>,
    /// Why it was not made.
    pub problem: Option<String>,
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

/// One phase of one cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhaseResult {
    /// Name of the phase.
    pub name: String,
    /// What it is for.
    pub kind: PhaseKind,
    /// Start, in seconds of the cell.
    pub start_s: f64,
    /// End, in seconds of the cell; where the cell ended early, that moment.
    pub end_s: f64,
    /// Offered rate of the profile.
    pub target_rate: f64,
    /// By the name of the traffic entry.
    pub operations: BTreeMap<String, OperationResult>,
    /// Connections of client, server and database.
    pub connections: Connections,
    /// Locks; `None` where the databases could not be observed.
    pub contention: Option<Contention>,
    /// What became of the events, where members are online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fanout: Option<Fanout>,
    /// What the server's throttle of joins decided, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_throttle: Option<JoinSide>,
    /// By process: `generator`, `server`, `shard 0`, ….
    pub resources: BTreeMap<String, Resources>,
    /// When the pacer woke − intended.
    pub schedule_lag_us: Quantiles,
    /// CPU over wall time of the busiest worker, 0 to 1.
    pub worker_cpu: f64,
}

/// What became of the requests of one traffic entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OperationResult {
    /// Arrivals that the schedule had.
    pub scheduled: u64,
    /// Arrivals that were sent.
    pub sent: u64,
    /// Arrivals that were not.
    pub unsent: u64,
    /// Arrivals that were sent, and whose answer the end of the run cut off.
    pub cut_off: u64,
    /// How many ended in each way; outcomes that did not occur are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Answers of outcome `ok` per second of the phase.
    pub goodput_rate: f64,
    /// Done − intended, by outcome, and of all answers.
    pub response_us: BTreeMap<String, Quantiles>,
    /// Done − sent, by outcome, and of all answers.
    pub service_us: BTreeMap<String, Quantiles>,
    /// Answers of outcome `ok` in each second of the phase, by when they were complete: those to arrivals of an earlier phase are
    /// among them, and those that came after the phase are the next one's. Seconds behind the last such answer are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok_by_second: Vec<u64>,
    /// What became of callers who try again; left out where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// The same, apart by where the chat lives; empty inside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placements: BTreeMap<Placement, OperationResult>,
}

/// What became of the callers of one traffic entry who try again. All but `retries` and `retries_max` are of the callers whose first attempt was
/// due in the phase, however long they took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// Callers who came: the arrivals of the phase that are a first attempt. They succeeded, gave up, or were cut off.
    pub first_tries: u64,
    /// Arrivals of the phase that try again.
    pub retries: u64,
    /// The same, most in one second; where chats on several shards are summed, an upper bound.
    pub retries_max: u64,
    /// Callers who got what they came for.
    pub succeeded: u64,
    /// Of these, the ones who got it at the first attempt.
    pub succeeded_at_first: u64,
    /// Callers who got an answer that is not tried again, used up their attempts, were never sent, or found `generator.retries` others
    /// waiting.
    pub gave_up: u64,
    /// Callers who would have tried again after the end of the run, or whose answer it cut off.
    pub cut_off: u64,
    /// Attempts of a caller who succeeded, mean; `None` where nobody did.
    pub attempts_per_success: Option<f64>,
    /// The same, most.
    pub attempts_max: u64,
    /// Intended start of the first attempt → the answer that ended it well, in microseconds.
    pub until_done_us: Quantiles,
}

/// A histogram and the figures people ask of it. All but `count` are `None` of nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// Largest.
    pub max: Option<u64>,
    /// HdrHistogram V2 in base64, in microseconds.
    pub hdr: Option<String>,
}

impl From<&Durations> for Quantiles {
    fn from(durations: &Durations) -> Self {
        Self {
            count: durations.count(),
            mean: durations.mean_us(),
            p50: durations.quantile_us(0.5),
            p90: durations.quantile_us(0.9),
            p99: durations.quantile_us(0.99),
            p999: durations.quantile_us(0.999),
            max: durations.max_us(),
            hdr: (durations.count() > 0).then(|| durations.encoded()),
        }
    }
}

/// Connections of client, server and database in one phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Connections {
    /// The generator's.
    pub client: ClientSide,
    /// The server's; `None` where it could not be asked.
    pub server: Option<ServerSide>,
    /// The server's pools of database connections, summed over shards.
    pub database: Option<DatabaseSide>,
    /// The WebSocket connections of members who are online, as they see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<ClientSide>,
}

/// The generator's connections.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClientSide {
    /// Opened.
    pub opened: u64,
    /// Closed.
    pub closed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Most that were open at once; with several workers, an upper bound.
    pub open_max: u64,
    /// Time until a request could be written.
    pub handshake_us: Quantiles,
}

/// The server's connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSide {
    /// Accepted in the phase.
    pub accepted: u64,
    /// Most that were open at once.
    pub open_max: u64,
}

/// The server's pools of database connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseSide {
    /// Most that were open at once, as sampled.
    pub open_max: u64,
    /// Most that were in use at once, as sampled.
    pub in_use_max: u64,
    /// Time that calls waited for a connection.
    pub wait_us: PoolWait,
}

/// Time that calls waited for a database connection, from the server's own histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolWait {
    /// Number of waits.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Upper bound of the bucket that holds the 99th percentile; `None` where it is the last, unbounded one.
    pub p99_at_most: Option<f64>,
}

/// How the events of one phase reached the members who were online.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fanout {
    /// Messages to followed chats that the server acknowledged.
    pub events: u64,
    /// Most members that were online at once.
    pub members: u64,
    /// Pushes that the members received.
    pub pushes_received: u64,
    /// Fetches of the members that were answered `ok`.
    pub fetches: u64,
    /// The same for each event.
    pub fetches_per_event: Option<f64>,
    /// Events in such a fetch, mean; of the events that were due in this phase.
    pub events_per_fetch: Option<f64>,
    /// Intended send of an event → a member has it, over all members and events.
    pub freshness_us: Quantiles,
    /// Members, online or not, that lacked an event acknowledged `stale_after` before the end of the phase.
    pub stale_members_end: Option<u64>,
    /// Revisions that a member was never given although it has later ones.
    pub revisions_skipped: u64,
    /// What the server says of its side; `None` where it could not be asked.
    pub server: Option<PushSide>,
}

/// The server's side of one phase's pushes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PushSide {
    /// Pushes written to members.
    pub pushes_sent: u64,
    /// Pushes dropped by throttling.
    pub pushes_dropped: u64,
    /// Pushes that a newer one replaced before they were written.
    pub pushes_coalesced: u64,
    /// Of the pushes sent, those that make up for dropped ones.
    pub trailing_pushes: u64,
    /// Records that the publish role was behind, most in one sample, summed over partitions.
    pub lag_records_max: u64,
    /// Age of the oldest record not yet consumed, most in one sample.
    pub lag_s_max: f64,
    /// Records that the bus refused because a partition was full.
    pub bus_refused: u64,
    /// Times that a chat was marked hot.
    pub marks_set: u64,
    /// Times that a mark ran out.
    pub marks_expired: u64,
    /// Chats marked hot at once, most in one sample.
    pub hot_chats_max: u64,
    /// From the fetch that crossed the threshold to the mark being stored, mean.
    pub detection_delay_us: Option<f64>,
    /// Calls of Redis that failed.
    pub redis_errors: u64,
    /// Connections of members that the server ended because they stayed behind.
    pub disconnected_behind: u64,
}

/// What the server's throttle of joins decided in one phase, for all chats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinSide {
    /// Joins under the limit.
    pub admitted: u64,
    /// Joins over it.
    pub refused: u64,
    /// Joins admitted because nobody could tell.
    pub open: u64,
    /// Joins refused because nobody could tell.
    pub closed: u64,
    /// Commands to Redis for the throttle.
    pub redis_calls: u64,
    /// Age of the oldest record that a throttle that follows the bus had not counted, most in one sample.
    pub lag_s_max: f64,
}

/// Lock contention of one phase, summed over shards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// Statements waiting for the AUTO-INC lock, mean of the samples.
    pub autoinc_waiters_avg: f64,
    /// The same, most in one sample.
    pub autoinc_waiters_max: u64,
    /// The same, integrated over the phase.
    pub autoinc_wait_s: f64,
    /// Waits for table locks inside InnoDB, which include AUTO-INC.
    pub table_lock_waits: u64,
    /// Waits for row locks.
    pub row_lock_waits: u64,
    /// Their time.
    pub row_lock_wait_s: f64,
    /// Threads in `Waiting for query cache lock`, mean of the samples.
    pub query_cache_waiters_avg: f64,
    /// Deadlocks.
    pub deadlocks: u64,
    /// Statements executed, the observer's own included.
    #[serde(default)]
    pub statements: u64,
    /// Threads running at once, most in one sample.
    pub threads_running_max: u64,
    /// Threads connected at once, most in one sample.
    pub threads_connected_max: u64,
    /// Samples of waiters that the figures rest on.
    pub samples: u64,
    /// The same of each shard alone, in order; empty inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Contention>,
}

/// What one process used in one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU seconds, user and system.
    pub cpu_s: f64,
    /// Largest resident size seen.
    pub rss_max_bytes: u64,
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
