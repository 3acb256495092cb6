//! What must hold for the build to ship, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workload::quantity::Span;

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
    /// For `ok_within`: how much of the beginning of the phase counts, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The fault whose figure it is, for metrics of a fault: its place in order of time, from 1, or its kind (`pause_shard`) where only one is of
    /// that kind. May be left out where there is a single fault.
    #[serde(default)]
    pub fault: Option<FaultName>,
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

/// A fault of the workload, by its place in order of time or by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FaultName {
    /// Its place in order of time, from 1.
    Place(u32),
    /// Its kind, such as `pause_shard`.
    Kind(String),
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
    /// Answers of outcome `ok` within the first seconds of the phase, as `within` says; counted when they are complete, whenever their requests
    /// were due. What the throttle of joins let in is `joins_admitted`.
    OkWithin,
    /// Joins that the server's throttle let in during the phase, by the server's own count: those of all chats, whether or not they then
    /// succeeded. Takes no `operation`; no data where nothing is throttled.
    JoinsAdmitted,
    /// Time from a caller's first attempt until he is done, retries included: the median of those who came in the phase and succeeded.
    UntilDoneP50,
    /// The same, 99th percentile.
    UntilDoneP99,
    /// Attempts of a caller who came in the phase and succeeded, mean.
    AttemptsPerSuccess,
    /// Part of the callers who came in the phase that were never done: who gave up, and who were cut off by the end of the run.
    NotDoneShare,
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
    /// p99 of `ok` answers during a fault over that before it: the worst of the shards that the fault is not done to.
    BlastP99Ratio,
    /// Part of the calls during a fault that did not end `ok`: the worst of the shards that the fault is not done to.
    BlastErrorRate,
    /// Seconds from a fault's begin until calls to the sick shard are answered within 100 ms, whatever the answer.
    FailFastS,
    /// Seconds from a fault's end until the sick shard answers as before it.
    RecoveredS,
    /// Writes of a cell with faults that were acknowledged and are not there afterwards.
    AcknowledgedLost,
}
