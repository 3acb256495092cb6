//! The generator: an open model, paced by `timerfd`, on connections that it owns.
//!
//! Each worker is a thread with its own single-threaded runtime, its own share of the arrivals, its own connections and
//! recorder; nothing is shared on the hot path. Once a second a worker sends what it has measured since the last time
//! to whoever holds the receiving end of its channel.
//!
//! ```text
//!                       worker ── the thread: pacing, tasks, the only file that knows all
//!              ┌───────────┼──────────────────┐
//!            state     connection       chat/socket          (the latter two through traits of their own)
//!    ┌─────┬───┴───┬──────┬───┴───┐
//! dispatch retries chat meter  outbox                        (pure: time and readings come in)
//!    └── job, idle, reply, message, source, alarm, timer, run_delay, coalesce, priority (leaves)
//! ```
//!
//! What may enter: how requests are sent and answers taken in. What was measured leaves through [`crate::record`] only;
//! judging it is the business of `analyze`. Imports point downwards.

mod alarm;
mod chat;
mod coalesce;
mod connection;
mod dispatch;
mod idle;
mod job;
mod message;
mod meter;
mod outbox;
mod plan;
mod priority;
mod reply;
mod retries;
mod run_delay;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod timer;
mod worker;

pub use chat::board::Board;
pub use chat::follow::{Disconnect, FollowPlan};
pub use chat::request::{Post, RequestPlan, Sends};
pub use chat::series::SeriesTable;
pub use chat::token::Signer;
pub use chat::wire::Chat;
pub use message::Message;
pub use plan::{Limits, Plan};
pub use priority::raise_priority;
pub use retries::{Retry, RetryPlan};
pub use source::Sources;
pub use worker::start;

pub(crate) use chat::wire::{FIRST_MEMBER, intended_ns, message};
