//! Virtual members: users whose app is open.
//!
//! ```text
//!   push ──► member.rs: something new? ──► agenda: a fetch, a moment later ──► the worker's own connections
//!                                                                                    │
//!                                     page.rs: what came, how old it is ◄────────────┘
//! ```
//!
//! A fetch is an arrival like any other: the pacer admits it when it is due, it waits for a connection, and its
//! response time counts from when it was due. Only that moment is not known beforehand: pushes decide it.
//!
//! Pure: time and what was heard come in, what is to be done is returned, and what was seen goes into the recorder that
//! the caller passes. Sockets, tasks and the pacer stay outside.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::follow::FollowPlan;
use super::member::{Member, Next};
use super::page::{Page, skipped};
use super::wire::{Chat, Cursor, FIRST_MEMBER, Revision};
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder};
use crate::scenario::{Call, Todo};

const SECOND_NS: u64 = 1_000_000_000;
/// An app whose fetch or connection failed tries again after a random time of half to one and a half of this.
const RETRY_NS: u64 = SECOND_NS;

/// What is to happen at a moment that was not known when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Connect(usize),
    Fetch(usize),
    Disconnect(usize),
}

/// One worker's share of the members.
pub(crate) struct Members {
    plan: Arc<FollowPlan>,
    worker: usize,
    workers: usize,
    members: Vec<Member>,
    agenda: BinaryHeap<Reverse<(u64, Due)>>,
    online: u64,
    rng: Xoshiro256PlusPlus,
    /// The run is over: nothing more is planned or counted.
    closed: bool,
}

impl Members {
    pub(crate) fn new(plan: Arc<FollowPlan>, worker: usize, workers: usize) -> Self {
        let all = plan.online * plan.chats.len();
        let count = (all + workers - 1 - worker) / workers;
        let mut members = Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ (worker as u64 + 1)),
            worker,
            workers,
            members: vec![Member::default(); count],
            agenda: BinaryHeap::with_capacity(count),
            online: 0,
            plan,
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

    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// The member's number among those of all workers.
    pub(crate) fn number(&self, member: usize) -> usize {
        member * self.workers + self.worker
    }

    /// Index of the member's chat.
    fn chat_index(&self, member: usize) -> usize {
        self.number(member) % self.plan.chats.len()
    }

    pub(crate) fn chat(&self, member: usize) -> Chat {
        self.plan.chats[self.chat_index(member)]
    }

    pub(crate) fn user(&self, member: usize) -> u64 {
        FIRST_MEMBER + (self.number(member) / self.plan.chats.len()) as u64
    }

    fn at(&mut self, ns: u64, due: Due) {
        if !self.closed {
            self.agenda.push(Reverse((ns, due)));
        }
    }

