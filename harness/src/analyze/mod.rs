//! Pure judgements on what was recorded; each can be made again from the run directory alone.
//!
//! - [`assemble`]: intervals and samples become the phases of a cell.
//! - [`validity`]: whether the generator kept its schedule.
//! - [`figure`]: one figure of one cell, as gates and tables ask for it.
//! - [`gates`]: whether the build may ship.
//! - [`bystanders`]: who else suffered.
//! - [`blast`]: how far a fault reached.
//! - [`timeline`]: the calls to each shard over time.

pub mod assemble;
pub mod blast;
pub mod bystanders;
mod fanout;
pub mod figure;
pub mod gates;
pub mod timeline;
pub mod validity;
