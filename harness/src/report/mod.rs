//! What people read: live progress, the terminal's tables, `report.md`. Only this module formats for people.
//!
//! ```text
//! terminal.rs  markdown.rs            a whole report
//! jump/                               the ramp against the jump: the answer of `bmt try`, and a sentence in reports
//! tables/  timeline.rs  connection_axis.rs  judgements.rs  verdict.rs  notes.rs   its parts
//! shown.rs                            what of a run is shown
//! layout.rs ──► table.rs              text and tables in so many columns
//! words.rs                            figures in words
//! progress.rs                         what happens right now
//! ```

mod connection_axis;
mod judgements;
mod jump;
mod layout;
mod markdown;
mod notes;
mod progress;
mod shown;
mod table;
mod tables;
mod terminal;
mod timeline;
mod verdict;
mod words;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use jump::{ramp_and_jump, ramp_and_jump_of};
pub use markdown::markdown;
pub use progress::Progress;
pub use terminal::{terminal, terminal_of};
