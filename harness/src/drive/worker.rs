//! One worker thread: its arrivals, its connections, its measurements.

use std::cell::{Cell, RefCell};
use std::iter::Peekable;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, LocalOptions};

use super::alarm::Alarm;
use super::dispatch::{Dispatch, Job, Placed};
use super::ledger::Ledger;
use super::members::{FollowPlan, Members};
use super::reply::Answer;
use super::request::{Cursor, RequestPlan};
use super::retries::{Retries, Tried};
use super::source::Sources;
use super::timer::Timer;
use super::{Message, Plan, RetryPlan, connection, gather, raise_priority};
use crate::arrival::{Arrival, Profile};
use crate::clock::{Clock, Stop};
use crate::record::Outcome;

/// How often time-outs are looked for.
const SWEEP: Duration = Duration::from_millis(10);
/// Shortest sleep of the pacer. Arming a timer can cost as much as half a request, and waking is some ten microseconds late anyway;
/// at rates where arrivals are closer than this, they are admitted a few at a time, or earlier by a connection that is done.
const SLEEP_MIN: Duration = Duration::from_micros(50);
/// Arrivals admitted in a row before connections get their turn.
const BURST_MAX: usize = 32;

/// What a worker thread starts from.
pub(super) struct Setup {
    pub(super) index: usize,
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) sink: SyncSender<(usize, Message)>,
}

/// What the tasks of a worker share. They take turns on one thread.
pub(super) struct Worker {
    pub(super) clock: Clock,
    sources: Sources,
    pub(super) timeout: Duration,
    pub(super) requests: std::sync::Arc<RequestPlan>,
    pub(super) dispatch: RefCell<Dispatch>,
    pub(super) ledger: RefCell<Ledger>,
    pub(super) alarm: Rc<Alarm>,
    pub(super) keeps_acknowledged: bool,
    /// `None` where nobody is online.
    pub(super) members: Option<RefCell<Members>>,
    /// `None` where nobody tries again.
    pub(super) retries: Option<RefCell<Retries>>,
    arrivals: RefCell<Peekable<Box<dyn Iterator<Item = Arrival>>>>,
    pub(super) profile: std::sync::Arc<Profile>,
    phase: Cell<usize>,
    /// Arrivals admitted whose fate is not known yet.
    pending: Cell<usize>,
}

impl Setup {
    pub(super) fn run(self) -> std::io::Result<()> {
        raise_priority();
        let mut builder = Builder::new_current_thread();
        if self.plan.follow.is_some() {
            builder.on_thread_park(gather::before_waiting);
        }
        let runtime = builder.enable_all().build_local(LocalOptions::default())?;
        let worker = Rc::new(self.worker());
        runtime.block_on(drive(Rc::clone(&worker), &self))?;
        worker.abandon();
        worker.report(&self, true);
        let _ = self.sink.send((self.index, Message::Done));
        Ok(())
    }

    fn worker(&self) -> Worker {
        let share = |whole: usize| whole / self.plan.workers + usize::from(self.index < whole % self.plan.workers);
        let limits = self.plan.limits;
        let arrivals: Box<dyn Iterator<Item = Arrival>> =
            Box::new(self.plan.schedule.clone().share_of(self.index, self.plan.workers));
        let alarm = Rc::new(Alarm::default());
        let members = |follow: &std::sync::Arc<FollowPlan>| {
            let members = Members::new(follow.clone(), self.index, self.plan.workers, alarm.clone());
            RefCell::new(members)
        };
        let retries = |plan: &std::sync::Arc<RetryPlan>| RefCell::new(Retries::new(plan.clone(), share(plan.waiting)));
        Worker {
            clock: self.clock,
            sources: self.plan.sources.clone(),
            timeout: limits.timeout,
            requests: self.plan.requests.clone(),
            dispatch: RefCell::new(Dispatch::new(
                share(limits.connections),
                share(limits.waiting),
                u64::try_from(limits.idle.as_nanos()).unwrap_or(u64::MAX),
            )),
            ledger: RefCell::new(Ledger::new(
                self.plan.requests.lanes(),
                self.plan.shards,
                limits.timeout,
            )),
            members: self.plan.follow.as_ref().map(members),
            retries: self.plan.retries.as_ref().map(retries),
            alarm,
            keeps_acknowledged: self.plan.keeps_acknowledged,
            arrivals: RefCell::new(arrivals.peekable()),
            profile: self.plan.profile.clone(),
            phase: Cell::new(0),
            pending: Cell::new(0),
        }
    }
}

