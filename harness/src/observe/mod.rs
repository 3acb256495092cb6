//! What the target says of itself while it is driven: locks, connections, CPU, memory.
//!
//! An [`Observer`] is a thread of its own with a query connection to each shard. Ten times a second it counts who waits for which
//! lock; once a second it reads every counter. All are asked at the same time, and who does not answer is left out. It hands over [`Sample`]s; [`Observed`] folds them into phases. What it costs is measured
//! and part of the result, for an observer that disturbs what it observes must say so.

mod fold;
mod joins;
mod metrics;
mod processes;
mod push;
mod shards;
mod sources;

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

pub use fold::Observed;
pub use joins::JoinSample;
pub use metrics::ServerSample;
pub use processes::{ProcessSample, Processes};
pub use push::PushSample;
pub use shards::{ShardCounters, ShardSample};

use sources::Sources;

use crate::clock::{Clock, Stop};

/// How often waiters are counted. InnoDB refreshes its transaction table at most that often.
const WAITERS_EVERY: Duration = Duration::from_millis(100);
/// Counters are read at every so many counts of waiters.
const COUNTERS_EVERY: u32 = 10;
/// How long a sample waits for answers; what comes later is part of the next one.
const ANSWERS_WITHIN: Duration = Duration::from_millis(50);
/// How long the last sample waits.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// What to observe.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Connection strings of the shards, in order.
    pub shards: Vec<String>,
    /// Address of the server's `/metrics`, where it has them.
    pub metrics_url: Option<String>,
    /// Processes by the name that the result gives them.
    pub processes: Processes,
}

/// What was seen at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Seconds from the start of the cell.
    pub at_s: f64,
    /// By shard, in order; `None` where the shard did not answer.
    pub shards: Vec<Option<ShardSample>>,
    /// The server's own figures, once a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSample>,
    /// By process, once a second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, ProcessSample>,
}

/// What observing cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// CPU of the observing thread.
    pub cpu: Duration,
    /// Queries sent to the shards.
    pub queries: u64,
    /// Time until they were answered, summed.
    pub query_time: Duration,
    /// CPU that the shards spent on answering; `None` where their threads cannot be seen.
    pub database_cpu: Option<Duration>,
}

/// A running observer.
#[derive(Debug)]
pub struct Observer {
    thread: JoinHandle<Cost>,
}

impl Observer {
    /// Starts to observe, from the start of `clock` until `stop` is asked.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(watched: Watched, clock: Clock, stop: Stop, sink: Sender<Sample>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("bmt-observer".to_owned())
            .spawn(move || {
                let mut cost = runtime.block_on(observe(&watched, clock, &stop, &sink));
                let cpu = clock_gettime(ClockId::ThreadCPUTime);
                cost.cpu = Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec).unwrap_or(0));
                cost
            })?;
        Ok(Self { thread })
    }

    /// Waits for the end and returns what observing cost.
    #[must_use]
    pub fn finish(self) -> Cost {
        self.thread.join().unwrap_or_default()
    }
}

async fn observe(watched: &Watched, clock: Clock, stop: &Stop, sink: &Sender<Sample>) -> Cost {
    let mut cost = Cost::default();
    let mut sources = Sources::start(watched);
    for tick in 0u32.. {
        tokio::time::sleep(clock.until(WAITERS_EVERY * tick)).await;
        // A machine that hangs must not turn one late sample into a burst of samples.
        if clock.elapsed() > WAITERS_EVERY * (tick + 1) && tick % COUNTERS_EVERY != 0 {
            continue;
        }
        let is_last = stop.is_asked();
        let counters = tick % COUNTERS_EVERY == 0 || is_last;
        let mut sample = Sample {
            at_s: clock.elapsed().as_secs_f64(),
            shards: vec![None; watched.shards.len()],
            server: None,
            processes: BTreeMap::new(),
        };
        let patience = if is_last { LAST_WITHIN } else { ANSWERS_WITHIN };
        if is_last {
            // Who still owes an answer is asked once more after it: the last counters complete the sums.
            sources.take(patience, &mut sample, &mut cost).await;
        }
        sources.ask(counters);
        sources.take(patience, &mut sample, &mut cost).await;
        if counters {
            sample.processes = watched.processes.sample();
        }
        if sink.send(sample).is_err() || is_last {
            break;
        }
    }
    cost.database_cpu = sources.end().await;
    cost
}
