//! One phase of one cell, by operation, with what its processes used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ClientSide, Connections, Fanout, JoinSide, Neighbours, Notifications, ObservedSide, Quantiles, Recovery,
    WebsocketsResult,
};
use crate::arrival::PhaseKind;
use crate::metric::Placement;
use crate::record::{Onset, Outcome, UnsentCause, is_zero};

/// One phase of one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// By the name of the host, where several share the arrivals.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, HostResult>,
    /// What became of the arrivals that were due in its first tenth of a second; `None` in older recordings, and where
    /// none was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Onset>,
    /// Connections of client, server, databases and push component.
    pub connections: Connections,
    /// Locks; `None` where the databases could not be observed.
    pub contention: Option<Contention>,
    /// What became of the events, where members are online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fanout: Option<Fanout>,
    /// What the server's throttle of joins decided, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_throttle: Option<JoinSide>,
    /// What became of the notifications, where the server has a push component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
    /// What the workload asks to have observed besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedSide>,
    /// By process: `generator`, `server`, `shard 0`, ….
    pub resources: BTreeMap<String, Resources>,
    /// When the pacer woke − intended.
    pub schedule_lag_us: Quantiles,
    /// What else the machine did; `None` where that could not be seen.
    #[serde(default)]
    pub neighbours: Option<Neighbours>,
    /// CPU over wall time of the busiest worker, 0 to 1.
    pub worker_cpu: f64,
    /// Time in which a worker could have run and waited for a CPU, over wall time: the worst worker, 0 to 1; `None`
    /// where the kernel does not say.
    pub worker_run_delay: Option<f64>,
    /// Every metric of the phase that has a figure, by name and in its own unit (`docs/METRICS.md`).
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
}

/// What one of several hosts got.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostResult {
    /// Part of the arrivals that it was to get, 0 to 1.
    pub share_offered: f64,
    /// Part of the requests sent that it got; `None` where none was sent.
    pub share: Option<f64>,
    /// What became of its requests, of all traffic entries.
    pub requests: OperationResult,
    /// The generator's connections to it.
    pub connections: ClientSide,
}

/// What became of the requests of one traffic entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationResult {
    /// Arrivals that the schedule had.
    pub scheduled: u64,
    /// Arrivals that it would have had besides, if a guard had not lowered the rate: they were not offered. Those of a
    /// session are its first step's as well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withdrawn: u64,
    /// Arrivals that were sent.
    pub sent: u64,
    /// Arrivals that were not.
    pub unsent: u64,
    /// The same by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsent_causes: BTreeMap<UnsentCause, u64>,
    /// Arrivals that were sent, and whose answer the end of the run cut off.
    pub cut_off: u64,
    /// How many ended in each way; outcomes that did not occur are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Answers of outcome `ok` that were complete within the phase, per second of it, whenever their requests were due.
    pub goodput_rate: f64,
    /// Done − intended, by outcome, and of all answers.
    pub response_us: BTreeMap<String, Quantiles>,
    /// Response times less the generator's own lateness, by outcome, and of all answers.
    pub response_net_us: BTreeMap<String, Quantiles>,
    /// Done − sent, by outcome, and of all answers.
    pub service_us: BTreeMap<String, Quantiles>,
    /// Answers of outcome `ok` in each second of the phase, by when they were complete: those to arrivals of an earlier
    /// phase are among them, and those that came after the phase are the next one's. Seconds behind the last such
    /// answer are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok_by_second: Vec<u64>,
    /// What became of callers who retry; left out where none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// What became of it after the spike, where the phase is one and more arrivals follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What became of sessions, where the operation is one: then all other counts and times are of whole sessions, from
    /// the intended start of the first step to the last answer, and the requests are those of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsResult>,
    /// What became of the WebSocket connections that it holds, where it does: all other counts and times are of what is
    /// sent over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websockets: Option<WebsocketsResult>,
    /// Every metric of the operation that has a figure, by name and in its own unit (`docs/METRICS.md`).
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
    /// The same, apart by where the chat lives; empty inside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placements: BTreeMap<Placement, OperationResult>,
}

