//! All that one worker keeps track of: its arrivals, who waits, who is served, what was measured.
//!
//! Everything happens to it in one place at a time, so it is plain data. Time comes in; what needs sockets or tasks is
//! returned as a [`Step`].

use std::iter::Peekable;
use std::sync::Arc;

use super::cap::Withdrawal;
use super::dispatch::{Dispatch, Placed, Waited};
use super::job::{Job, Tried};
use super::meter::{Meter, Reading};
use super::outbox::Outbox;
use super::plan::Plan;
use super::retries::{Retries, Then};
use crate::arrival::Arrival;
use crate::clock::nanos;
use crate::record::{ClientConnections, LogicalCalls, Outcome, PhaseBounds, Recorder, Sample, UnsentCause};
use crate::scenario::{Scenarios, SocketId, Todo};
use crate::transport::{Answer, Exchange, Failure, Parts, Request, Wanted};

/// What became of looking for the next arrival.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One was due and is dealt with.
    Done,
    /// Open a held connection.
    Open(SocketId),
    /// A held connection has something to say.
    Say(SocketId),
    /// Drop these held connections.
    Drop(Vec<SocketId>),
    /// The next one is due at this time; `None` where none is known.
    Later(Option<u64>),
}

/// A place for one request at a time, on a connection to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) host: usize,
    pub(super) place: usize,
}

fn places(slots: &[Slot]) -> Vec<usize> {
    slots.iter().map(|slot| slot.place).collect()
}

fn note_parts(connections: &mut ClientConnections, parts: Parts) {
    let Parts {
        connect,
        tls,
        is_resumed,
        upgrade,
    } = parts;
    connections.resumed += u64::from(is_resumed);
    if tls.is_some() || upgrade.is_some() {
        connections.connect.record_ns(nanos(connect));
    }
    for (took, times) in [(tls, &mut connections.tls), (upgrade, &mut connections.upgrade)] {
        took.into_iter().for_each(|took| times.record_ns(nanos(took)));
    }
}

pub(super) struct State {
    /// By host.
    dispatches: Vec<Dispatch>,
    pub(super) recorder: Recorder,
    pub(super) outbox: Outbox,
    pub(super) meter: Meter,
    pub(super) scenarios: Scenarios,
    /// `None` where nobody retries.
    retries: Option<Retries>,
    timeout_ns: u64,
    arrivals: Peekable<Box<dyn Iterator<Item = Arrival>>>,
    /// `None` where nothing lowers the rate.
    withdrawal: Option<Withdrawal>,
    /// By host, whether a connection was to be had when the pacer fell behind what was due; `None` while it is not
    /// behind.
    had_room: Vec<Option<bool>>,
    /// Arrivals admitted whose fate is not known yet.
    pending: usize,
    /// Nothing new is begun any more.
    is_over: bool,
    /// The scenarios act no more.
    is_closed: bool,
}

impl State {
    /// Worker number `index`, before anything has happened.
    pub(super) fn new(plan: &Plan, index: usize, scenarios: Scenarios, outbox: Outbox, first: Reading) -> Self {
        let limits = plan.limits;
        let share = |whole: usize| plan.share(whole, index);
        let phases = plan.profile.phases().iter().map(|phase| (phase.start, phase.end));
        let number = u32::try_from(index).expect("there are fewer workers");
        let arrivals: Box<dyn Iterator<Item = Arrival>> = Box::new(plan.schedule.clone().share_of(index, plan.workers));
        let retries =
            |retries: &Arc<super::retries::RetryPlan>| Retries::new(Arc::clone(retries), share(retries.waiting));
        let recorder = Recorder::new(number, plan.series, plan.shards, PhaseBounds::new(phases));
        Self {
            dispatches: plan.dispatches(index),
            recorder: recorder.among_hosts(plan.dials.len()),
            outbox,
            meter: Meter::new(plan.end_ns(), first),
            scenarios,
            retries: plan.retries.as_ref().map(retries),
            timeout_ns: nanos(limits.timeout),
            arrivals: arrivals.peekable(),
            withdrawal: plan.capped.clone().map(Withdrawal::new),
            had_room: vec![None; plan.dials.len()],
            pending: 0,
            is_over: false,
            is_closed: false,
        }
    }

