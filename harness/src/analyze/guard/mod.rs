//! Guards: rules that lower or end the load while a cell runs, because of how it goes.
//!
//! ```text
//!   intervals, and up to when each worker has reported ──► reports.rs ──► a second of all workers ──► ended.rs
//!                                                                              │                    what ended in it
//!                                                                              ▼
//!                                                   rules.rs: the last seconds of each rule ──► Act
//! ```
//!
//! **Decision.** A figure of a guard is made of what *ended* within its seconds. A phase's is made of what was due in
//! it, which is known only when the last answer has come; a guard that waited for that would be late by a time-out.
//! While nothing changes the two are the same.
//!
//! **Cold start.** A rule is judged once its seconds have all passed since the warm-up, and since the last act: what
//! was measured under another rate says nothing of the present one. A second without a figure is counted and nothing
//! else.
//!
//! **Boundary.** A figure at its limit keeps it. Where several rules act in the same second, the strongest does alone.
//! The warm-up and `settle` are not judged; what belongs to them, but ends later, is left out. A rule that could lower
//! nothing, because the profile is over, does not act.
//!
//! **Rejected.** To judge the recording once more in a report: what a guard did follows from when reports came in, so
//! it is an event of the recording, as a fault is.
//!
//! Pure: intervals and moments come in, and what is to be done is returned.

mod ended;
mod reports;
mod rules;
mod told;

pub use rules::{Act, Guard};
pub(super) use told::{told, withdrew};
