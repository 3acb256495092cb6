//! `run.json`, version `bmt.run/2`: what analysis made of a recording; everything a report needs.
//!
//! ```text
//! mod.rs          Run: a run and its machine; Cell: one variant in one block
//! judgement.rs    gates, expectations, comparisons, the verdict
//! phase.rs        PhaseResult: one phase of one cell, by operation
//! quantiles.rs  connections.rs  fan_out.rs  recovery.rs  websockets.rs  neighbours.rs   parts of it
//! notifications.rs   the push component in a phase, and its books at the end of a cell
//! connection_axis.rs connections second by second
//! observed.rs     what the workload asks to have observed besides
//! generator.rs    how the generator did, and what observing cost
//! guards.rs       what lowered or ended the load because of how it went
//! injections.rs   what was broken and changed on purpose, and what it did to each shard
//! ```
//!
//! Times end in `_us` (microseconds) or `_s` (seconds). What was not observed is `null`, never 0.

mod connection_axis;
mod connections;
mod fan_out;
mod generator;
mod guards;
mod injections;
mod judgement;
mod neighbours;
mod notifications;
mod observed;
mod phase;
mod quantiles;
mod recovery;
mod websockets;

use serde::{Deserialize, Serialize};

use super::{CellHeader, RunHeader};

pub use connection_axis::{ConnectionAxis, SideAxis};
pub use connections::{ClientSide, Connections, DatabaseConnections, DatabaseSide, PoolWait, ServerSide};
pub use fan_out::{Fanout, JoinSide, PushSide};
pub use generator::{Generator, ObserverCost};
pub use guards::{GuardAction, GuardCount, GuardResult};
pub use injections::{AcknowledgedResult, Blast, ChangeResult, FaultResult, ShardBlast, ShardTimeline, Timeline};
pub use judgement::{Answer, BoundKind, Comparison, GateResult, Verdict};
pub use neighbours::Neighbours;
pub use notifications::{
    Delay, GatewaySide, NotificationBooks, NotificationCounts, Notifications, PushConnections, RoleNotifications,
};
pub use observed::{ObservedSide, SeriesResult};
pub use phase::{Contention, HostResult, OperationResult, PhaseResult, Resources, Retries, SessionsResult};
pub use quantiles::{ABOVE_QUANTILE_MIN, Quantiles, samples_min};
pub use recovery::Recovery;
pub use websockets::WebsocketsResult;

/// The fault after which a push gateway counts anew.
const RESTARTS_GATEWAY: &str = "kill_gateway";

/// The schema that this version writes and reads.
pub const RUN_SCHEMA: &str = "bmt.run/2";

/// One run of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// When this was made of the recording: UTC, RFC 3339. Two analyses of one recording differ in nothing else.
    pub analyzed_at: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Every reason for the verdict, the one that decided first.
    pub reasons: Vec<String>,
    /// What was fixed before it began.
    #[serde(flatten)]
    pub header: RunHeader,
    /// One for each variant and block that was begun, in the order in which they ran, without those set aside.
    pub cells: Vec<Cell>,
    /// Blocks that do not count, and were replaced by further ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<SetAside>,
    /// One for each gate, variant and phase.
    pub gates: Vec<GateResult>,
    /// One for each expectation, variant and phase.
    pub expectations: Vec<GateResult>,
    /// Headline figures of each variant against the first.
    pub comparisons: Vec<Comparison>,
}

impl Run {
    /// Numbers of the blocks that count, in order: as many as were planned, those not run yet included.
    pub fn blocks(&self) -> impl Iterator<Item = u32> {
        let ran = self.cells.iter().map(|cell| cell.header.block).max().unwrap_or(0);
        let last = ran.max(self.header.workload.blocks);
        let is_aside = |block: &u32| self.set_aside.iter().any(|aside| aside.block == *block);
        (1..=last).filter(move |block| !is_aside(block))
    }
}

/// A block that does not count: the generator's own lateness or a neighbour spoilt one of its cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its number.
    pub block: u32,
    /// The first cell that was spoilt, and by what.
    pub reason: String,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// One variant in one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What was fixed before it began.
    #[serde(flatten)]
    pub header: CellHeader,
    /// Whether its figures speak of the target and not of the generator.
    pub valid: bool,
    /// Why it is not valid, and what else a reader should know.
    pub warnings: Vec<String>,
    /// Why it ended before its profile did.
    pub ended_early: Option<String>,
    /// The load generator.
    pub generator: Generator,
    /// What observing cost; `None` where nothing was asked, or the cell has not ended.
    pub observer: Option<ObserverCost>,
    /// By phase, in order.
    pub phases: Vec<PhaseResult>,
    /// Injected faults, in order of time.
    pub faults: Vec<FaultResult>,
    /// Changes of live settings, in order of time.
    pub changes: Vec<ChangeResult>,
    /// What guards did, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<GuardResult>,
    /// How often each rule could be judged, in the order of the workload; empty where it has none, or the cell did not
    /// come to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guard_counts: Vec<GuardCount>,
    /// The calls to each shard over time, where something was broken or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// Whether what was acknowledged is there afterwards, where something was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<AcknowledgedResult>,
    /// The books of the push component at the end, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationBooks>,
    /// Connections second by second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_axis: Option<ConnectionAxis>,
}

impl Cell {
    /// Why the notifications of the cell do not add up; nothing where they do, or where their books could not be read.
    #[must_use]
    pub fn unaccounted(&self) -> Vec<String> {
        let restarted = self.faults.iter().any(|fault| fault.kind == RESTARTS_GATEWAY);
        let books = self.notifications.iter();
        books.flat_map(|books| books.violations(restarted)).collect()
    }

    /// Why not everything that was planned for the cell came about: the first fault or change that failed or was never
    /// reached. What was to be measured under it was not.
    #[must_use]
    pub fn not_as_planned(&self) -> Option<String> {
        injections::first_problem(&self.faults, &self.changes)
    }
}
