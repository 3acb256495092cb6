//! The seam between the generator and what it asks for.

use std::fmt::Debug;

use crate::arrival::Arrival;
use crate::record::{Due, Outcome, Recorder, Sample, UnsentCause};
use crate::transport::{Address, Answer, Heard, HeldEnd, Opened, Request, Wanted};

/// What a scenario has decided before a cell begins; shared by all workers.
pub trait ScenarioPlan: Debug + Send + Sync {
    /// The part of worker number `worker` of `workers`.
    fn part(&self, worker: usize, workers: usize) -> Box<dyn Scenario>;
}

/// Where what happens to an arrival is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of its series.
    pub series: usize,
    /// The shard that it concerns, where that is known.
    pub shard: Option<u16>,
}

/// An arrival on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The arrival.
    pub arrival: Arrival,
    /// What is recorded of it.
    pub due: Due,
    /// Intended start of its first attempt; that of the arrival, where it is no retry.
    pub first_ns: u64,
}

/// What is to be done at a moment that a scenario has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Todo<Socket> {
    /// Nothing.
    Nothing,
    /// Admit an arrival that is not on the schedule.
    Admit(Arrival),
    /// Open a held connection.
    Open(Socket),
    /// A held connection has something to say.
    Say(Socket),
    /// Drop these held connections; they are counted already.
    Drop(Vec<Socket>),
}

/// One worker's part of a scenario.
///
/// Only [`Scenario::place`], [`Scenario::begin`] and [`Scenario::answered`] concern every scenario. The others are for
/// those that act on their own, not only when an arrival is due, and for those that hold connections, which they number
/// from 0.
pub trait Scenario {
    /// Where the arrival belongs.
    fn place(&self, arrival: &Arrival) -> Place;

    /// An arrival is due; it will be answered, told as unsent, or cut off by the end.
    fn due(&mut self, _call: &Call, _recorder: &mut Recorder) {}

    /// Writes the request of a call.
    fn begin(&mut self, call: &Call, request: &mut Request) -> Wanted;

    /// A request has ended like that at `now_ns`. Returns what the outcome really is: a success that does not say what
    /// it has to say is none.
    fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        answer: &Answer<'_>,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Outcome;

    /// What was answered is measured like that.
    fn measured(&mut self, _call: &Call, _sample: &Sample, _recorder: &mut Recorder) {}

    /// An arrival could not even be sent.
    fn unsent(&mut self, _call: &Call, _cause: UnsentCause, _now_ns: u64, _recorder: &mut Recorder) {}

    /// Whether it ever acts on its own.
    fn acts(&self) -> bool {
        false
    }

    /// When it acts next.
    fn next_ns(&self) -> Option<u64> {
        None
    }

    /// What is to be done now that `next_ns` has come.
    fn take_due(&mut self, _now_ns: u64, _recorder: &mut Recorder) -> Todo<usize> {
        Todo::Nothing
    }

    /// Another second has begun.
    fn look(&mut self, _now_ns: u64, _recorder: &mut Recorder) {}

    /// The last phase has ended at `end_ns`: from now on it acts no more, and what happens is not counted.
    fn close(&mut self, _end_ns: u64, _recorder: &mut Recorder) {}

    /// The run has ended at `now_ns`: what is still under way has no other end.
    fn end(&mut self, _now_ns: u64, _recorder: &mut Recorder) {}

    /// How many connections it may hold.
    fn sockets(&self) -> usize {
        0
    }

    /// Where a held connection leads; `None` of one that does not exist.
    fn address(&self, _socket: usize) -> Option<Address> {
        None
    }

    /// A held connection is open.
    fn opened(&mut self, _socket: usize, _opened: Opened, _now_ns: u64, _recorder: &mut Recorder) {}

    /// Something came over a held connection. `delay_ns` says of what was sent at a given time how much later than it
    /// should have this thread learnt of it.
    fn heard(
        &mut self,
        _socket: usize,
        _heard: Heard<'_>,
        _now_ns: u64,
        _delay_ns: &dyn Fn(u64) -> u64,
        _recorder: &mut Recorder,
    ) {
    }

    /// A held connection is free to say something: what that is, where there is anything.
    fn say(&mut self, _socket: usize, _now_ns: u64) -> Option<String> {
        None
    }

    /// What a held connection had to say has left.
    fn said(&mut self, _socket: usize, _now_ns: u64, _recorder: &mut Recorder) {}

    /// A held connection broke, or could not be opened.
    fn ended(&mut self, _socket: usize, _end: HeldEnd, _now_ns: u64, _recorder: &mut Recorder) {}

    /// Gives up what has run out of time.
    fn expire(&mut self, _now_ns: u64, _recorder: &mut Recorder) {}

    /// Whether something that went out over a held connection has no end yet.
    fn is_pending(&self) -> bool {
        false
    }
}

#[cfg(test)]
impl Call {
    /// A first attempt, in the first phase of the first series.
    pub(crate) fn of(arrival: Arrival) -> Self {
        let due = Due {
            series: 0,
            phase: 0,
            shard: None,
            host: 0,
            intended_ns: arrival.intended_ns,
            is_retry: false,
        };
        Self {
            arrival,
            due,
            first_ns: arrival.intended_ns,
        }
    }
}