async fn drive(worker: Rc<Worker>, setup: &Setup) -> std::io::Result<()> {
    let housekeeping = keep_house(Rc::clone(&worker), setup);
    tokio::select! {
        biased;
        paced = pace(&worker, &setup.stop) => paced?,
        () = housekeeping => {}
    }
    Ok(())
}

/// Admits each arrival when it is due, and returns when the last one has ended.
async fn pace(worker: &Rc<Worker>, stop: &Stop) -> std::io::Result<()> {
    let timer = Timer::new()?;
    let end = worker.profile.end();
    loop {
        let next_ns = worker.admit_due();
        worker.open_wanted();
        if stop.is_asked() {
            return Ok(());
        }
        let over = worker.clock.elapsed() >= end;
        match next_ns {
            _ if over && !worker.is_planned() => break,
            None if !worker.is_caused() => break,
            None => worker.sleep(&timer, SWEEP).await?,
            Some(next_ns) => match worker.clock.until(Duration::from_nanos(next_ns)) {
                Duration::ZERO => tokio::task::yield_now().await,
                wait => worker.sleep(&timer, wait.clamp(SLEEP_MIN, SWEEP * 10)).await?,
            },
        }
    }
    worker.close_members();
    // Every request ends with its time-out; the second more is for the sweep that enforces it.
    let drained = end + worker.timeout + Duration::from_secs(1);
    let pending = || worker.pending.get() > 0 && worker.clock.elapsed() < drained;
    while (pending() || worker.clock.elapsed() < end) && !stop.is_asked() {
        timer.sleep(Duration::from_millis(1)).await?;
    }
    Ok(())
}

/// Looks for time-outs, counts the worker's own CPU, reports complete seconds. Never returns while the run goes on.
async fn keep_house(worker: Rc<Worker>, setup: &Setup) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut before = Reading::now(&worker);
    while !setup.stop.is_asked() {
        ticks.tick().await;
        let now = Reading::now(&worker);
        worker.expire(now.wall_ns);
        if now.phase != before.phase || now.second() != before.second() {
            worker.note_use(&before, &now);
            worker.look_after_members(now.wall_ns);
            worker.report(setup, false);
            before = now;
        }
    }
}

/// What the worker had used at one moment.
struct Reading {
    phase: usize,
    cpu_ns: u64,
    wall_ns: u64,
}

impl Reading {
    fn now(worker: &Worker) -> Self {
        let wall_ns = worker.clock.now_ns();
        Self {
            phase: worker.profile.phase_at(Duration::from_nanos(wall_ns)),
            cpu_ns: thread_cpu_ns(),
            wall_ns,
        }
    }

    fn second(&self) -> u64 {
        self.wall_ns / 1_000_000_000
    }
}

impl Worker {
    /// Admits every arrival that is due, and returns when the next one is; `None` after the last.
    pub(super) fn admit_due(self: &Rc<Self>) -> Option<u64> {
        self.admit_due_at(self.clock.now_ns())
    }

