//! What happened to the arrivals of one second of one phase.
//!
//! An interval belongs to the *intended* second of its arrivals, not to the one in which they ended: so the intervals of a
//! phase merge to exactly the phase, and an arrival that the spike made wait is the spike's even if it ends after it.

use std::collections::BTreeMap;

use super::{Acknowledged, Durations, Outcome, ShardSecond};

/// Times of the requests that ended in one way.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Done − intended: what a caller sees.
    pub response: Durations,
    /// Done − sent: what the server did.
    pub service: Durations,
}

impl Times {
    fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

/// One traffic entry at one placement.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// Arrivals that the schedule had.
    pub scheduled: u64,
    /// Arrivals that were never sent: the queue was full, or no connection came free within the time-out.
    pub unsent: u64,
    /// Arrivals that were sent, and whose answer the end of the run cut off.
    pub cut_off: u64,
    /// Of those scheduled, the ones that try again what came to nothing before.
    pub retries: u64,
    /// Most of them in one second, where seconds are merged; an upper bound where lanes are.
    pub retries_max: u64,
    /// Answers of outcome `ok` by the second of the phase, from 0, in which they were complete. Unlike all other figures these belong to
    /// the moment of the answer.
    pub ok_answered: BTreeMap<u64, u64>,
    /// What became of callers who try again; `None` where nobody ended.
    pub journeys: Option<Box<Journeys>>,
    outcomes: [Option<Box<Times>>; Outcome::ALL.len()],
}

impl Lane {
    /// Notes one answer, or its absence.
    pub fn record(&mut self, outcome: Outcome, response_ns: u64, service_ns: u64) {
        let times = self.outcomes[outcome as usize].get_or_insert_default();
        times.response.record_ns(response_ns);
        times.service.record_ns(service_ns);
    }

    /// The times of one outcome, where it occurred.
    #[must_use]
    pub fn times(&self, outcome: Outcome) -> Option<&Times> {
        self.outcomes[outcome as usize].as_deref()
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scheduled + self.unsent + self.cut_off == 0
            && self.outcomes.iter().all(Option::is_none)
            && self.ok_answered.is_empty()
            && self.journeys.is_none()
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.unsent += other.unsent;
        self.cut_off += other.cut_off;
        self.retries += other.retries;
        self.retries_max += other.retries_max;
        for (second, count) in &other.ok_answered {
            *self.ok_answered.entry(*second).or_default() += count;
        }
        if let Some(theirs) = &other.journeys {
            self.journeys.get_or_insert_default().merge(theirs);
        }
        for (mine, theirs) in self.outcomes.iter_mut().zip(&other.outcomes) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().merge(theirs);
            }
        }
    }
}

/// What became of callers who try again until they have what they want, or give up.
///
/// A journey begins with a caller's first attempt and is the phase's in which that was due. Within the phase it is kept with the second in which
/// it ended, for it may last longer than any request: the seconds of its beginning are long reported by then.
#[derive(Debug, Clone, Default)]
pub struct Journeys {
    /// First intended start → the answer that ended it well.
    pub until_done: Durations,
    /// Of these, the ones that needed one attempt.
    pub at_first: u64,
    /// Attempts that they took together.
    pub attempts: u64,
    /// Most attempts that one of them took.
    pub attempts_max: u64,
    /// Ended without success.
    pub gave_up: u64,
    /// Ended by the end of the run.
    pub cut_off: u64,
}

impl Journeys {
    /// One that ended well.
    pub fn succeeded(&mut self, attempts: u16, took_ns: u64) {
        self.until_done.record_ns(took_ns);
        self.at_first += u64::from(attempts == 1);
        self.attempts += u64::from(attempts);
        self.attempts_max = self.attempts_max.max(u64::from(attempts));
    }

    fn merge(&mut self, other: &Self) {
        self.until_done.merge(&other.until_done);
        self.at_first += other.at_first;
        self.attempts += other.attempts;
        self.attempts_max = self.attempts_max.max(other.attempts_max);
        self.gave_up += other.gave_up;
        self.cut_off += other.cut_off;
    }
}

/// The generator's own connections.
#[derive(Debug, Clone, Default)]
pub struct ClientConnections {
    /// Opened.
    pub opened: u64,
    /// Closed, by either side.
    pub closed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Most that were open at once.
    pub open_max: u64,
    /// Time from the first SYN until a request could be written.
    pub handshake: Durations,
}

impl ClientConnections {
    fn merge_counts(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.failed += other.failed;
        self.handshake.merge(&other.handshake);
    }
}