/// What became of the sessions whose first step was due in the phase, however long they took: started = completed +
/// all that ended at a step + cut off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionsResult {
    /// Sessions that began: the arrivals of the entry.
    pub started: u64,
    /// Those in which every step was `ok`.
    pub completed: u64,
    /// Those that could not go on, by the step at which they ended: it was not `ok`, or could not be sent.
    pub ended_at: BTreeMap<String, u64>,
    /// Those that the end of the run ended.
    pub cut_off: u64,
}

impl PhaseResult {
    /// Requests that were not offered, because a guard had lowered the rate.
    #[must_use]
    pub fn withdrawn(&self) -> u64 {
        self.requests().map(|operation| operation.withdrawn).sum()
    }

    /// The operations whose arrivals are requests: all but sessions, which are made of the requests of their steps.
    pub fn requests(&self) -> impl Iterator<Item = &OperationResult> {
        let operations = self.operations.values();
        operations.filter(|operation| operation.sessions.is_none())
    }
}

/// What became of the callers of one traffic entry who retry. All but `retries` and `retries_max` are of the callers
/// whose first attempt was due in the phase, however long they took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// Callers who came: the arrivals of the phase that are a first attempt. They succeeded, gave up, or were cut off.
    pub first_tries: u64,
    /// Arrivals of the phase that are a retry.
    pub retries: u64,
    /// The same, most in one second.
    pub retries_max: u64,
    /// Callers who got what they came for.
    pub succeeded: u64,
    /// Of these, the ones who got it at the first attempt.
    pub succeeded_at_first: u64,
    /// Callers who got an answer that is not retried, used up their attempts, were never sent, found
    /// `generator.retries` others waiting, or found the budget of retries used up.
    pub gave_up: u64,
    /// Of these, those who found the budget of retries used up.
    #[serde(default)]
    pub out_of_budget: u64,
    /// Callers who would have retried after the end of the run, or whose answer it cut off.
    pub cut_off: u64,
    /// Attempts of a caller who succeeded, mean; `None` where none did.
    pub attempts_per_success: Option<f64>,
    /// The same, most.
    pub attempts_max: u64,
    /// Intended start of the first attempt → the answer that ended it well, in microseconds.
    pub until_done_us: Quantiles,
}

/// Lock contention of one phase, summed over shards. A counter or gauge that was not read in the phase is `None`, and
/// has no sum.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// Statements waiting for the AUTO-INC lock, mean of the samples.
    pub autoinc_waiters_avg: f64,
    /// The same, most in one sample.
    pub autoinc_waiters_max: u64,
    /// The same, integrated over the observed part of the phase.
    pub autoinc_wait_s: f64,
    /// Time of the phase in which the shard was silent for longer than a count of waiters may stand for; nothing is
    /// known of it.
    #[serde(default)]
    pub unobserved_s: f64,
    /// Waits for table locks inside InnoDB, which include AUTO-INC.
    pub table_lock_waits: Option<u64>,
    /// Waits for row locks.
    pub row_lock_waits: Option<u64>,
    /// Their time.
    pub row_lock_wait_s: Option<f64>,
    /// Threads in `Waiting for query cache lock`, mean of the samples.
    pub query_cache_waiters_avg: f64,
    /// Deadlocks.
    pub deadlocks: Option<u64>,
    /// Statements executed, the observer's own included.
    #[serde(default)]
    pub statements: Option<u64>,
    /// Threads running at once, most in one sample.
    pub threads_running_max: Option<u64>,
    /// Threads connected at once, most in one sample.
    pub threads_connected_max: Option<u64>,
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
    /// Largest resident size seen; `None` where no reading fell into the phase.
    pub rss_max_bytes: Option<u64>,
}