    /// The same, with the time just read.
    pub(super) fn admit_due_at(self: &Rc<Self>, now_ns: u64) -> Option<u64> {
        for admitted in 0.. {
            let scheduled_ns = self.arrivals.borrow_mut().peek().map(|arrival| arrival.intended_ns);
            let (member_ns, retry_ns) = (self.next_of_members_ns(), self.next_retry_ns());
            let next_ns = [scheduled_ns, member_ns, retry_ns].into_iter().flatten().min()?;
            if next_ns > now_ns || admitted == BURST_MAX || now_ns == 0 {
                return Some(next_ns);
            }
            let next = if scheduled_ns == Some(next_ns) {
                self.arrivals.borrow_mut().next().map(|arrival| (arrival, None))
            } else if member_ns == Some(next_ns) {
                self.caused().map(|arrival| (arrival, None))
            } else {
                self.take_retry().map(|(arrival, tried)| (arrival, Some(tried)))
            };
            if let Some((arrival, tried)) = next {
                self.admit(arrival, tried, now_ns);
            }
        }
        None
    }

    /// Whether the schedule goes on, or somebody waits to try again.
    fn is_planned(&self) -> bool {
        self.arrivals.borrow_mut().peek().is_some() || self.next_retry_ns().is_some()
    }

    /// Whether arrivals may come up that are not on the schedule.
    fn is_caused(&self) -> bool {
        self.members.is_some() || self.retries.is_some()
    }

    /// Sleeps until the pacer's next moment, or until one comes up that is earlier.
    async fn sleep(&self, timer: &Timer, wait: Duration) -> std::io::Result<()> {
        let wait_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.alarm.sleeps_until(self.clock.now_ns().saturating_add(wait_ns));
        gather::pacer_sleeps(wait);
        let slept = tokio::select! {
            slept = timer.sleep(wait) => slept,
            () = self.alarm.rings() => Ok(()),
        };
        self.alarm.sleeps_until(0);
        gather::pacer_is_awake();
        slept
    }

    fn admit(self: &Rc<Self>, arrival: Arrival, tried: Option<Tried>, now_ns: u64) {
        let job = Job {
            phase: self.phase_at(arrival.intended_ns),
            lane: self.requests.lane(&arrival),
            shard: self.requests.shard(&arrival),
            arrival,
            tried,
        };
        self.ledger.borrow_mut().due(&job, now_ns);
        let placed = self.dispatch.borrow_mut().place(job);
        match placed {
            Placed::Refused => self.unsent(&job, now_ns),
            Placed::Handed | Placed::Waits => self.pending.set(self.pending.get() + 1),
        }
    }

    /// Opens as many connections as the waiting arrivals want and the bound allows.
    pub(super) fn open_wanted(self: &Rc<Self>) {
        while self.dispatch.borrow_mut().wants_connection() {
            tokio::task::spawn_local(connection::run(Rc::clone(self)));
        }
    }

    /// Opens a connection for requests.
    pub(super) async fn open_stream(&self) -> std::io::Result<tokio::net::TcpStream> {
        let number = self.dispatch.borrow().open();
        self.sources.connect(number).await
    }

    /// Who fetches, where members do.
    pub(super) fn cursor(&self, arrival: &Arrival) -> Option<Cursor> {
        self.members.as_ref()?.borrow().cursor(arrival)
    }

    fn unsent(&self, job: &Job, now_ns: u64) {
        self.ledger.borrow_mut().unsent(job);
        self.member_unanswered(job, now_ns);
        self.attempt_unsent(job, now_ns);
    }

    /// Whether more of the answer is wanted than its status.
    pub(super) fn reads_answer(&self, job: &Job) -> bool {
        self.requests.concerns_members(&job.arrival) || self.tries_again(job) || self.wants_revision(job)
    }

    /// A request ended; `answer` is what was read of its answer.
    pub(super) fn finish(&self, job: &Job, outcome: Outcome, answer: &Answer<'_>, sent_ns: u64, done_ns: u64) {
        self.pending.set(self.pending.get() - 1);
        let outcome = if self.requests.concerns_members(&job.arrival) {
            self.member_answered(job, outcome, answer.body, done_ns)
        } else {
            outcome
        };
        let outcome = self.keep_promise(job, outcome, answer.body);
        self.ledger.borrow_mut().done(job, outcome, sent_ns, done_ns);
        if outcome == Outcome::Ok {
            self.note_ok(job, done_ns);
        }
        self.attempt_ended(job, outcome, answer, done_ns);
    }

