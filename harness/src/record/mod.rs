//! What was measured: histograms, one-second intervals, the run directory and its versioned schema.
//!
//! Measuring writes raw results here; [`crate::analyze`] judges them later and [`crate::report`] prints them.

mod acknowledged;
mod axis;
mod collect;
mod directory;
mod histogram;
mod interval;
mod outcome;
mod run;

pub use acknowledged::{Acknowledged, Joined, Sent};
pub use axis::{Calls, PROMPT_NS, ShardSecond, TENTHS, TimeAxis};
pub use collect::{Collected, Collector};
pub use directory::{CellDirectory, DirectoryError, LaneName, RunDirectory, directory_name};
pub use histogram::{DecodeError, Durations};
pub use interval::{ClientConnections, CpuUse, Following, Interval, Journeys, Lane, Times};
pub use outcome::Outcome;
pub use run::*;
