//! Decisions under overload, one policy a file. Pure: no I/O, no clock, no global randomness.
//!
//! ```text
//! push_rule.rs   is this push sent or dropped
//! trailing.rs    what a member is owed after a push to him was dropped
//! ```
//!
//! `now` is always the time since an origin of the caller's choice, the same for all calls on one value, and chance comes from
//! a generator that the caller has seeded. The state of every policy has a fixed size, which its constructor takes.

mod push_rule;
mod trailing;

pub use push_rule::{Decision, InvalidProbability, Override, Probability, PushRule, Throttle, push_rule};
pub use trailing::Trailing;
