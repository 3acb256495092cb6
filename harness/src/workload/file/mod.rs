//! The workload file as it is written: one structure per block, no judgement beyond shape.
//!
//! `bmt schema` prints the JSON Schema of [`WorkloadFile`], and `bmt check` enforces that same schema, so an editor and
//! the command line cannot disagree. What a schema cannot say is judged in [`super::resolve`].

mod gate;
mod moments;
mod profile;
mod traffic;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use gate::{Metric, Placement};
pub use moments::{DelayConnections, Injection, SlowDisk, SlowQueries};
pub use profile::Arrivals;
pub use traffic::{FollowFile, Operation, RetryFile, Retryable};

pub(super) use gate::{FaultName, GateFile, Limit};
pub(super) use moments::{ChangeFile, FaultFile};
pub(super) use profile::ProfileFile;
pub(super) use traffic::{ChatsFile, TrafficFile};

use super::quantity::Span;

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

    /// Whether the server needs Redis: where members are online, hot chats are marked there; joins may be counted there.
    pub(super) fn needs_redis(&self) -> bool {
        let needs = |settings: &Settings| {
            let throttles = settings.get("push_throttle").is_some_and(|throttle| throttle != "none");
            let counts = |joins: &serde_json::Value| joins == "redis" || joins.get("local_shared").is_some();
            throttles || settings.get("join_throttle").is_some_and(counts)
        };
        let mut settings = self.variants.iter().map(|variant| &variant.settings);
        let mut changes = self.changes.iter().map(|change| &change.settings);
        self.follows() || needs(&self.target.settings) || settings.any(needs) || changes.any(needs)
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
    /// Callers who wait to try again at once, over all workers; one more gives up.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub retries: u32,
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
            retries: 100_000,
            timeout: Span(Duration::from_secs(5)),
            idle: Span(Duration::from_secs(3)),
            sources: Vec::new(),
        }
    }
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

fn default_seed() -> u64 {
    1
}

fn one() -> u32 {
    1
}
