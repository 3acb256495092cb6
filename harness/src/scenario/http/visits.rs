//! The sessions that one worker has under way: where each is, and what it remembers.
//!
//! ```text
//!   arrival ──► begins ──► a step is sent, answered, measured ──► the next one is due after the pause ──► …
//!                               │ not ok, or not sent                     │ it was the last
//!                               ▼                                         ▼
//!                            ended there                               completed        (the end of the run: cut off)
//! ```
//!
//! A step after the first is an arrival that the answer before it causes: the pacer admits it when it is due, and it is
//! measured like any other. Each session that begins ends in one way. Those under way are as many as start a second,
//! times the seconds that one takes; what one remembers is bounded by its jar and its captures.
//!
//! Pure: time and what was measured come in, and what came of sessions goes into the recorder.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::jar::Jar;
use crate::arrival::Arrival;
use crate::record::{Due, Outcome, Recorder, Sample, UnsentCause};
use crate::scenario::{Call, SeriesTable};
use crate::template::{Cell, Step};

/// Traffic entry and number of the arrival that began a session.
type Key = (usize, u64);

fn key(arrival: &Arrival) -> Key {
    (arrival.flow, arrival.ordinal)
}

/// A session under way.
#[derive(Debug)]
pub(super) struct Visit {
    /// Its begin.
    due: Due,
    /// When its first step was sent.
    sent_ns: Option<u64>,
    /// The generator's own lateness in all its steps.
    own_ns: u64,
    /// What it has captured, by slot.
    pub(super) captured: Vec<Option<Cell>>,
    /// Its cookies.
    pub(super) jar: Jar,
    /// The path that it asked for last.
    pub(super) path: String,
}

/// All sessions of a worker.
#[derive(Debug, Default)]
pub(super) struct Visits {
    live: HashMap<Key, Visit>,
    /// The next steps, by when they are due.
    agenda: BinaryHeap<Reverse<(u64, Key, usize)>>,
    /// No further step begins.
    is_closed: bool,
}

impl Visits {
    /// A session begins with an arrival; it will capture so many values.
    pub(super) fn begins(&mut self, call: &Call, slots: usize, recorder: &mut Recorder) {
        let due = Due {
            series: SeriesTable::series(call.arrival.flow, None),
            ..call.due
        };
        recorder.sessions(&due, due.intended_ns).whole.scheduled += 1;
        let visit = Visit {
            due,
            sent_ns: None,
            own_ns: 0,
            captured: vec![None; slots],
            jar: Jar::default(),
            path: String::new(),
        };
        self.live.insert(key(&call.arrival), visit);
    }

    /// The session that a step is of.
    ///
    /// # Panics
    /// When it has ended.
    pub(super) fn of(&mut self, arrival: &Arrival) -> &mut Visit {
        let visit = self.live.get_mut(&key(arrival));
        visit.expect("a session lasts as long as one of its steps is under way")
    }

    /// When the next step is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.agenda.peek().map(|Reverse((ns, ..))| *ns)
    }

    /// The step that is due next.
    pub(super) fn take_due(&mut self) -> Option<Arrival> {
        let Reverse((intended_ns, (flow, ordinal), step)) = self.agenda.pop()?;
        Some(Arrival {
            intended_ns,
            flow,
            ordinal,
            item: step,
            host: self.live.get(&(flow, ordinal)).map_or(0, |visit| visit.due.host),
        })
    }

    /// A step has ended like that; `steps` are those of its session.
    pub(super) fn measured(&mut self, call: &Call, sample: &Sample, steps: &[Step], recorder: &mut Recorder) {
        let (key, step) = (key(&call.arrival), call.arrival.item);
        let Some(visit) = self.live.get_mut(&key) else { return };
        let sent_ns = *visit.sent_ns.get_or_insert(sample.sent_ns);
        visit.own_ns += sample.own_ns;
        let whole = Sample {
            due: visit.due,
            sent_ns,
            own_ns: visit.own_ns,
            ..*sample
        };
        if let (Outcome::Ok, Some(next)) = (sample.outcome, steps.get(step + 1)) {
            // One that may not go on is cut off at the end of the run.
            if !self.is_closed {
                let due_ns = sample.done_ns.saturating_add(pause_ns(next));
                self.agenda.push(Reverse((due_ns, key, step + 1)));
            }
            return;
        }
        self.live.remove(&key);
        if sample.outcome != Outcome::Ok {
            let sessions = recorder.sessions(&whole.due, sample.done_ns);
            *sessions.ended_at.entry(step).or_default() += 1;
        }
        recorder.session_done(&whole);
    }

    /// A step could not be sent.
    pub(super) fn unsent(&mut self, call: &Call, cause: UnsentCause, now_ns: u64, recorder: &mut Recorder) {
        let Some(visit) = self.live.remove(&key(&call.arrival)) else {
            return;
        };
        let sessions = recorder.sessions(&visit.due, now_ns);
        *sessions.ended_at.entry(call.arrival.item).or_default() += 1;
        *sessions.whole.unsent.entry(cause).or_default() += 1;
    }

    /// The last phase has ended: no further step begins.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.agenda.clear();
    }

    /// The run has ended at `now_ns`.
    pub(super) fn end(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.close();
        for (_, visit) in self.live.drain() {
            recorder.sessions(&visit.due, now_ns).whole.cut_off += 1;
        }
    }
}

fn pause_ns(before: &Step) -> u64 {
    u64::try_from(before.think.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
