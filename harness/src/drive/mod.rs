//! The generator: an open model, paced by `timerfd`, on connections that it owns.
//!
//! Each worker is a thread with its own single-threaded runtime, its own share of the arrivals, its own connections and
//! recorder; nothing is shared on the hot path but the word of a cap, where guards may lower the rate. Once a second a
//! worker sends what it has measured since the last time to whoever holds the receiving end of its channel.
//!
//! ```text
//!   worker ──► state ──► dispatch ──► job, idle (leaves)
//!     │          └─────► retries, meter, outbox          (pure: time and readings come in)
//!     └──► cap, message, plan, alarm, held, timer, run_delay, coalesce, priority (leaves)
//! ```
//!
//! `worker` is the thread: pacing and tasks, the only file that knows all. What is asked for comes from
//! [`crate::scenario`], how it is sent from [`crate::transport`]; both are tied together here, through their traits.
//!
//! What may enter: when something is sent, and on which connection. What was measured leaves through [`crate::record`]
//! only; judging it is the business of `analyze`. Imports point downwards.

mod alarm;
mod cap;
mod coalesce;
mod dispatch;
mod held;
mod idle;
mod job;
mod message;
mod meter;
mod outbox;
mod plan;
mod priority;
mod retries;
mod run_delay;
mod state;
#[cfg(test)]
mod tests;
mod timer;
mod worker;

pub use cap::{Cap, Capped};
pub use message::Message;
pub use plan::{Limits, Plan};
pub use priority::raise_priority;
pub use retries::{Retry, RetryPlan};
pub use worker::start;
