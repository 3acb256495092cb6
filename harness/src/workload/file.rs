//! The workload file as it is written: one structure per block, no judgement beyond shape.
//!
//! `bmt schema` prints the JSON Schema of [`WorkloadFile`], and `bmt check` enforces that same schema, so an editor and
//! the command line cannot disagree. What a schema cannot say is judged in [`super::resolve`].

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::{Rate, Share, Span};

/// A bmt workload: one question about a server under load, and how to answer it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// Short name in lower case; part of the run directory's name.
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// The question that the run answers, in a sentence or two.
    #[schemars(length(min = 1))]
    pub question: String,
    /// Seed of every random choice: arrivals, chats, order of the cells. The same seed gives the same arrivals.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How often each variant is run.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub repetitions: u32,
    /// What is driven.
    #[serde(default)]
    pub target: TargetFile,
    /// The load generator's bounds.
    #[serde(default)]
    pub generator: GeneratorFile,
    /// How the offered rate moves over time.
    pub profile: ProfileFile,
    /// How arrivals are spread in time around the offered rate.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Groups of chats that are made before each cell, by name.
    #[serde(default)]
    pub chats: BTreeMap<String, ChatsFile>,
    /// What is sent, by the name under which the result reports it.
    #[schemars(length(min = 1))]
    pub traffic: BTreeMap<String, TrafficFile>,
    /// The configurations to compare, in the order in which the result shows them.
    #[schemars(length(min = 1))]
    pub variants: Vec<VariantFile>,
    /// Settings of the server that change while a cell runs, without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeFile>,
    /// What goes wrong on purpose while a cell runs; undone at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultFile>,
    /// What must hold for the build to ship.
    #[serde(default)]
    pub gates: Vec<GateFile>,
    /// What `--quick` lays over the rest of the file: any of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick: Option<serde_json::Map<String, serde_json::Value>>,
}

impl WorkloadFile {
    /// Whether members are online.
    pub(super) fn follows(&self) -> bool {
        let mut entries = self.traffic.values();
        entries.any(|entry| matches!(entry.operation, Operation::Follow(_)))
    }
}

/// What is driven: the reference server on its database shards, unless `--target URL` names another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// Number of database shards.
    #[schemars(range(min = 1, max = 16))]
    pub shards: u16,
    /// Further start-up options of every shard's database server, such as `--thread-handling=pool-of-threads`; they win over bmt's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub database_options: Vec<String>,
    /// Settings of the reference server that every variant starts from (see `reference-server/settings.schema.json`).
    pub settings: Settings,
}

/// A block of reference-server settings.
pub type Settings = serde_json::Map<String, serde_json::Value>;

impl Default for TargetFile {
    fn default() -> Self {
        Self {
            shards: 2,
            database_options: Vec::new(),
            settings: Settings::new(),
        }
    }
}

/// The load generator's bounds. Whatever is asked beyond them is counted as unsent, never silently dropped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratorFile {
    /// Worker threads; each has its own share of arrivals and connections.
    #[schemars(range(min = 1, max = 64))]
    pub workers: u16,
    /// Connections that may be open at once, over all workers.
    #[schemars(range(min = 1, max = 50_000))]
    pub connections: u32,
    /// Arrivals that may wait for a connection at once, over all workers.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub waiting: u32,
    /// A request is given up this long after its intended start; at most 10m.
    pub timeout: Span,
    /// A connection that nobody has used for this long is closed, as clients do: what the ramp opened is not there for the spike.
    pub idle: Span,
    /// Addresses of this machine that connections come from in turn; one address has some 28,000 ports. On the loopback interface
    /// as many as are needed are used by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<std::net::IpAddr>,
}

impl Default for GeneratorFile {
    fn default() -> Self {
        Self {
            workers: 1,
            connections: 1024,
            waiting: 8192,
            timeout: Span(Duration::from_secs(5)),
            idle: Span(Duration::from_secs(3)),
            sources: Vec::new(),
        }
    }
}

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

/// How arrivals are spread in time around the offered rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent callers: exponential gaps, so bursts and lulls as in real traffic.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// A group of chats made before each cell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatsFile {
    /// Number of chats; a group of one is a hot chat.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Members of each chat before the run.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub members: u32,
    /// Exponent of the Zipf law by which the chats of the group are chosen; 0 chooses evenly.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub zipf: f64,
}

/// One stream of operations.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficFile {
    /// What is done.
    pub operation: Operation,
    /// The group of chats that it is done to.
    #[serde(default)]
    pub chats: Option<String>,
    /// Part of the profile's rate that this stream takes, from 0 to 1. A `follow` has neither share nor rate: pushes cause its fetches.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: Option<f64>,
    /// A rate of its own, the same in every phase.
    #[serde(default)]
    pub rate: Option<Rate>,
}

/// What one request does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new member joins a chat.
    Join,
    /// A chat's members are counted.
    Count,
    /// A member sends a message to a chat.
    Send,
    /// A member fetches the first events of a chat, as somebody who opens it does.
    Fetch,
    /// Members are online: each holds a WebSocket and, when it is told that there is something new, fetches everything since its
    /// revision. At most one entry of a workload does this.
    Follow(FollowFile),
    /// A plain GET of a path, for servers that are not a chat.
    #[serde(rename = "get")]
    Get {
        /// Path and query.
        path: String,
    },
}

