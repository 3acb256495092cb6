//! Virtual members: people whose app is open.
//!
//! ```text
//!   push ──► member.rs: something new? ──► agenda: a fetch, a moment later ──► the worker's own connections
//!     ▲                                                                              │
//!  socket.rs                          page.rs: what came, how old it is ◄────────────┘
//! ```
//!
//! A fetch is an arrival like any other: the pacer admits it when it is due, it waits for a connection, and its response time counts
//! from when it was due. Only that moment is not known beforehand: pushes decide it.

mod board;
mod member;
mod page;
mod socket;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

pub use board::Board;
pub(crate) use page::{Revision, intended_ns, message};

use self::member::{Member, Next};
use self::page::{Page, skipped};
use super::alarm::Alarm;
use super::dispatch::Job;
use super::source::Sources;
use super::worker::Worker;
use super::{Chat, request};
use crate::arrival::Arrival;
use crate::record::{ClientConnections, Following, Outcome};

const SECOND_NS: u64 = 1_000_000_000;
/// An app whose fetch or connection failed tries again after a random time of half to one and a half of this.
const RETRY_NS: u64 = SECOND_NS;

/// Who is online, and how their app behaves.
#[derive(Debug, Clone)]
pub struct FollowPlan {
    /// Index of the traffic entry under which their fetches are reported.
    pub entry: usize,
    /// The chats that are followed.
    pub chats: Vec<Chat>,
    /// Members of each chat that are online.
    pub online: usize,
    /// Connections per second, from the start of the cell.
    pub connect_rate: f64,
    /// Longest time between a push and its fetch.
    pub delay_ns: u64,
    /// Time without news after which an app fetches.
    pub poll_ns: u64,
    /// Most events in a fetch.
    pub limit: u32,
    /// What was acknowledged.
    pub board: Arc<Board>,
    /// When some of the members lose their connections.
    pub disconnects: Vec<Disconnect>,
    /// Where their connections come from.
    pub sources: Sources,
    /// Seed of their random choices.
    pub seed: u64,
}

/// Some members lose their connections at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disconnect {
    /// When.
    pub at_ns: u64,
    /// When they begin to come back.
    pub until_ns: u64,
    /// Part of the members, 0 to 1.
    pub share: f64,
}

/// What is to happen at a moment that was not known when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Connect(usize),
    Fetch(usize),
    Disconnect(usize),
}

/// One worker's share of the members.
pub(super) struct Members {
    plan: Arc<FollowPlan>,
    worker: usize,
    workers: usize,
    members: Vec<Member>,
    tasks: Vec<Option<AbortHandle>>,
    agenda: BinaryHeap<Reverse<(u64, Due)>>,
    online: u64,
    rng: Xoshiro256PlusPlus,
    alarm: Rc<Alarm>,
    /// The run is over: nothing more is planned or counted.
    closed: bool,
}

impl Members {
    pub(super) fn new(plan: Arc<FollowPlan>, worker: usize, workers: usize, alarm: Rc<Alarm>) -> Self {
        let all = plan.online * plan.chats.len();
        let count = (all + workers - 1 - worker) / workers;
        let mut members = Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ (worker as u64 + 1)),
            worker,
            workers,
            members: vec![Member::default(); count],
            tasks: (0..count).map(|_| None).collect(),
            agenda: BinaryHeap::with_capacity(count),
            online: 0,
            plan,
            alarm,
            closed: false,
        };
        for member in 0..count {
            let at_ns = members.number(member) as f64 / members.plan.connect_rate * 1e9;
            members.at(at_ns as u64, Due::Connect(member));
        }
        for (index, disconnect) in members.plan.clone().disconnects.iter().enumerate() {
            members.at(disconnect.at_ns, Due::Disconnect(index));
        }
        members
    }

    /// The member's number among those of all workers.
    fn number(&self, member: usize) -> usize {
        member * self.workers + self.worker
    }

    /// Index of the member's chat.
    fn chat(&self, member: usize) -> usize {
        self.number(member) % self.plan.chats.len()
    }

    fn user(&self, member: usize) -> u64 {
        request::FIRST_MEMBER + (self.number(member) / self.plan.chats.len()) as u64
    }

    fn at(&mut self, ns: u64, due: Due) {
        if self.closed {
            return;
        }
        self.agenda.push(Reverse((ns, due)));
        self.alarm.set(ns);
    }

    pub(super) fn next_ns(&self) -> Option<u64> {
        self.agenda.peek().map(|Reverse((ns, _))| *ns)
    }

    fn after_delay(&mut self, now_ns: u64) -> u64 {
        now_ns + self.rng.random_range(0..=self.plan.delay_ns)
    }

    fn after_retry(&mut self, now_ns: u64) -> u64 {
        now_ns + RETRY_NS / 2 + self.rng.random_range(0..=RETRY_NS)
    }

    /// Who asks, and what they have: for the request of a fetch.
    pub(super) fn cursor(&self, arrival: &Arrival) -> Option<request::Cursor> {
        (arrival.flow == self.plan.entry).then(|| {
            let member = arrival.ordinal as usize;
            request::Cursor {
                user: self.user(member),
                after: self.members[member].have(),
                limit: self.plan.limit,
            }
        })
    }

    /// Members that lack something they should have.
    fn stale(&self, now_ns: u64) -> u64 {
        let chats = 0..self.plan.chats.len();
        let owed: Vec<u64> = chats.map(|chat| self.plan.board.owed(chat, now_ns)).collect();
        let lacks = |(index, member): &(usize, &Member)| member.have() < owed[self.chat(*index)];
        self.members.iter().enumerate().filter(lacks).count() as u64
    }
}