    /// When the next arrival is due that a scenario or a retry causes.
    pub(super) fn next_caused_ns(&self) -> Option<u64> {
        let retry_ns = self.retries.as_ref().and_then(Retries::next_ns);
        self.scenarios.next_ns().into_iter().chain(retry_ns).min()
    }

    /// Whether the schedule goes on, or a retry is pending.
    pub(super) fn is_planned(&mut self) -> bool {
        self.arrivals.peek().is_some() || self.retries.as_ref().is_some_and(|retries| retries.next_ns().is_some())
    }

    /// Whether arrivals may come up that are not on the schedule.
    pub(super) fn is_caused(&self) -> bool {
        self.scenarios.act() || self.retries.is_some()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending > 0 || self.scenarios.is_pending()
    }

    /// Admits the next arrival, if it is due at `now_ns`.
    pub(super) fn admit_next(&mut self, now_ns: u64) -> Step {
        if self.is_over {
            return Step::Later(None);
        }
        let scheduled_ns = self.arrivals.peek().map(|arrival| arrival.intended_ns);
        let Some(next_ns) = scheduled_ns.into_iter().chain(self.next_caused_ns()).min() else {
            self.had_room.fill(None);
            return Step::Later(None);
        };
        if next_ns > now_ns || now_ns == 0 {
            self.had_room.fill(None);
            return Step::Later(Some(next_ns));
        }
        if scheduled_ns == Some(next_ns) {
            if let Some(arrival) = self.arrivals.next()
                && !self.is_withdrawn(arrival, now_ns)
            {
                self.admit(arrival, None, now_ns);
            }
            return Step::Done;
        }
        if self.scenarios.next_ns() == Some(next_ns) {
            return self.take_due(now_ns);
        }
        if let Some((arrival, tried)) = self.retries.as_mut().and_then(Retries::take) {
            self.admit(arrival, Some(tried), now_ns);
        }
        Step::Done
    }

    /// Counts a scheduled arrival that is not offered, because the rate was lowered; says whether it is one.
    fn is_withdrawn(&mut self, arrival: Arrival, now_ns: u64) -> bool {
        let withdrawal = self.withdrawal.as_mut();
        let is_withdrawn = withdrawal.is_some_and(|withdrawal| withdrawal.withdraws(&arrival));
        if is_withdrawn {
            let due = self.job(arrival, None, now_ns).due();
            self.recorder.withdrawn(&due);
        }
        is_withdrawn
    }

    /// Does what a scenario has chosen this moment for.
    fn take_due(&mut self, now_ns: u64) -> Step {
        match self.scenarios.take_due(now_ns, &mut self.recorder) {
            Todo::Nothing => {}
            Todo::Admit(arrival) => self.admit(arrival, None, now_ns),
            Todo::Open(socket) => return Step::Open(socket),
            Todo::Say(socket) => return Step::Say(socket),
            Todo::Drop(sockets) => return Step::Drop(sockets),
        }
        Step::Done
    }

    fn job(&self, arrival: Arrival, tried: Option<Tried>, now_ns: u64) -> Job {
        let place = self.scenarios.place(&arrival);
        Job {
            phase: self.recorder.phases().at(arrival.intended_ns),
            series: place.series,
            shard: place.shard,
            arrival,
            tried,
            admitted_ns: now_ns,
            behind_ns: 0,
            replaced: None,
        }
    }

    fn admit(&mut self, arrival: Arrival, tried: Option<Tried>, now_ns: u64) {
        let dispatch = &self.dispatches[arrival.host];
        let had_room = *self.had_room[arrival.host].get_or_insert_with(|| dispatch.has_room());
        let mut job = self.job(arrival, tried, now_ns);
        if had_room {
            job.behind_ns = now_ns.saturating_sub(arrival.intended_ns);
        }
        self.due(&job, now_ns);
        if arrival.intended_ns.saturating_add(self.timeout_ns) <= now_ns {
            self.unsent(&job, UnsentCause::TooLate, now_ns);
            return;
        }
        match self.dispatches[arrival.host].place(job) {
            Placed::Rejected => self.unsent(&job, UnsentCause::QueueFull, now_ns),
            Placed::Handed | Placed::Waits => self.pending += 1,
        }
    }

