//! The scenarios of one worker, each for the traffic entries that are its own.

use std::sync::Arc;

use super::plan::{Call, Place, Scenario, ScenarioPlan, Todo};
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder, Sample, UnsentCause};
use crate::transport::{Address, Answer, Heard, HeldEnd, Opened, Request, Wanted};

/// A held connection of one of a worker's scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId {
    scenario: usize,
    socket: usize,
}

/// The parts that one worker has in all scenarios.
pub struct Scenarios {
    parts: Vec<Box<dyn Scenario>>,
    /// By traffic entry: which of them it belongs to.
    owners: Arc<[usize]>,
}

impl std::fmt::Debug for Scenarios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} scenarios of {} entries", self.parts.len(), self.owners.len())
    }
}

impl Scenarios {
    /// The parts of worker number `worker` of `workers`; `owners` says of each traffic entry which of `plans` it is of.
    #[must_use]
    pub fn new(plans: &[Arc<dyn ScenarioPlan>], owners: Arc<[usize]>, worker: usize, workers: usize) -> Self {
        Self {
            parts: plans.iter().map(|plan| plan.part(worker, workers)).collect(),
            owners,
        }
    }

    fn of(&self, arrival: &Arrival) -> &dyn Scenario {
        &*self.parts[self.owners[arrival.flow]]
    }

    fn of_mut(&mut self, arrival: &Arrival) -> &mut dyn Scenario {
        &mut *self.parts[self.owners[arrival.flow]]
    }

    /// As [`Scenario::place`].
    pub(crate) fn place(&self, arrival: &Arrival) -> Place {
        self.of(arrival).place(arrival)
    }

    /// As [`Scenario::due`].
    pub(crate) fn due(&mut self, call: &Call, recorder: &mut Recorder) {
        self.of_mut(&call.arrival).due(call, recorder);
    }

    /// As [`Scenario::begin`].
    pub(crate) fn begin(&mut self, call: &Call, request: &mut Request) -> Wanted {
        self.of_mut(&call.arrival).begin(call, request)
    }

    /// As [`Scenario::answered`].
    pub(crate) fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        answer: &Answer<'_>,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Outcome {
        let part = self.of_mut(&call.arrival);
        part.answered(call, outcome, answer, now_ns, recorder)
    }

    /// As [`Scenario::measured`].
    pub(crate) fn measured(&mut self, call: &Call, sample: &Sample, recorder: &mut Recorder) {
        self.of_mut(&call.arrival).measured(call, sample, recorder);
    }

    /// As [`Scenario::unsent`].
    pub(crate) fn unsent(&mut self, call: &Call, cause: UnsentCause, now_ns: u64, recorder: &mut Recorder) {
        self.of_mut(&call.arrival).unsent(call, cause, now_ns, recorder);
    }

    /// Whether one of them ever acts on its own.
    pub(crate) fn act(&self) -> bool {
        self.parts.iter().any(|part| part.acts())
    }

    /// Whether one of them may hold connections.
    pub(crate) fn hold_connections(&self) -> bool {
        self.parts.iter().any(|part| part.sockets() > 0)
    }

    /// When one of them acts next.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.parts.iter().filter_map(|part| part.next_ns()).min()
    }

    /// What the one that acts next has to be done.
    pub(crate) fn take_due(&mut self, now_ns: u64, recorder: &mut Recorder) -> Todo<SocketId> {
        let next_ns = self.next_ns();
        let due = self
            .parts
            .iter_mut()
            .enumerate()
            .find(|(_, part)| next_ns.is_some() && part.next_ns() == next_ns);
        let Some((scenario, part)) = due else {
            return Todo::Nothing;
        };
        let id = |socket| SocketId { scenario, socket };
        match part.take_due(now_ns, recorder) {
            Todo::Nothing => Todo::Nothing,
            Todo::Admit(arrival) => Todo::Admit(arrival),
            Todo::Open(socket) => Todo::Open(id(socket)),
            Todo::Say(socket) => Todo::Say(id(socket)),
            Todo::Drop(sockets) => Todo::Drop(sockets.into_iter().map(id).collect()),
        }
    }

    /// As [`Scenario::look`].
    pub(crate) fn look(&mut self, now_ns: u64, recorder: &mut Recorder) {
        for part in &mut self.parts {
            part.look(now_ns, recorder);
        }
    }

    /// As [`Scenario::close`].
    pub(crate) fn close(&mut self, end_ns: u64, recorder: &mut Recorder) {
        for part in &mut self.parts {
            part.close(end_ns, recorder);
        }
    }

    /// As [`Scenario::end`].
    pub(crate) fn end(&mut self, now_ns: u64, recorder: &mut Recorder) {
        for part in &mut self.parts {
            part.end(now_ns, recorder);
        }
    }

    /// As [`Scenario::address`].
    pub(crate) fn address(&self, id: SocketId) -> Option<Address> {
        self.parts[id.scenario].address(id.socket)
    }

    /// As [`Scenario::opened`].
    pub(crate) fn opened(&mut self, id: SocketId, opened: Opened, now_ns: u64, recorder: &mut Recorder) {
        self.parts[id.scenario].opened(id.socket, opened, now_ns, recorder);
    }

    /// As [`Scenario::heard`].
    pub(crate) fn heard(
        &mut self,
        id: SocketId,
        heard: Heard<'_>,
        now_ns: u64,
        delay_ns: &dyn Fn(u64) -> u64,
        recorder: &mut Recorder,
    ) {
        self.parts[id.scenario].heard(id.socket, heard, now_ns, delay_ns, recorder);
    }

    /// As [`Scenario::say`].
    pub(crate) fn say(&mut self, id: SocketId, now_ns: u64) -> Option<String> {
        self.parts[id.scenario].say(id.socket, now_ns)
    }

    /// As [`Scenario::said`].
    pub(crate) fn said(&mut self, id: SocketId, now_ns: u64, recorder: &mut Recorder) {
        self.parts[id.scenario].said(id.socket, now_ns, recorder);
    }

    /// As [`Scenario::ended`].
    pub(crate) fn ended(&mut self, id: SocketId, end: HeldEnd, now_ns: u64, recorder: &mut Recorder) {
        self.parts[id.scenario].ended(id.socket, end, now_ns, recorder);
    }

    /// As [`Scenario::expire`].
    pub(crate) fn expire(&mut self, now_ns: u64, recorder: &mut Recorder) {
        for part in &mut self.parts {
            part.expire(now_ns, recorder);
        }
    }

    /// As [`Scenario::is_pending`].
    pub(crate) fn is_pending(&self) -> bool {
        self.parts.iter().any(|part| part.is_pending())
    }
}
