//! One second of one phase as one worker measured it: the line of the file, the message between threads, and the live
//! event.
//!
//! An arrival belongs to its *intended* second, whenever it ended: so the intervals of a phase merge to exactly the
//! phase, and an arrival that the spike kept waiting is the spike's even if it ends after it. A worker reports every
//! second what has happened since its last report, so an answer that comes late makes another interval of the same
//! second. Merging adds them up.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::connections::{ClientConnections, Sockets};
use super::histogram::is_zero;
use super::{Acknowledged, Durations, LogicalCalls, Onset, Outcome, ShardSecond, UnsentCause};

/// The version of [`Interval`] that this bmt writes and reads.
pub const INTERVAL_SCHEMA: &str = "bmt.interval/2";

/// Written with each interval; any other version is refused when it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntervalSchema;

impl Serialize for IntervalSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(INTERVAL_SCHEMA)
    }
}

impl<'de> Deserialize<'de> for IntervalSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            INTERVAL_SCHEMA => Ok(Self),
            other => Err(de::Error::custom(format!(
                "an interval of schema {other}; this bmt reads {INTERVAL_SCHEMA}"
            ))),
        }
    }
}

/// What one worker measured of one second of one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// [`INTERVAL_SCHEMA`].
    pub schema: IntervalSchema,
    /// Who measured, from 0.
    pub worker: u32,
    /// Index of the phase.
    pub phase: usize,
    /// Whole seconds from the start of the cell.
    pub second: u64,
    /// By index of the series.
    pub series: Vec<Series>,
    /// When the pacer woke − intended.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub schedule_lag: Durations,
    /// Arrivals of the phase's onset, where it is in this second.
    #[serde(default, skip_serializing_if = "Onset::is_empty")]
    pub onset: Onset,
    /// The generator's connections.
    #[serde(default)]
    pub connections: ClientConnections,
    /// What the worker used, by the time at which it did.
    #[serde(default)]
    pub used: WorkerUse,
    /// What members saw; `None` where none did anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub following: Option<Box<Following>>,
    /// The same calls by shard, in tenths of a second; empty where that is not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardSecond>,
    /// The same requests by host; empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostSeries>,
    /// Writes that were acknowledged; `None` where they are not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Box<Acknowledged>>,
}

/// What went to one of several hosts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSeries {
    /// The requests of all traffic entries.
    pub requests: Series,
    /// The generator's connections to it.
    pub connections: ClientConnections,
}

impl HostSeries {
    /// Adds everything but the most connections at once, of which several workers' and several seconds' fold
    /// differently.
    pub fn merge(&mut self, other: &Self) {
        self.requests.merge(&other.requests);
        self.connections.merge_counts(&other.connections);
    }
}

/// Times of the requests that ended in one way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Done − intended: what a caller sees.
    pub response: Durations,
    /// Done − sent: what the server did.
    pub service: Durations,
    /// Response time less the generator's own lateness: what a caller would have seen of a punctual generator.
    pub net: Durations,
}

impl Times {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.net.merge(&other.net);
    }
}

/// One traffic entry at one placement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Arrivals that the schedule had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scheduled: u64,
    /// Arrivals that the schedule would have had, if a guard had not lowered the rate. They are not among those
    /// scheduled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withdrawn: u64,
    /// Arrivals that were never sent, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsent: BTreeMap<UnsentCause, u64>,
    /// Arrivals that were sent, and whose answer the end of the run cut off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_off: u64,
    /// Of those scheduled, the ones that are a retry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Of those that ended `ok`, the ones that are a retry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ok_retries: u64,
    /// Answers of outcome `ok` by the second of the phase, from 0, in which they were complete. Unlike all other
    /// figures these belong to the moment of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ok_answered: BTreeMap<u64, u64>,
    /// Logical calls that ended; `None` where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_calls: Option<Box<LogicalCalls>>,
    /// Sessions of which something happened, where the entry is one: then all requests are those of its steps, which
    /// have series of their own. `None` where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Box<Sessions>>,
    /// WebSocket connections of which something happened, where the entry holds some; by when it happened. `None` where
    /// nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Box<Sockets>>,
    /// Times by outcome.
    #[serde(default, skip_serializing_if = "ByOutcome::is_empty")]
    pub outcomes: ByOutcome,
}

/// Times by outcome; outcomes that did not occur take no room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ByOutcome([Option<Box<Times>>; Outcome::ALL.len()]);

impl ByOutcome {
    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

impl Serialize for ByOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let occurred = Outcome::ALL.into_iter().zip(&self.0);
        serializer.collect_map(occurred.filter_map(|(outcome, times)| Some((outcome, times.as_ref()?))))
    }
}

impl<'de> Deserialize<'de> for ByOutcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = Self::default();
        for (outcome, times) in BTreeMap::<Outcome, Box<Times>>::deserialize(deserializer)? {
            read.0[outcome as usize] = Some(times);
        }
        Ok(read)
    }
}