/// What members who are online saw in one second of one phase.
#[derive(Debug, Clone, Default)]
pub struct Following {
    /// Pushes that arrived.
    pub pushes: u64,
    /// Intended send of an event → a member has it; of the events that were due in this second. Its count is the number of events that
    /// members received, each member counted.
    pub freshness: Durations,
    /// Revisions that a member was never given although it has later ones.
    pub skipped: u64,
    /// The members' WebSocket connections.
    pub sockets: ClientConnections,
    /// Members that lacked what they should have had: when that was looked at, in whole seconds, and how many.
    pub stale: Option<(u64, u64)>,
}

impl Following {
    fn merge_counts(&mut self, other: &Self) {
        self.pushes += other.pushes;
        self.freshness.merge(&other.freshness);
        self.skipped += other.skipped;
        self.sockets.merge_counts(&other.sockets);
    }

    fn merge_worker(&mut self, other: &Self) {
        self.merge_counts(other);
        self.sockets.open_max += other.sockets.open_max;
        self.stale = match (self.stale, other.stale) {
            (Some((second, mine)), Some((_, theirs))) => Some((second, mine + theirs)),
            (mine, theirs) => mine.or(theirs),
        };
    }

    fn merge_second(&mut self, other: &Self) {
        self.merge_counts(other);
        self.sockets.open_max = self.sockets.open_max.max(other.sockets.open_max);
        self.stale = self.stale.max(other.stale);
    }
}

/// What happened to the arrivals of one second of one phase, in one worker or in all.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Index of the phase.
    pub phase: usize,
    /// Whole seconds from the start of the run.
    pub second: u64,
    /// By lane.
    pub lanes: Vec<Lane>,
    /// When the pacer woke − intended.
    pub schedule_lag: Durations,
    /// The generator's connections.
    pub connections: ClientConnections,
    /// CPU that the worker used, and the time in which it did; the busiest worker's where several are merged.
    pub worker_cpu: CpuUse,
    /// What members saw; `None` where none did anything.
    pub following: Option<Box<Following>>,
    /// The same calls by shard; empty where that is not asked for. Of one second, never merged into phases.
    pub shards: Vec<ShardSecond>,
    /// Writes that were acknowledged; `None` where they are not looked for. Never merged into phases.
    pub acknowledged: Option<Box<Acknowledged>>,
}

/// CPU time over wall time of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuUse {
    /// Nanoseconds on a CPU.
    pub cpu_ns: u64,
    /// Nanoseconds that passed.
    pub wall_ns: u64,
}

impl CpuUse {
    /// CPU over wall, 0 to 1; 0 before any time has passed.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.wall_ns == 0 {
            0.0
        } else {
            self.cpu_ns as f64 / self.wall_ns as f64
        }
    }
}

impl Interval {
    /// An empty interval with room for `lanes`.
    #[must_use]
    pub fn new(phase: usize, second: u64, lanes: usize) -> Self {
        Self {
            phase,
            second,
            lanes: vec![Lane::default(); lanes],
            ..Self::default()
        }
    }

    /// Adds the same second of another worker. Open connections add up, so their maximum is an upper bound.
    pub fn merge_worker(&mut self, other: &Self) {
        self.merge_counts(other);
        self.connections.open_max += other.connections.open_max;
        if let Some(theirs) = &other.following {
            self.following.get_or_insert_default().merge_worker(theirs);
        }
        if self.shards.len() < other.shards.len() {
            self.shards.resize_with(other.shards.len(), ShardSecond::default);
        }
        for (mine, theirs) in self.shards.iter_mut().zip(&other.shards) {
            mine.merge(theirs);
        }
        if let Some(theirs) = &other.acknowledged {
            self.acknowledged.get_or_insert_default().merge(theirs);
        }
        if other.worker_cpu.share() > self.worker_cpu.share() {
            self.worker_cpu = other.worker_cpu;
        }
    }

    /// Adds another second of the same phase.
    pub fn merge_second(&mut self, other: &Self) {
        self.merge_counts(other);
        for (mine, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            mine.retries_max = mine.retries_max.max(theirs.retries);
        }
        self.connections.open_max = self.connections.open_max.max(other.connections.open_max);
        if let Some(theirs) = &other.following {
            self.following.get_or_insert_default().merge_second(theirs);
        }
        self.worker_cpu.cpu_ns += other.worker_cpu.cpu_ns;
        self.worker_cpu.wall_ns += other.worker_cpu.wall_ns;
    }

    fn merge_counts(&mut self, other: &Self) {
        for (mine, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            mine.merge(theirs);
        }
        self.schedule_lag.merge(&other.schedule_lag);
        self.connections.merge_counts(&other.connections);
    }
}
