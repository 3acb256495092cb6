//! Judgements on what was recorded, pure, from the recording alone: the same live, re-read, or merged from several
//! machines.
//!
//! ```text
//! RunEvents ──► cell.rs ──► assemble.rs, observed/, fanout.rs ──► figure.rs: the source of each metric
//!                  │        blast.rs, timeline.rs: faults; connection_axis.rs: connections by second
//!                  ├──► validity.rs, jumps.rs: whether the figures speak of the target
//!                  ├──► drift.rs: what grew while one rate was held for long
//!                  ▼
//!               run.rs ──► set_aside.rs: blocks that do not count
//!                  │
//!                  └─────► gates.rs, compare.rs ──► estimate.rs: what several blocks say
//!                          bystanders.rs
//!
//! while a cell runs: intervals ──► guard/ ──► what is to be done
//! ```
//!
//! What may enter this room: the recording's types and the declarations of metrics. No clock, no file but through
//! [`crate::record`].

mod assemble;
pub mod blast;
pub mod bystanders;
mod cell;
pub mod compare;
mod connection_axis;
mod drift;
pub mod estimate;
mod fanout;
pub mod figure;
#[cfg(test)]
pub(crate) mod fixture;
mod gates;
pub mod guard;
pub mod jumps;
pub mod observed;
mod recovery;
mod run;
pub mod set_aside;
mod timeline;
pub mod validity;

pub use cell::CellAnalysis;
pub use run::{judged, recorded};