    /// Counts up to `most` scheduled arrivals that are not sent any more; says whether there are more.
    pub(super) fn give_up(&mut self, most: usize, now_ns: u64) -> bool {
        for _ in 0..most {
            let Some(arrival) = self.arrivals.next() else {
                return false;
            };
            if self.is_withdrawn(arrival, now_ns) {
                continue;
            }
            let job = self.job(arrival, None, now_ns);
            self.due(&job, now_ns);
            self.unsent(&job, UnsentCause::TooLate, now_ns);
        }
        true
    }

    fn due(&mut self, job: &Job, now_ns: u64) {
        self.recorder.due(&job.due(), now_ns);
        self.scenarios.due(&job.call(), &mut self.recorder);
    }

    /// Writes the request of a job that a connection takes on.
    pub(super) fn begin(&mut self, slot: Slot, job: &Job, request: &mut Request) -> Wanted {
        let wanted = self.scenarios.begin(&job.call(), request);
        let deadline_ns = job.arrival.intended_ns.saturating_add(self.timeout_ns);
        self.dispatches[slot.host].begin(slot.place, *job, deadline_ns);
        Wanted {
            reads_answer: wanted.reads_answer || self.concerns_retries(job),
            ..wanted
        }
    }

    /// A job has ended, and no connection is busy with it any more; `answer` is what was read of its answer.
    pub(super) fn finish(&mut self, job: &Job, exchange: &Exchange, answer: &Answer<'_>) {
        let Exchange {
            sent_ns,
            done_ns,
            own_ns,
            ..
        } = *exchange;
        self.pending -= 1;
        let call = job.call();
        let outcome = self
            .scenarios
            .answered(&call, exchange.outcome, answer, done_ns, &mut self.recorder);
        let sample = Sample {
            due: call.due,
            sent_ns,
            done_ns,
            outcome,
            own_ns: own_ns.min(done_ns.saturating_sub(job.arrival.intended_ns)),
        };
        self.recorder.done(&sample);
        self.scenarios.measured(&call, &sample, &mut self.recorder);
        let retries = self.retries.as_mut();
        let then = retries.and_then(|retries| retries.after(job, outcome, answer, done_ns));
        if let Some(then) = then {
            self.note_attempt(job, then, done_ns);
        }
    }

    fn note_attempt(&mut self, job: &Job, then: Then, done_ns: u64) {
        let took_ns = done_ns.saturating_sub(job.first_ns());
        match then {
            Then::Again(_) => {}
            Then::Done => self.logical_calls(job, done_ns).succeeded(job.attempts(), took_ns),
            Then::GivesUp => self.logical_calls(job, done_ns).gave_up += 1,
            Then::OutOfBudget => {
                let calls = self.logical_calls(job, done_ns);
                calls.gave_up += 1;
                calls.out_of_budget += 1;
            }
            Then::CutOff => self.logical_calls(job, done_ns).cut_off += 1,
        }
    }

    fn logical_calls(&mut self, job: &Job, ended_ns: u64) -> &mut LogicalCalls {
        self.recorder.logical_calls(job.series, job.first_phase(), ended_ns)
    }

    fn concerns_retries(&self, job: &Job) -> bool {
        self.retries.as_ref().is_some_and(|retries| retries.concern(job))
    }

    fn unsent(&mut self, job: &Job, cause: UnsentCause, now_ns: u64) {
        self.recorder.unsent(&job.due(), cause);
        self.scenarios.unsent(&job.call(), cause, now_ns, &mut self.recorder);
        // The caller would wait for ever.
        if self.concerns_retries(job) {
            self.logical_calls(job, now_ns).gave_up += 1;
        }
    }

    /// A job that waited for a connection ends without an answer.
    fn finish_unanswered(&mut self, job: &Job, outcome: Outcome, sent_ns: u64, now_ns: u64) {
        let exchange = Exchange {
            outcome,
            sent_ns,
            done_ns: now_ns,
            own_ns: job.own_unconnected_ns(),
        };
        self.finish(job, &exchange, &Answer::default());
    }