impl Worker {
    /// What the members' agenda has next.
    pub(super) fn next_of_members_ns(&self) -> Option<u64> {
        self.members.as_ref()?.borrow().next_ns()
    }

    /// Takes the next entry off the agenda, which is due; the arrival that it leads to, if any.
    pub(super) fn caused(self: &Rc<Self>) -> Option<Arrival> {
        let members = self.members.as_ref()?;
        let Reverse((intended_ns, due)) = members.borrow_mut().agenda.pop()?;
        match due {
            Due::Connect(member) => {
                let task = tokio::task::spawn_local(socket::follow(Rc::clone(self), member));
                members.borrow_mut().tasks[member] = Some(task.abort_handle());
                None
            }
            Due::Disconnect(index) => {
                self.disconnect_some(index);
                None
            }
            Due::Fetch(member) => {
                let mut members = members.borrow_mut();
                let begins = members.members[member].begin();
                begins.then(|| Arrival {
                    intended_ns,
                    flow: members.plan.entry,
                    ordinal: member as u64,
                    chat: members.chat(member),
                })
            }
        }
    }

    /// The end of the last phase: who is stale now is stale for good, and nothing more will be asked for.
    pub(super) fn close_members(&self) {
        let Some(members) = &self.members else { return };
        // Not the clock's time, so that all workers count at the same moment.
        let end_ns = u64::try_from(self.profile.end().as_nanos()).unwrap_or(u64::MAX);
        let stale = members.borrow().stale(end_ns);
        self.note_following(end_ns, |following| following.stale = Some((end_ns / SECOND_NS, stale)));
        let mut members = members.borrow_mut();
        members.closed = true;
        members.agenda.clear();
    }

    fn disconnect_some(&self, index: usize) {
        let Some(members) = &self.members else { return };
        let mut gone = 0;
        {
            let mut members = members.borrow_mut();
            let disconnect = members.plan.disconnects[index];
            for member in 0..members.members.len() {
                if !members.members[member].is_online() || members.rng.random::<f64>() >= disconnect.share {
                    continue;
                }
                if let Some(task) = members.tasks[member].take() {
                    task.abort();
                }
                members.members[member].disconnected();
                members.online -= 1;
                gone += 1;
                let back_ns = disconnect.until_ns + members.rng.random_range(0..=RETRY_NS);
                members.at(back_ns, Due::Connect(member));
            }
        }
        self.note_sockets(|sockets| sockets.closed += gone);
    }

    /// A fetch or a send of a followed chat ended; `body` is the server's answer. Returns what the outcome really is: an answer that makes no
    /// sense is no success.
    pub(super) fn member_answered(&self, job: &Job, outcome: Outcome, body: &[u8], now_ns: u64) -> Outcome {
        let Some(members) = &self.members else { return outcome };
        if job.arrival.flow == members.borrow().plan.entry {
            return self.fetched(job, outcome, body, now_ns);
        }
        if outcome != Outcome::Ok {
            return outcome;
        }
        match serde_json::from_slice::<Revision>(body) {
            Ok(sent) => {
                members
                    .borrow()
                    .plan
                    .board
                    .note(job.arrival.chat, sent.revision, now_ns);
                Outcome::Ok
            }
            Err(_) => Outcome::ProtocolError,
        }
    }

    fn fetched(&self, job: &Job, outcome: Outcome, body: &[u8], now_ns: u64) -> Outcome {
        let members = self.members.as_ref().expect("only called where there are members");
        let index = job.arrival.ordinal as usize;
        let page = match outcome {
            Outcome::Ok => serde_json::from_slice::<Page<'_>>(body).ok(),
            _ => None,
        };
        let Some(page) = page else {
            let mut members = members.borrow_mut();
            members.members[index].failed();
            let again_ns = members.after_retry(now_ns);
            members.at(again_ns, Due::Fetch(index));
            return if outcome == Outcome::Ok {
                Outcome::ProtocolError
            } else {
                outcome
            };
        };
        self.note_events(&page, members.borrow().members[index].have(), now_ns);
        let mut members = members.borrow_mut();
        let full = page.events.len() >= members.plan.limit as usize;
        let next = members.members[index].fetched(page.revision, page.events.is_empty(), full, now_ns);
        let again_ns = match next {
            Next::Wait => return Outcome::Ok,
            Next::FetchNow => now_ns,
            Next::FetchLater => members.after_delay(now_ns),
        };
        members.at(again_ns, Due::Fetch(index));
        Outcome::Ok
    }

