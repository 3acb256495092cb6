//! Everything that the generator needs to know before it begins.

use std::sync::Arc;
use std::time::Duration;

use super::cap::Capped;
use super::dispatch::Dispatch;
use super::retries::RetryPlan;
use crate::arrival::{Profile, Schedule};
use crate::clock::nanos;
use crate::scenario::{ScenarioPlan, Scenarios};
use crate::transport::{Dial, Http};

/// Everything that the generator needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How each host is reached.
    pub dials: Vec<Dial>,
    /// What to send.
    pub scenarios: Vec<Arc<dyn ScenarioPlan>>,
    /// By traffic entry: which of the scenarios it belongs to.
    pub owners: Arc<[usize]>,
    /// Number of series that the result has.
    pub series: usize,
    /// When to send it.
    pub schedule: Schedule,
    /// The phases of the schedule.
    pub profile: Arc<Profile>,
    /// So many shards are reported apart, tenth by tenth of a second; 0 where that is not wanted.
    pub shards: usize,
    /// Bounds, over all workers.
    pub limits: Limits,
    /// Number of worker threads.
    pub workers: usize,
    /// Callers who retry.
    pub retries: Option<Arc<RetryPlan>>,
    /// By what the rate may be lowered while the run goes on; `None` where nothing does that.
    pub capped: Option<Capped>,
}

/// Bounds of the generator.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that may be open at once to each host.
    pub connections: usize,
    /// Requests that may be under way at once on an HTTP/2 connection.
    pub streams: usize,
    /// Arrivals that may wait at once for a connection to each host.
    pub waiting: usize,
    /// A request is given up this long after its intended start.
    pub timeout: Duration,
    /// A connection that nobody has used for this long is closed.
    pub idle: Duration,
}

impl Plan {
    /// The part of `whole` that worker number `worker` has.
    pub(super) fn share(&self, whole: usize, worker: usize) -> usize {
        whole / self.workers + usize::from(worker < whole % self.workers)
    }

    /// What worker number `worker` has to do in the scenarios.
    pub(super) fn scenarios_of(&self, worker: usize) -> Scenarios {
        Scenarios::new(&self.scenarios, Arc::clone(&self.owners), worker, self.workers)
    }

    /// The connections of worker number `worker` to each host.
    pub(super) fn dispatches(&self, worker: usize) -> Vec<Dispatch> {
        let Limits {
            connections,
            waiting,
            idle,
            ..
        } = self.limits;
        let dispatch = |dial: &Dial| {
            let (connections, waiting) = (self.share(connections, worker), self.share(waiting, worker));
            let mut dispatch = Dispatch::new(connections, waiting, nanos(idle));
            if dial.http == Http::Two {
                dispatch.expect_slots(self.limits.streams);
            }
            dispatch
        };
        self.dials.iter().map(dispatch).collect()
    }

    /// When the last phase ends.
    pub(super) fn end_ns(&self) -> u64 {
        nanos(self.profile.end())
    }
}