    /// A connection could not be opened since `since_ns`. The job that has waited longest shares its fate.
    pub(super) fn open_failed(&mut self, slot: Slot, since_ns: u64, failure: Failure, now_ns: u64) {
        self.recorder
            .connections(slot.host, now_ns, |connections| connections.failed += 1);
        let Some(job) = self.dispatches[slot.host].open_failed(slot.place) else {
            return;
        };
        let sent_ns = since_ns.max(job.arrival.intended_ns);
        match failure {
            Failure::Local(cause) => {
                self.pending -= 1;
                self.unsent(&job, cause, now_ns);
            }
            Failure::NotAccepted => self.finish_unanswered(&job, Outcome::NotAccepted, sent_ns, now_ns),
            Failure::Refused => self.finish_unanswered(&job, Outcome::ConnectError, sent_ns, now_ns),
        }
    }

    /// A connection is open, since `since_ns` on its way.
    pub(super) fn opened(&mut self, slot: Slot, since_ns: u64, parts: Parts, slots: usize, now_ns: u64) {
        self.dispatches[slot.host].opened(slot.place, slots);
        self.recorder.connections(slot.host, now_ns, |connections| {
            connections.opened += 1;
            connections.handshake.record_ns(now_ns.saturating_sub(since_ns));
            note_parts(connections, parts);
        });
        self.note_open(now_ns);
    }

    fn note_open(&mut self, now_ns: u64) {
        let open = self.dispatches.iter().map(Dispatch::open);
        self.recorder.open(now_ns, open);
    }

    /// A connection is gone, with the slots that were added to it; where the server closed it while it was idle, a job
    /// that was handed to it meanwhile is another's.
    pub(super) fn closed(&mut self, slot: Slot, added: &[Slot], by_server: bool, now_ns: u64) {
        let handed = self.dispatches[slot.host].closed(slot.place, &places(added));
        self.recorder
            .connections(slot.host, now_ns, |connections| connections.closed += 1);
        self.hand_back(slot.host, handed, by_server, now_ns);
    }

    /// A slot takes no more jobs, while its connection is still open.
    pub(super) fn left(&mut self, slot: Slot, by_server: bool, now_ns: u64) {
        let handed = self.dispatches[slot.host].left(slot.place);
        self.hand_back(slot.host, handed, by_server, now_ns);
    }

    fn hand_back(&mut self, host: usize, handed: Option<Job>, by_server: bool, now_ns: u64) {
        if let Some(job) = handed {
            self.recorder.connections(host, now_ns, |connections| {
                connections.replaced += u64::from(by_server);
            });
            self.dispatches[host].place_first(job);
        }
    }

    /// A host refused to begin with a request.
    pub(super) fn refused(&mut self, host: usize, now_ns: u64) {
        self.recorder
            .connections(host, now_ns, |connections| connections.streams_refused += 1);
    }

    /// No more requests can be sent on these slots of a connection.
    pub(super) fn retire(&mut self, slots: &[Slot]) {
        if let Some(slot) = slots.first() {
            self.dispatches[slot.host].retire(&places(slots));
        }
    }

    /// The connections to a host.
    pub(super) fn dispatch(&mut self, host: usize) -> &mut Dispatch {
        &mut self.dispatches[host]
    }

    /// One more connection that shall be opened from now on, if one is wanted.
    pub(super) fn wants_connection(&mut self, now_ns: impl Fn() -> u64) -> Option<Slot> {
        let mut hosts = self.dispatches.iter_mut().enumerate();
        hosts.find_map(|(host, dispatch)| {
            let place = dispatch.wants_connection(&now_ns)?;
            Some(Slot { host, place })
        })
    }

    /// A connection turned out to be closed when a job was to be sent, or had been.
    pub(super) fn replace(&mut self, slot: Slot, job: Job, own_ns: u64, now_ns: u64) {
        self.recorder
            .connections(slot.host, now_ns, |connections| connections.replaced += 1);
        let dispatch = &mut self.dispatches[slot.host];
        dispatch.end(slot.place);
        dispatch.place_first(job.again(own_ns, now_ns));
    }