    /// The fetch could not even be sent, or was cut off.
    pub(super) fn member_unanswered(&self, job: &Job, now_ns: u64) {
        if self
            .members
            .as_ref()
            .is_some_and(|members| members.borrow().plan.entry == job.arrival.flow)
        {
            self.fetched(job, Outcome::Timeout, &[], now_ns);
        }
    }

    /// The age of each event that a member now has, kept with the second in which the event was due.
    fn note_events(&self, page: &Page<'_>, have: u64, now_ns: u64) {
        for event in &page.events {
            if let Some(intended_ns) = event.intended_ns() {
                let age_ns = now_ns.saturating_sub(intended_ns);
                self.note_following(intended_ns, |following| following.freshness.record_ns(age_ns));
            }
        }
        let skipped = skipped(have, page);
        if skipped > 0 {
            self.note_following(now_ns, |following| following.skipped += skipped);
        }
    }

    /// Counts who is stale and lets those fetch who have heard nothing for long; once a second.
    pub(super) fn look_after_members(&self, now_ns: u64) {
        let Some(members) = &self.members else { return };
        let (stale, online) = {
            let mut members = members.borrow_mut();
            if members.closed {
                return;
            }
            let poll_ns = members.plan.poll_ns;
            for member in 0..members.members.len() {
                if members.members[member].polls(now_ns, poll_ns) {
                    let at_ns = now_ns + members.rng.random_range(0..SECOND_NS);
                    members.at(at_ns, Due::Fetch(member));
                }
            }
            (members.stale(now_ns), members.online)
        };
        self.note_following(now_ns, |following| {
            following.stale = Some((now_ns / SECOND_NS, stale));
            following.sockets.open_max = following.sockets.open_max.max(online);
        });
    }

    fn member_connected(&self, member: usize, since_ns: u64) {
        let now_ns = self.clock.now_ns();
        let Some(members) = &self.members else { return };
        let online = {
            let mut members = members.borrow_mut();
            members.online += 1;
            if members.members[member].connected(now_ns) {
                let at_ns = members.after_delay(now_ns);
                members.at(at_ns, Due::Fetch(member));
            }
            members.online
        };
        self.note_sockets(|sockets| {
            sockets.opened += 1;
            sockets.open_max = sockets.open_max.max(online);
            sockets.handshake.record_ns(now_ns.saturating_sub(since_ns));
        });
    }

    fn member_told(&self, member: usize, revision: u64) {
        let now_ns = self.clock.now_ns();
        let Some(members) = &self.members else { return };
        {
            let mut members = members.borrow_mut();
            if members.members[member].told(revision, now_ns) {
                let at_ns = members.after_delay(now_ns);
                members.at(at_ns, Due::Fetch(member));
            }
        }
        self.note_following(now_ns, |following| following.pushes += 1);
    }

    fn member_disconnected(&self, member: usize) {
        if let Some(members) = &self.members {
            let mut members = members.borrow_mut();
            members.members[member].disconnected();
            members.online -= 1;
        }
        self.note_sockets(|sockets| sockets.closed += 1);
    }

    fn member_not_connected(&self) {
        self.note_sockets(|sockets| sockets.failed += 1);
    }

    /// The member tries to connect again.
    fn member_returns(&self, member: usize) {
        if let Some(members) = &self.members {
            let mut members = members.borrow_mut();
            let at_ns = members.after_retry(self.clock.now_ns());
            members.at(at_ns, Due::Connect(member));
        }
    }

    /// URL and `Authorization` of the member's WebSocket.
    fn member_address(&self, member: usize) -> (String, String) {
        let members = self.members.as_ref().expect("only members ask").borrow();
        let chat = members.plan.chats[members.chat(member)];
        self.requests.push_address(chat, members.user(member))
    }

    async fn member_stream(&self, member: usize) -> std::io::Result<TcpStream> {
        let (sources, number) = {
            let members = self.members.as_ref().expect("only members ask").borrow();
            (members.plan.sources.clone(), members.number(member))
        };
        sources.connect_member(number).await
    }

    fn note_sockets(&self, note: impl FnOnce(&mut ClientConnections)) {
        self.note_following(self.clock.now_ns(), |following| note(&mut following.sockets));
    }

    fn note_following(&self, at_ns: u64, note: impl FnOnce(&mut Following)) {
        let phase = self.profile.phase_at(std::time::Duration::from_nanos(at_ns));
        let mut ledger = self.ledger.borrow_mut();
        note(ledger.at(phase, at_ns).following.get_or_insert_default());
    }
}
