//! The workload file as it is written: one structure per block, no judgement beyond shape.
//!
//! `bmt schema` prints the JSON Schema of [`WorkloadFile`], and `bmt check` enforces that same schema, so an editor and
//! the command line cannot disagree. What a schema cannot say is judged in [`super::resolve`].

mod gate;
mod generator;
mod guard;
mod injections;
mod observe;
mod process;
mod profile;
mod reach;
mod request;
mod session;
mod target;
mod traffic;
mod websocket;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use generator::GeneratorFile;
pub use injections::{DelayConnections, Injection, SlowDisk, SlowQueries};
pub use target::Settings;
pub(super) use target::VariantFile;
use target::{TargetFile, is_default};
pub use traffic::{FollowFile, Operation, RetryFile, Retryable};

pub use gate::Inconclusive;
pub(super) use gate::{FaultName, GateFile, Limit};
pub use guard::GuardAction;
pub(super) use guard::GuardFile;
pub(super) use injections::{ChangeFile, FaultFile};
pub(super) use observe::{AddressFile, ObserveFile, ProcessFile, PrometheusFile, RedisFile, SeriesOf};
pub(super) use process::{HookFile, ReadyFile};
pub(super) use profile::{JumpFile, ProfileFile, TraceFile};
pub(super) use reach::TlsFile;
pub(super) use request::{BodyCheckFile, CheckFile, DataFile, HeaderCheckFile, OneOrMany, RequestFile, SizeFile};
pub(super) use session::{CaptureFile, StepFile};
pub(super) use traffic::{ChatsFile, TrafficFile, connect_rate};
pub(super) use websocket::{AnswerFile, SendFile};

use crate::arrival::Arrivals;

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
    /// Number of blocks: in each block every variant runs once, in an order drawn anew, with the same arrivals; other
    /// blocks have other seeds.
    #[serde(default = "one_block")]
    #[schemars(range(min = 1, max = 100))]
    pub repetitions: u32,
    /// Blocks that may be run in place of spoilt ones, in which the generator was late by itself or other programs used
    /// the machine. Where more blocks are spoilt than this, none is replaced: all count.
    #[serde(default)]
    #[schemars(range(max = 10))]
    pub spare_blocks: u32,
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
    /// Where the values of requests come from, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, DataFile>,
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
    /// What is observed besides what bmt observes by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub observe: ObserveFile,
    /// What lowers or ends the load while a cell runs, because of how it goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guard: Vec<GuardFile>,
    /// What must hold for the build to ship.
    #[serde(default)]
    pub gates: Vec<GateFile>,
    /// What a run must show in order to show anything: where an expectation fails, the run is unconvincing, whatever
    /// its gates say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<GateFile>,
    /// What `--quick` lays over the rest of the file: any of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick: Option<serde_json::Map<String, serde_json::Value>>,
}

impl WorkloadFile {
    /// Whether it says of every variant where its target is.
    pub(super) fn is_foreign(&self) -> bool {
        let mut variants = self.variants.iter();
        let is_named =
            self.target.url.is_some() || !self.target.hosts.is_empty() || variants.all(|variant| variant.url.is_some());
        is_named && !self.has_command()
    }

    /// Whether members are online.
    pub(super) fn follows(&self) -> bool {
        let mut entries = self.traffic.values();
        entries.any(|entry| matches!(entry.operation, Some(Operation::Follow(_))))
    }

    /// Whether bmt is to start a program as the target, in some variant at least.
    pub(crate) fn has_command(&self) -> bool {
        self.target.command.is_some() || self.variants.iter().any(|variant| variant.command.is_some())
    }

    /// Whether a push gateway is started in every variant.
    pub(super) fn all_have_gateways(&self) -> bool {
        self.target.gateway.is_some() || self.variants.iter().all(|variant| variant.gateway.is_some())
    }

    /// Whether the server has a push component in some variant.
    pub(super) fn notifies(&self) -> bool {
        let notifies = |settings: &Settings| settings.get("notify").is_some_and(|notify| notify != "none");
        let mut variants = self.variants.iter();
        notifies(&self.target.settings) || variants.any(|variant| notifies(&variant.settings))
    }

    /// Whether the server needs Redis: where members are online, hot chats are marked there; joins may be counted
    /// there.
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

fn default_seed() -> u64 {
    1
}

fn one_block() -> u32 {
    1
}