impl Series {
    /// The times of one outcome, where it occurred.
    #[must_use]
    pub fn times(&self, outcome: Outcome) -> Option<&Times> {
        self.outcomes.0[outcome as usize].as_deref()
    }

    pub(super) fn times_mut(&mut self, outcome: Outcome) -> &mut Times {
        self.outcomes.0[outcome as usize].get_or_insert_default()
    }

    /// Arrivals that were never sent, whatever the cause.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent.values().sum()
    }

    /// Requests that ended in this way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.times(outcome).map_or(0, |times| times.response.count())
    }

    /// First attempts, and how many of them ended `ok`.
    #[must_use]
    pub fn first_attempts(&self) -> (u64, u64) {
        let ok = self.count(Outcome::Ok).saturating_sub(self.ok_retries);
        (self.scheduled.saturating_sub(self.retries), ok)
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.withdrawn += other.withdrawn;
        self.cut_off += other.cut_off;
        self.retries += other.retries;
        self.ok_retries += other.ok_retries;
        for (cause, count) in &other.unsent {
            *self.unsent.entry(*cause).or_default() += count;
        }
        for (second, count) in &other.ok_answered {
            *self.ok_answered.entry(*second).or_default() += count;
        }
        if let Some(theirs) = &other.logical_calls {
            self.logical_calls.get_or_insert_default().merge(theirs);
        }
        if let Some(theirs) = &other.sessions {
            self.sessions.get_or_insert_default().merge(theirs);
        }
        if let Some(theirs) = &other.sockets {
            self.sockets.get_or_insert_default().merge_counts(theirs);
        }
        for outcome in Outcome::ALL {
            if let Some(theirs) = other.times(outcome) {
                self.times_mut(outcome).merge(theirs);
            }
        }
    }
}

/// What became of sessions.
///
/// A session belongs to the phase in which its first step was due, however long it takes. Within the phase its begin is
/// kept with the second in which that was, and its end with the second of the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Each session as if it were one request, from the intended start of its first step to the answer to its last:
    /// `scheduled` are those that began, `unsent` those that ended at a step that could not be sent, and `cut_off`
    /// those that the end of the run ended.
    pub whole: Series,
    /// Sessions that could not go on, by index of the step at which they ended; those at which it was unsent included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended_at: BTreeMap<usize, u64>,
}

impl Sessions {
    fn merge(&mut self, other: &Self) {
        self.whole.merge(&other.whole);
        for (step, count) in &other.ended_at {
            *self.ended_at.entry(*step).or_default() += count;
        }
    }
}

/// What members who are online saw in one second of one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// Messages to followed chats that were acknowledged, of those whose first attempt was due in this second.
    pub events: u64,
    /// Pushes that arrived.
    pub pushes: u64,
    /// Intended send of an event → a member has it; of the events that were due in this second. Its count is the number
    /// of events that members received, each member counted.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub freshness: Durations,
    /// Revisions that a member was never given although it has later ones.
    pub skipped: u64,
    /// The members' WebSocket connections.
    pub sockets: ClientConnections,
    /// Members that lacked what they should have had, as last counted in this second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<u64>,
}

impl Following {
    /// Adds everything but what is sampled.
    pub fn merge_counts(&mut self, other: &Self) {
        self.events += other.events;
        self.pushes += other.pushes;
        self.freshness.merge(&other.freshness);
        self.skipped += other.skipped;
        self.sockets.merge_counts(&other.sockets);
    }
}

/// What one worker thread used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerUse {
    /// Nanoseconds on a CPU.
    pub cpu_ns: u64,
    /// Nanoseconds that passed.
    pub wall_ns: u64,
    /// Nanoseconds in which it could have run and had to wait for a CPU; `None` where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_delay_ns: Option<u64>,
}

impl WorkerUse {
    /// CPU over wall, 0 to 1; 0 before any time has passed.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.wall_ns == 0 {
            0.0
        } else {
            self.cpu_ns as f64 / self.wall_ns as f64
        }
    }

    /// Adds another stretch of the same worker.
    pub fn add(&mut self, other: Self) {
        self.cpu_ns += other.cpu_ns;
        self.wall_ns += other.wall_ns;
        self.run_delay_ns = match (self.run_delay_ns, other.run_delay_ns) {
            (Some(mine), Some(theirs)) => Some(mine + theirs),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

impl Interval {
    /// An empty interval with room for `series`.
    #[must_use]
    pub fn new(worker: u32, phase: usize, second: u64, series: usize) -> Self {
        Self {
            worker,
            phase,
            second,
            series: vec![Series::default(); series],
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_in_words() {
        let text = serde_json::to_string(&Interval::new(0, 1, 2, 3)).unwrap();
        assert_eq!(
            serde_json::from_str::<Interval>(&text).unwrap(),
            Interval::new(0, 1, 2, 3)
        );
        let other = text.replace(INTERVAL_SCHEMA, "bmt.interval/9");
        let refused = serde_json::from_str::<Interval>(&other).unwrap_err().to_string();
        assert!(
            refused.contains("bmt.interval/9") && refused.contains(INTERVAL_SCHEMA),
            "{refused}"
        );
    }
}