/// Members that are online, and how their app behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowFile {
    /// Members of each chat that are online; the chats need at least as many members.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub online: u32,
    /// Rate at which they connect, from the start of the cell; all are online before the warm-up ends.
    #[serde(default = "connect_rate")]
    pub connect: Rate,
    /// Longest time that the app takes between a push and its fetch; each takes a random part of it.
    #[serde(default = "app_delay")]
    pub delay: Span,
    /// The app fetches after this long without any news, pushed or not.
    #[serde(default = "poll_interval")]
    pub poll: Span,
    /// Most events in one fetch; a full answer is followed by the next fetch at once.
    #[serde(default = "fetch_limit")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// A member that lacks an event acknowledged this long ago is stale.
    #[serde(default = "stale_after")]
    pub stale_after: Span,
}

fn connect_rate() -> Rate {
    Rate(1000.0)
}

fn app_delay() -> Span {
    Span(Duration::from_millis(100))
}

fn poll_interval() -> Span {
    Span(Duration::from_secs(60))
}

fn fetch_limit() -> u32 {
    100
}

fn stale_after() -> Span {
    Span(Duration::from_secs(5))
}

/// A change of the server's live settings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// The phase in which it is made; if not given, `after` counts from the start of the cell.
    #[serde(default)]
    pub phase: Option<String>,
    /// How long after the start of the phase.
    pub after: Span,
    /// The settings to change; the others stay as they are.
    pub settings: Settings,
    /// The variants that it is made in; all if not given.
    #[serde(default)]
    pub variants: Option<Vec<String>>,
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// The phase in which it begins; if not given, `after` counts from the start of the cell.
    #[serde(default)]
    pub phase: Option<String>,
    /// How long after the start of the phase.
    pub after: Span,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// What goes wrong.
    pub inject: Injection,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Redis is killed, and started again, empty.
    KillRedis,
    /// The server's publish role stops, and goes on where it was.
    StopPublish,
    /// This part of the online members lose their connections at once, and connect again.
    DisconnectMembers(Share),
}

/// One configuration under test.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantFile {
    /// The name that the result shows.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Settings of the reference server, laid over `target.settings`.
    #[serde(default)]
    pub settings: Settings,
}

/// One condition for shipping.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFile {
    /// Why the gate is there, in a few words.
    #[serde(default)]
    pub because: Option<String>,
    /// The figure that is judged.
    pub metric: Metric,
    /// The traffic entry whose figure it is; needed by every metric of an operation.
    #[serde(default)]
    pub operation: Option<String>,
    /// Which of the operation's chats, by the shard they live on.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// The phase it is judged in, by name (`spike`, `base`, `step 1`); every phase but `warm-up` and `recovery` if not given.
    #[serde(default)]
    pub phase: Option<String>,
    /// The variants that must pass; all if not given.
    #[serde(default)]
    pub variants: Option<Vec<String>>,
    /// Judge the ratio of the figure to this variant's instead of the figure itself.
    #[serde(default)]
    pub relative_to: Option<String>,
    /// The figure may not be above this: a time (`50ms`), rate (`2000/s`), percentage (`1%`) or plain number, as the metric has it.
    #[serde(default)]
    pub at_most: Option<Limit>,
    /// The figure may not be below this.
    #[serde(default)]
    pub at_least: Option<Limit>,
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

/// Where a chat lives, seen from the hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// On the hot chat's own shard.
    HotShard,
    /// On any other shard.
    OtherShards,
}

/// A figure that a gate can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Answers of outcome `ok` per second of the phase.
    GoodputRate,
    /// Part of what was scheduled that did not end `ok`.
    ErrorShare,
    /// Mean response time of `ok` answers.
    ResponseMean,
    /// Median response time of `ok` answers.
    ResponseP50,
    /// 90th percentile of the response time of `ok` answers.
    ResponseP90,
    /// 99th percentile of the response time of `ok` answers.
    ResponseP99,
    /// 99.9th percentile of the response time of `ok` answers.
    ResponseP999,
    /// Longest response time of `ok` answers.
    ResponseMax,
    /// Client connections open at once.
    ConnectionsOpenMax,
    /// Seconds that statements spent waiting for the AUTO-INC lock, summed over shards.
    AutoincWaitS,
    /// Seconds that statements spent waiting for row locks, summed over shards.
    RowLockWaitS,
    /// Deadlocks found by the databases.
    Deadlocks,
    /// CPU seconds of all database shards per second of the phase.
    DatabaseCpu,
    /// Time from an event's intended send until a member has it: the median over all members and events.
    FreshnessP50,
    /// The same, 99th percentile.
    FreshnessP99,
    /// Members that lack an event acknowledged `stale_after` ago, at the end of the phase; in `settle`, when everybody has had time to
    /// catch up.
    StaleMembersEnd,
    /// Fetches for each event that was sent.
    FetchesPerEvent,
}

fn default_seed() -> u64 {
    1
}

fn one() -> u32 {
    1
}