    /// Counts an answer in the second of the phase in which it came, whenever it was due.
    fn note_ok(&self, job: &Job, done_ns: u64) {
        let done = Duration::from_nanos(done_ns);
        let phase = self.profile.phase_at(done);
        let since = done.saturating_sub(self.profile.phases()[phase].start);
        self.ledger
            .borrow_mut()
            .ok_answered(job.lane, phase, since.as_secs(), done_ns);
    }

    /// Arrivals come in order, so the phase only ever moves on.
    fn phase_at(&self, ns: u64) -> usize {
        let phases = self.profile.phases();
        let mut phase = self.phase.get();
        while phase + 1 < phases.len() && phases[phase].end.as_nanos() <= u128::from(ns) {
            phase += 1;
        }
        self.phase.set(phase);
        phase
    }

    /// Accounts for what the end of the run cuts off.
    fn abandon(&self) {
        let (unsent, sent) = self.dispatch.borrow_mut().abandon();
        {
            let mut ledger = self.ledger.borrow_mut();
            unsent.iter().for_each(|job| ledger.unsent(job));
            sent.iter().for_each(|job| ledger.cut_off(job));
        }
        self.cut_off_journeys(&unsent);
        self.cut_off_journeys(&sent);
    }

    fn expire(&self, now_ns: u64) {
        let timeout_ns = u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX);
        let over = self.dispatch.borrow_mut().expire(now_ns, timeout_ns);
        for job in over {
            self.pending.set(self.pending.get() - 1);
            self.unsent(&job, now_ns);
        }
    }

    pub(super) fn note_opened(&self, since_ns: u64) {
        let open = self.dispatch.borrow().open() as u64;
        let now_ns = self.clock.now_ns();
        self.note_connections(|connections| {
            connections.opened += 1;
            connections.open_max = connections.open_max.max(open);
            connections.handshake.record_ns(now_ns.saturating_sub(since_ns));
        });
    }

    pub(super) fn note_closed(&self) {
        self.note_connections(|connections| connections.closed += 1);
    }

    pub(super) fn note_open_failed(&self) {
        self.note_connections(|connections| connections.failed += 1);
    }

    fn note_connections(&self, note: impl FnOnce(&mut crate::record::ClientConnections)) {
        let now_ns = self.clock.now_ns();
        let phase = self.profile.phase_at(Duration::from_nanos(now_ns));
        note(&mut self.ledger.borrow_mut().at(phase, now_ns).connections);
    }

    /// Books what was used between two readings to the phase and second of the first.
    fn note_use(&self, from: &Reading, to: &Reading) {
        let open = self.dispatch.borrow().open() as u64;
        let mut ledger = self.ledger.borrow_mut();
        let interval = ledger.at(from.phase, from.wall_ns);
        interval.worker_cpu.cpu_ns += to.cpu_ns - from.cpu_ns;
        interval.worker_cpu.wall_ns += to.wall_ns - from.wall_ns;
        interval.connections.open_max = interval.connections.open_max.max(open);
    }

    /// Sends what is complete, or all of it at the end. A receiver that is behind gets it a second later.
    fn report(&self, setup: &Setup, all: bool) {
        let live = self.ledger.borrow_mut().take_live();
        let _ = setup.sink.try_send((setup.index, Message::Live(Box::new(live))));
        if all {
            let rest: Vec<_> = self.ledger.borrow_mut().take_rest().collect();
            for interval in rest {
                let _ = setup.sink.send((setup.index, Message::Interval(Box::new(interval))));
            }
            return;
        }
        let now_ns = self.clock.now_ns();
        let mut ledger = self.ledger.borrow_mut();
        while let Some(interval) = ledger.take_complete(now_ns) {
            match setup
                .sink
                .try_send((setup.index, Message::Interval(Box::new(interval))))
            {
                Ok(()) => {}
                Err(TrySendError::Full((_, Message::Interval(interval)))) => {
                    ledger.put_back(*interval);
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
