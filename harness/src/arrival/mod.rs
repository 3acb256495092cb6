//! Arrival schedules: pure, deterministic, independent of the number of workers.
//!
//! A [`Profile`] says which rate is offered when, a [`Trace`] which was recorded; a [`Stream`] turns the rate of one
//! traffic entry into arrivals; a [`Schedule`] merges the streams; [`Thinning`] says which arrivals are left where less
//! is to be offered; [`Backoff`] says when a rejected client retries. Nothing here reads a clock: an arrival is an
//! offset from the start of the run.

mod backoff;
mod profile;
mod schedule;
mod stream;
mod thinning;
mod trace;

pub use backoff::Backoff;
pub use profile::{Phase, PhaseKind, Profile};
pub use schedule::{Arrival, Flow, Schedule, block_seed};
pub use stream::{Arrivals, Stream};
pub use thinning::Thinning;
pub use trace::Trace;

pub(crate) use schedule::mixed;