    /// Looks for what has run out of time.
    pub(super) fn expire(&mut self, now_ns: u64) {
        self.scenarios.expire(now_ns, &mut self.recorder);
        let timeout_ns = self.timeout_ns;
        let expired = self.dispatches.iter_mut();
        let expired: Vec<Waited> = expired
            .flat_map(|dispatch| dispatch.expire(now_ns, timeout_ns))
            .collect();
        for Waited { job, is_opening } in expired {
            let intended_ns = job.arrival.intended_ns;
            if is_opening {
                self.finish_unanswered(&job, Outcome::NotAccepted, intended_ns, now_ns);
            } else if job.replaced.is_some() {
                self.finish_unanswered(&job, Outcome::Timeout, intended_ns, now_ns);
            } else {
                self.pending -= 1;
                self.unsent(&job, UnsentCause::NoConnection, now_ns);
            }
        }
    }

    /// The end of the last phase: what comes now is cut off or left over.
    pub(super) fn close_scenarios(&mut self, end_ns: u64) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.scenarios.close(end_ns, &mut self.recorder);
        }
    }

    /// Begins nothing new from `now_ns` on: what waits for a connection is not sent any more, what is under way may
    /// end.
    pub(super) fn stop_offering(&mut self, now_ns: u64) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.close_scenarios(now_ns);
        self.recorder.ends_at(now_ns);
        self.meter.ends_at(now_ns);
        let waiting: Vec<Job> = self.dispatches.iter_mut().flat_map(Dispatch::take_waiting).collect();
        for job in waiting {
            self.pending -= 1;
            self.leave(&job, now_ns);
        }
    }

    /// A job that was never sent is left: the run ends first.
    fn leave(&mut self, job: &Job, now_ns: u64) {
        self.recorder.unsent(&job.due(), UnsentCause::RunEnded);
        if self.concerns_retries(job) {
            self.logical_calls(job, now_ns).cut_off += 1;
        }
    }

    /// Counts the worker's own use and, where another second or phase has begun, reports what has happened.
    pub(super) fn look(&mut self, reading: impl FnOnce() -> Reading, now_ns: u64) {
        if let Some(withdrawal) = &mut self.withdrawal {
            withdrawal.look();
        }
        if now_ns == 0 {
            self.meter.begins_after(reading());
            return;
        }
        if !self.meter.is_due(now_ns, &self.recorder) {
            return;
        }
        self.meter.book(reading(), &mut self.recorder);
        self.note_open(now_ns);
        self.scenarios.look(now_ns, &mut self.recorder);
        self.outbox.send(&mut self.recorder, now_ns);
    }

    /// Accounts for what the end of the run cuts off, and reports everything.
    pub(super) fn end(&mut self, last: Reading) {
        let now_ns = last.wall_ns;
        self.meter.book(last, &mut self.recorder);
        let (mut waiting, mut sent) = (Vec::new(), Vec::new());
        for dispatch in &mut self.dispatches {
            let (own_waiting, own_sent) = dispatch.abandon();
            waiting.extend(own_waiting);
            sent.extend(own_sent);
        }
        // One that has to be sent again was sent.
        let (again, unsent): (Vec<Job>, Vec<Job>) = waiting.into_iter().partition(|job| job.replaced.is_some());
        for job in &unsent {
            self.leave(job, now_ns);
        }
        for job in again.iter().chain(&sent) {
            self.recorder.cut_off(&job.due());
            if self.concerns_retries(job) {
                self.logical_calls(job, now_ns).cut_off += 1;
            }
        }
        let pending: Vec<_> = self.retries.iter_mut().flat_map(Retries::abandon).collect();
        for (arrival, tried) in pending {
            let job = self.job(arrival, Some(tried), now_ns);
            self.logical_calls(&job, now_ns).cut_off += 1;
        }
        self.scenarios.end(now_ns, &mut self.recorder);
        self.outbox.finish(&mut self.recorder);
    }
}
