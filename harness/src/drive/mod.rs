//! The generator: an open model, paced by `timerfd`, on connections that it owns.
//!
//! Each worker is a thread with its own single-threaded runtime, its own share of the arrivals, its own connections and
//! histograms; nothing is shared on the hot path. A worker sends what it measured, a second at a time, to whoever holds the
//! receiving end of its channel.

mod acknowledged;
mod alarm;
mod connection;
mod dispatch;
mod gather;
mod ledger;
mod members;
mod priority;
mod reply;
mod request;
mod retries;
mod source;
mod timer;
mod token;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

pub use members::{Board, Disconnect, FollowPlan};
pub use priority::raise_priority;
pub use request::{Chat, LaneTable, Post, RequestPlan, Sends};
pub use retries::{Retry, RetryPlan};
pub use source::Sources;
pub use token::Signer;

pub(crate) use members::{intended_ns, message};
pub(crate) use request::FIRST_MEMBER;

use crate::arrival::{Profile, Schedule};
use crate::clock::{Clock, Stop};
use crate::record::{Durations, Interval};

/// Everything that the generator needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the server is reached.
    pub sources: Sources,
    /// What to send.
    pub requests: Arc<RequestPlan>,
    /// When to send it.
    pub schedule: Schedule,
    /// The phases of the schedule.
    pub profile: Arc<Profile>,
    /// So many shards are reported apart, tenth by tenth of a second; 0 where nobody asks.
    pub shards: usize,
    /// Whether what the server acknowledges is kept, so that it can be looked for.
    pub keeps_acknowledged: bool,
    /// Bounds, over all workers.
    pub limits: Limits,
    /// Number of worker threads.
    pub workers: usize,
    /// Members that are online.
    pub follow: Option<Arc<FollowPlan>>,
    /// Callers who try again.
    pub retries: Option<Arc<RetryPlan>>,
}

/// Bounds of the generator.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that may be open at once.
    pub connections: usize,
    /// Arrivals that may wait for a connection at once.
    pub waiting: usize,
    /// A request is given up this long after its intended start.
    pub timeout: Duration,
    /// A connection that nobody has used for this long is closed.
    pub idle: Duration,
}

/// What a worker reports.
#[derive(Debug)]
pub enum Message {
    /// A second whose arrivals have all ended.
    Interval(Box<Interval>),
    /// What happened in the last second, for the progress display.
    Live(Box<Live>),
    /// The worker has reported everything.
    Done,
}

/// What happened in about one second, by the time at which it happened.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Arrivals that fell due.
    pub due: u64,
    /// Answers of outcome `ok`.
    pub ok: u64,
    /// Answers that refused the work.
    pub refused: u64,
    /// Everything else, unsent arrivals included.
    pub failed: u64,
    /// Response times of all answers.
    pub response: Durations,
}

/// Starts the workers. The schedule begins at `clock`'s zero. Each worker ends its messages with [`Message::Done`].
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(
    plan: &Plan,
    clock: Clock,
    stop: &Stop,
    sink: &SyncSender<(usize, Message)>,
) -> std::io::Result<Vec<JoinHandle<std::io::Result<()>>>> {
    (0..plan.workers)
        .map(|index| {
            let worker = worker::Setup {
                index,
                plan: plan.clone(),
                clock,
                stop: stop.clone(),
                sink: sink.clone(),
            };
            std::thread::Builder::new()
                .name(format!("bmt-worker-{index}"))
                .spawn(move || worker.run())
        })
        .collect()
}
