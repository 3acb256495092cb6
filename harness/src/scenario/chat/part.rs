//! The scenario of chats: requests of the schedule, and members who are online.

use std::sync::Arc;

use super::follow::FollowPlan;
use super::members::Members;
use super::request::{RequestPlan, Write};
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder, UnsentCause};
use crate::scenario::{Call, Place, Scenario, ScenarioPlan, Todo};
use crate::transport::{Address, Answer, Heard, HeldEnd, Opened, Request, Wanted};

/// Bytes of the longest push that is heard.
const PUSH_MAX: usize = 4096;

/// What is asked of chats in a cell.
#[derive(Debug, Clone)]
pub struct ChatPlan {
    /// What to send.
    pub requests: Arc<RequestPlan>,
    /// Members that are online.
    pub follow: Option<Arc<FollowPlan>>,
    /// Whether acknowledged writes are kept, so that they can be looked for.
    pub keeps_acknowledged: bool,
}

impl ScenarioPlan for ChatPlan {
    fn part(&self, worker: usize, workers: usize) -> Box<dyn Scenario> {
        let members = |follow: &Arc<_>| Members::new(Arc::clone(follow), worker, workers);
        Box::new(Part {
            requests: Arc::clone(&self.requests),
            members: self.follow.as_ref().map(members),
            keeps_acknowledged: self.keeps_acknowledged,
        })
    }
}

struct Part {
    requests: Arc<RequestPlan>,
    /// `None` where nobody is online.
    members: Option<Members>,
    keeps_acknowledged: bool,
}

impl Part {
    /// Keeps the write that a successful answer acknowledges.
    fn keep(&self, call: &Call, body: &[u8], recorder: &mut Recorder) -> Outcome {
        match self.requests.acknowledged(&call.arrival, call.first_ns, body) {
            None => {}
            Some(Ok(Write::Joined(joined))) => recorder.acknowledged(&call.due).joined.push(joined),
            Some(Ok(Write::Sent(sent))) => recorder.acknowledged(&call.due).sent.push(sent),
            Some(Err(_)) => return Outcome::WrongAnswer,
        }
        Outcome::Ok
    }
}

impl Scenario for Part {
    fn place(&self, arrival: &Arrival) -> Place {
        self.requests.place(arrival)
    }

    fn begin(&mut self, call: &Call, request: &mut Request) -> Wanted {
        let arrival = &call.arrival;
        let cursor = self.members.as_ref().and_then(|members| members.cursor(arrival));
        self.requests.write(arrival, call.first_ns, cursor, request);
        Wanted {
            reads_answer: self.requests.concerns_members(arrival)
                || (self.keeps_acknowledged && self.requests.gets_revision(arrival)),
            is_head: false,
            is_repeatable: self.requests.is_repeatable(arrival),
        }
    }

    fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        answer: &Answer<'_>,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Outcome {
        let outcome = match &mut self.members {
            Some(members) if self.requests.concerns_members(&call.arrival) => {
                members.answered(call, outcome, answer.body, now_ns, recorder)
            }
            _ => outcome,
        };
        if self.keeps_acknowledged && outcome == Outcome::Ok {
            return self.keep(call, answer.body, recorder);
        }
        outcome
    }

    fn unsent(&mut self, call: &Call, _cause: UnsentCause, now_ns: u64, _recorder: &mut Recorder) {
        if let Some(members) = &mut self.members {
            members.unsent(&call.arrival, now_ns);
        }
    }

    fn acts(&self) -> bool {
        self.members.is_some()
    }

    fn next_ns(&self) -> Option<u64> {
        self.members.as_ref().and_then(Members::next_ns)
    }

    fn take_due(&mut self, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        let members = self.members.as_mut();
        members.map_or(Todo::Nothing, |members| members.take_due(now_ns, recorder))
    }

    fn look(&mut self, now_ns: u64, recorder: &mut Recorder) {
        if let Some(members) = &mut self.members {
            members.look(now_ns, recorder);
        }
    }

    fn close(&mut self, end_ns: u64, recorder: &mut Recorder) {
        if let Some(members) = &mut self.members {
            members.close(end_ns, recorder);
        }
    }

    fn sockets(&self) -> usize {
        self.members.as_ref().map_or(0, Members::count)
    }

    fn address(&self, socket: usize) -> Option<Address> {
        let members = self.members.as_ref()?;
        let (url, authorization) = self.requests.push_address(members.chat(socket), members.user(socket));
        Some(Address {
            url,
            headers: vec![("authorization".to_owned(), authorization)],
            number: members.number(socket),
            message_max: PUSH_MAX,
            speaks: false,
        })
    }

    fn opened(&mut self, socket: usize, opened: Opened, now_ns: u64, recorder: &mut Recorder) {
        if let Some(members) = &mut self.members {
            members.connected(socket, opened.since_ns, now_ns, recorder);
        }
    }

    fn heard(
        &mut self,
        socket: usize,
        heard: Heard<'_>,
        now_ns: u64,
        _delay_ns: &dyn Fn(u64) -> u64,
        recorder: &mut Recorder,
    ) {
        if let (Some(members), Heard::Text(text)) = (&mut self.members, heard) {
            members.heard(socket, text, now_ns, recorder);
        }
    }

    fn ended(&mut self, socket: usize, end: HeldEnd, now_ns: u64, recorder: &mut Recorder) {
        if let Some(members) = &mut self.members {
            members.not_connected(socket, end.was_open(), now_ns, recorder);
        }
    }
}