    /// When the agenda has something next.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.agenda.peek().map(|Reverse((ns, _))| *ns)
    }

    fn after_delay(&mut self, now_ns: u64) -> u64 {
        now_ns + self.rng.random_range(0..=self.plan.delay_ns)
    }

    fn after_retry(&mut self, now_ns: u64) -> u64 {
        now_ns + RETRY_NS / 2 + self.rng.random_range(0..=RETRY_NS)
    }

    /// Whether the arrival is a member's fetch.
    pub(crate) fn is_fetch(&self, arrival: &Arrival) -> bool {
        arrival.flow == self.plan.entry
    }

    /// Who fetches and what they have, for the request of a fetch.
    pub(crate) fn cursor(&self, arrival: &Arrival) -> Option<Cursor> {
        self.is_fetch(arrival).then(|| {
            let member = arrival.ordinal as usize;
            Cursor {
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
        let lacks = |(index, member): &(usize, &Member)| member.have() < owed[self.chat_index(*index)];
        self.members.iter().enumerate().filter(lacks).count() as u64
    }

    /// Takes the next entry off the agenda, which is due at `now_ns`.
    pub(crate) fn take_due(&mut self, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        match self.agenda.pop() {
            None => Todo::Nothing,
            Some(Reverse((_, Due::Connect(member)))) => Todo::Open(member),
            Some(Reverse((_, Due::Disconnect(index)))) => self.disconnect_some(index, now_ns, recorder),
            Some(Reverse((intended_ns, Due::Fetch(member)))) => {
                if !self.members[member].begin() {
                    return Todo::Nothing;
                }
                Todo::Admit(Arrival {
                    intended_ns,
                    flow: self.plan.entry,
                    ordinal: member as u64,
                    item: self.chat_index(member),
                    host: 0,
                })
            }
        }
    }

    fn disconnect_some(&mut self, index: usize, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        let disconnect = self.plan.disconnects[index];
        let mut gone = Vec::new();
        for member in 0..self.members.len() {
            if !self.members[member].is_online() || self.rng.random::<f64>() >= disconnect.share {
                continue;
            }
            self.members[member].disconnected();
            gone.push(member);
            let back_ns = disconnect.until_ns + self.rng.random_range(0..=RETRY_NS);
            self.at(back_ns, Due::Connect(member));
        }
        self.online -= gone.len() as u64;
        recorder.following(now_ns).sockets.closed += gone.len() as u64;
        Todo::Drop(gone)
    }

    /// The end of the last phase, at `end_ns`: who is stale now is stale for good, and nothing more is planned.
    pub(crate) fn close(&mut self, end_ns: u64, recorder: &mut Recorder) {
        recorder.following(end_ns).stale = Some(self.stale(end_ns));
        self.closed = true;
        self.agenda.clear();
    }

    /// A fetch, or a message to a followed chat, has ended; `body` is the server's answer. Returns what the outcome
    /// really is: a success that does not say what it has to say is none.
    pub(crate) fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        body: &[u8],
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Outcome {
        let arrival = &call.arrival;
        if self.is_fetch(arrival) {
            return self.fetched(arrival.ordinal as usize, outcome, body, now_ns, recorder);
        }
        if outcome != Outcome::Ok {
            return outcome;
        }
        match serde_json::from_slice::<Revision>(body) {
            Ok(sent) => {
                self.plan.board.note(arrival.item, sent.revision, now_ns);
                // Its age counts from the first attempt, so that is where it belongs.
                recorder.following(call.first_ns).events += 1;
                Outcome::Ok
            }
            Err(_) => Outcome::WrongAnswer,
        }
    }

    fn fetched(
        &mut self,
        member: usize,
        outcome: Outcome,
        body: &[u8],
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Outcome {
        if outcome != Outcome::Ok {
            self.failed(member, now_ns);
            return outcome;
        }
        let Ok(page) = serde_json::from_slice::<Page<'_>>(body) else {
            self.failed(member, now_ns);
            return Outcome::WrongAnswer;
        };
        note_events(&page, self.members[member].have(), now_ns, recorder);
        let full = page.events.len() >= self.plan.limit as usize;
        let next = self.members[member].fetched(page.revision, page.events.is_empty(), full, now_ns);
        let again_ns = match next {
            Next::Wait => return Outcome::Ok,
            Next::FetchNow => now_ns,
            Next::FetchLater => self.after_delay(now_ns),
        };
        self.at(again_ns, Due::Fetch(member));
        Outcome::Ok
    }

    fn failed(&mut self, member: usize, now_ns: u64) {
        self.members[member].failed();
        let again_ns = self.after_retry(now_ns);
        self.at(again_ns, Due::Fetch(member));
    }

    /// An arrival could not even be sent; a member whose fetch it was tries again.
    pub(crate) fn unsent(&mut self, arrival: &Arrival, now_ns: u64) {
        if self.is_fetch(arrival) {
            self.failed(arrival.ordinal as usize, now_ns);
        }
    }

    /// Counts who is stale and lets those fetch who have heard nothing for long; once a second.
    pub(crate) fn look(&mut self, now_ns: u64, recorder: &mut Recorder) {
        if self.closed {
            return;
        }
        let poll_ns = self.plan.poll_ns;
        for member in 0..self.members.len() {
            if self.members[member].polls(now_ns, poll_ns) {
                let at_ns = now_ns + self.rng.random_range(0..SECOND_NS);
                self.at(at_ns, Due::Fetch(member));
            }
        }
        let stale = self.stale(now_ns);
        let following = recorder.following(now_ns);
        following.stale = Some(stale);
        following.sockets.open_max = following.sockets.open_max.max(self.online);
    }

    /// The member's WebSocket, begun at `since_ns`, is open.
    pub(crate) fn connected(&mut self, member: usize, since_ns: u64, now_ns: u64, recorder: &mut Recorder) {
        self.online += 1;
        if self.members[member].connected(now_ns) {
            let at_ns = self.after_delay(now_ns);
            self.at(at_ns, Due::Fetch(member));
        }
        let sockets = &mut recorder.following(now_ns).sockets;
        sockets.opened += 1;
        sockets.open_max = sockets.open_max.max(self.online);
        sockets.handshake.record_ns(now_ns.saturating_sub(since_ns));
    }

    /// A push came; what else a server may say is passed over.
    pub(crate) fn heard(&mut self, member: usize, text: &str, now_ns: u64, recorder: &mut Recorder) {
        let Ok(Revision { revision }) = serde_json::from_str(text) else {
            return;
        };
        if self.members[member].told(revision, now_ns) {
            let at_ns = self.after_delay(now_ns);
            self.at(at_ns, Due::Fetch(member));
        }
        recorder.following(now_ns).pushes += 1;
    }

    /// The member's WebSocket broke, or could not be opened; the app connects again later.
    pub(crate) fn not_connected(&mut self, member: usize, was_open: bool, now_ns: u64, recorder: &mut Recorder) {
        let sockets = &mut recorder.following(now_ns).sockets;
        if was_open {
            sockets.closed += 1;
            self.members[member].disconnected();
            self.online -= 1;
        } else {
            sockets.failed += 1;
        }
        let at_ns = self.after_retry(now_ns);
        self.at(at_ns, Due::Connect(member));
    }
}

/// The age of each event that a member now has, kept with the second in which the event was due.
fn note_events(page: &Page<'_>, have: u64, now_ns: u64, recorder: &mut Recorder) {
    for event in &page.events {
        if let Some(intended_ns) = event.intended_ns() {
            let age_ns = now_ns.saturating_sub(intended_ns);
            recorder.following(intended_ns).freshness.record_ns(age_ns);
        }
    }
    let skipped = skipped(have, page);
    if skipped > 0 {
        recorder.following(now_ns).skipped += skipped;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::PhaseBounds;
    use crate::scenario::chat::Board;

    fn recorder() -> Recorder {
        let phases = PhaseBounds::new([(Duration::ZERO, Duration::from_secs(10))]);
        Recorder::new(0, 2, 0, phases)
    }

    fn members(online: usize) -> Members {
        let chat = Chat {
            id: 7,
            placement: None,
            shard: None,
        };
        let plan = FollowPlan {
            entry: 1,
            chats: vec![chat],
            online,
            connect_rate: 1000.0,
            delay_ns: 0,
            poll_ns: 60 * SECOND_NS,
            limit: 100,
            board: Arc::new(Board::new(1, SECOND_NS)),
            disconnects: vec![],
            seed: 3,
        };
        Members::new(Arc::new(plan), 0, 1)
    }

    /// The member's first fetch, which is under way.
    fn fetching(members: &mut Members, recorder: &mut Recorder) -> Arrival {
        assert_eq!(members.take_due(0, recorder), Todo::Open(0));
        members.connected(0, 0, 5, recorder);
        let Todo::Admit(arrival) = members.take_due(5, recorder) else {
            panic!("a member who has connected fetches");
        };
        arrival
    }

    #[test]
    fn a_success_that_does_not_say_what_was_stored_or_fetched_is_a_wrong_answer() {
        let (mut members, mut recorder) = (members(1), recorder());
        let fetch = fetching(&mut members, &mut recorder);
        let send = Arrival { flow: 0, ..fetch };
        let (fetch, send) = (Call::of(fetch), Call::of(send));
        for call in [fetch, send] {
            for body in [&b""[..], b"{}", b"[]", b"<html>"] {
                let outcome = members.answered(&call, Outcome::Ok, body, 9, &mut recorder);
                assert_eq!(outcome, Outcome::WrongAnswer, "{body:?}");
            }
            let outcome = members.answered(&call, Outcome::Shed, b"", 9, &mut recorder);
            assert_eq!(outcome, Outcome::Shed);
        }
        let outcome = members.answered(&send, Outcome::Ok, br#"{"revision":3}"#, 9, &mut recorder);
        assert_eq!(outcome, Outcome::Ok);
    }

    #[test]
    fn an_event_is_owed_in_the_second_in_which_its_first_attempt_was_due() {
        let (mut members, mut recorder) = (members(1), recorder());
        let fetch = fetching(&mut members, &mut recorder);
        recorder.drain().count();
        // Due at 1 s, and acknowledged when it was sent again at 4 s.
        let arrival = Arrival {
            flow: 0,
            intended_ns: 4 * SECOND_NS,
            ..fetch
        };
        let again = Call {
            first_ns: SECOND_NS,
            ..Call::of(arrival)
        };
        let outcome = members.answered(&again, Outcome::Ok, br#"{"revision":3}"#, 4 * SECOND_NS, &mut recorder);
        assert_eq!(outcome, Outcome::Ok);
        let intervals: Vec<_> = recorder.drain().collect();
        let events: Vec<_> = intervals
            .iter()
            .filter_map(|interval| Some((interval.second, interval.following.as_ref()?.events)))
            .collect();
        assert_eq!(events, [(1, 1)]);
    }

    #[test]
    fn the_age_of_an_event_counts_in_the_second_in_which_it_was_due() {
        let (mut members, mut recorder) = (members(1), recorder());
        let fetch = Call::of(fetching(&mut members, &mut recorder));
        recorder.drain().count();
        let page = br#"{"events":[{"revision":1,"body":"at 1000000000"}],"revision":1}"#;
        let outcome = members.answered(&fetch, Outcome::Ok, page, 3 * SECOND_NS, &mut recorder);
        assert_eq!(outcome, Outcome::Ok);
        let intervals: Vec<_> = recorder.drain().collect();
        let following = intervals[0].following.as_ref().unwrap();
        assert_eq!(
            (intervals[0].second, following.freshness.max_us()),
            (1, Some(2_000_000))
        );
    }
}
