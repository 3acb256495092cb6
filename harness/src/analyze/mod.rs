//! Judgements on what was recorded, pure, from the recording alone: the same live, re-read, or merged from several
//! machines.
//!
//! ```text
//! RunEvents ──► cell.rs ──► assemble.rs, observed/, fanout.rs ──► figure.rs: the source of each metric
//!                  │        blast.rs, timeline.rs: faults
//!                  ├──► validity.rs: whether the figures speak of the target
//!                  ▼
//!               run.rs ──► set_aside.rs: blocks that do not count
//!                  │
//!                  └─────► gates.rs, compare.rs ──► estimate.rs: what several blocks say
//!                          bystanders.rs
//! ```
//!
//! What may enter this room: the recording's types and the declarations of metrics. No clock, no file but through
//! [`crate::record`].

mod assemble;
pub mod blast;
pub mod bystanders;
mod cell;
pub mod compare;
pub mod estimate;
mod fanout;
pub mod figure;
#[cfg(test)]
pub(crate) mod fixture;
mod gates;
pub mod observed;
mod run;
pub mod set_aside;
mod timeline;
pub mod validity;

pub use cell::CellAnalysis;
pub use run::{judged, recorded};
