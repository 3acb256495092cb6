//! What was measured, and what analysis makes of it.
//!
//! ```text
//! Sample ──► Recorder ──► Interval ──► file, other threads, live views ──► Merged ──► analysis
//! ```
//!
//! What may enter this room: types that are written to or read from the run directory, and how they add up. It knows
//! arrivals' phases, and neither chats nor HTTP. Judging is [`crate::analyze`]'s, printing [`crate::report`]'s.

mod acknowledged;
mod axis;
mod connections;
mod error;
mod event;
mod header;
mod histogram;
mod interval;
mod logical_calls;
mod merged;
mod onset;
mod outcome;
mod recorder;
mod recording;
mod run;
mod sample;

pub use acknowledged::{Acknowledged, Joined, Sent};
pub use axis::{Calls, PROMPT_NS, ShardSecond, TENTHS, TimeAxis};
pub use connections::{ClientConnections, SocketEnd, Sockets};
pub use error::RecordingError;
pub use event::{RunEvent, Subscriber};
pub use header::{
    CellEvent, CellHeader, Ended, Ending, Environment, FaultSnapshot, FollowSnapshot, GateSnapshot, GuardSnapshot,
    RECORDING_SCHEMA, RunHeader, SeriesName, Snapshot, StartedProcess, TrafficSnapshot, WebsocketSnapshot,
};
pub(crate) use histogram::is_zero;
pub use histogram::{DecodeError, Durations};
pub use interval::{
    ByOutcome, Following, HostSeries, INTERVAL_SCHEMA, Interval, IntervalSchema, Series, Sessions, Times, WorkerUse,
};
pub use logical_calls::LogicalCalls;
pub use merged::{ClientSecond, Merged, PhaseTotals};
pub use onset::{ONSET, ONSET_GRACE, Onset};
pub use outcome::{Outcome, UnsentCause};
pub use recorder::{PhaseBounds, Recorder};
pub use recording::{Recording, RunWriter, read_run, write_run};
pub use run::*;
pub use sample::{Due, Sample};
