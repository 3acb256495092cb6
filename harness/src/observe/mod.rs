//! What the target and the machine show while the target is driven: locks, connections, CPU, memory, neighbours.
//!
//! ```text
//! mod.rs        Observer: a thread that takes samples, ten a second
//! sample.rs     Sample: one line of observed.jsonl; Cost: what taking them cost
//! watched.rs    Watched: what to observe
//! sources.rs    queries shards and server at the same time, within bounds
//! shards.rs     one database: waiters ten times a second, counters once; database.rs, where it is somebody else's
//! metrics.rs    the server's /metrics; push.rs, joins.rs and notify.rs are parts of it
//! gateway.rs    the push gateway's /metrics
//! text.rs  label.rs   lines and labels of those pages
//! page.rs       series that the workload names: scrape/, of somebody's page of metrics; redis_info.rs, of a Redis
//! address.rs    an address whose user and password are not shown
//! processes.rs  CPU and memory of each process of the cell
//! machine/      CPU of the machine, of bmt and of the target: what remains is a neighbour's; processes by name or port
//! ```
//!
//! Samples hold readings: cumulative counters and gauges of one moment. [`crate::analyze::observed`] folds them into
//! phases. What was not observed is `None`, never 0. Observing is load too, so its cost is measured and part of the
//! result. Memory does not grow with time: each source has one question and one answer under way, the machine one
//! table of processes, and samples that the receiver does not take are dropped and counted.
//!
//! May enter: the clock of the run and the request to stop, addresses, process ids. Not: phases, what is offered,
//! what the generator measures, figures for people.

mod address;
mod database;
mod gateway;
mod joins;
mod label;
mod machine;
mod metrics;
mod notify;
mod page;
mod processes;
mod push;
mod redis_info;
mod sample;
mod scrape;
mod shards;
mod sources;
mod table;
mod text;
mod watched;

use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use address::Address;
pub use gateway::GatewaySample;
pub use joins::JoinSample;
pub use machine::Wanted;
pub use machine::{MachineSample, TargetCpu};
pub use metrics::ServerSample;
pub use notify::{NotifySample, RoleSample, Timed};
pub use processes::{ProcessSample, Processes};
pub use push::PushSample;
pub use redis_info::RedisInfo;
pub use sample::{Cost, SAMPLE_SCHEMA, Sample, SampleSchema};
pub use scrape::Scrape;
pub use scrape::{HistogramSample, Selector, SeriesSample};
pub use shards::{Dials, ShardCounters, ShardSample};
pub use watched::{Asked, Watched};

use sources::Sources;

use crate::clock::{Clock, Stop, nanos};

/// How often waiters are counted. InnoDB refreshes its transaction table at most that often.
const WAITERS_EVERY: Duration = Duration::from_millis(100);
/// Counters are read at every so many counts of waiters.
const COUNTERS_EVERY: u32 = 10;
/// How long a sample waits for answers; later ones are part of the next sample.
const ANSWERS_WITHIN: Duration = Duration::from_millis(50);
/// What the result calls the processes that the workload names: what it calls a server that bmt started.
const SERVER: &str = "server";
/// How long the last sample waits.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// A running observer.
#[derive(Debug)]
pub struct Observer {
    thread: JoinHandle<Cost>,
}

impl Observer {
    /// Starts to observe, from the start of `clock` until `stop` is asked. A sample that does not fit into `sink` is
    /// dropped and counted: an observer that waited for its receiver would be late for the target.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(watched: Watched, clock: Clock, stop: Stop, sink: SyncSender<Sample>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("bmt-observer".to_owned())
            .spawn(move || {
                let mut cost = runtime.block_on(observe(&watched, clock, &stop, &sink));
                let cpu = clock_gettime(ClockId::ThreadCPUTime);
                let cpu = Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec).unwrap_or(0));
                cost.cpu_ns = nanos(cpu);
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

async fn observe(watched: &Watched, clock: Clock, stop: &Stop, sink: &SyncSender<Sample>) -> Cost {
    let mut cost = Cost::default();
    let mut sources = Sources::start(watched);
    let mut machine = machine::Watch::new(watched.target.as_ref(), watched.asked.process.as_ref());
    for tick in 0u32.. {
        tokio::time::sleep(clock.until(WAITERS_EVERY * tick)).await;
        // A machine that hangs must not turn one late sample into a burst of samples.
        if clock.elapsed() > WAITERS_EVERY * (tick + 1) && tick % COUNTERS_EVERY != 0 {
            continue;
        }
        let is_last = stop.is_asked();
        let counters = tick % COUNTERS_EVERY == 0 || is_last;
        let mut sample = Sample::empty(clock.elapsed().as_secs_f64(), watched.databases());
        if counters {
            // First, for these come with the time of the sample; answers may take a while.
            sample.processes = watched.processes.sample();
            sample.machine = machine.sample(sample.at_s, &watched.processes);
            if let Some(named) = machine.named() {
                sample.processes.insert(SERVER.to_owned(), named.process);
                sample.sockets = named.sockets;
            }
        }
        let patience = if is_last { LAST_WITHIN } else { ANSWERS_WITHIN };
        if is_last {
            // A source that still owes an answer is asked once more after it: the last counters complete the sums.
            sources.take(patience, &mut sample, &mut cost).await;
        }
        sources.ask(counters, clock.elapsed(), is_last);
        sources.take(patience, &mut sample, &mut cost).await;
        match sink.try_send(sample) {
            Ok(()) => {}
            // Counters are cumulative, so the next sample makes up for this one.
            Err(TrySendError::Full(_)) => cost.samples_dropped += 1,
            Err(TrySendError::Disconnected(_)) => break,
        }
        if is_last {
            break;
        }
    }
    cost.notes = machine.notes();
    let (database_cpu, notes) = sources.end().await;
    cost.database_cpu_ns = database_cpu.map(nanos);
    cost.notes.extend(notes);
    cost
}
