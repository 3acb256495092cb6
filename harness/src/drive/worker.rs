//! One worker thread: its runtime, its tasks, and how they come together.
//!
//! The only file that knows all the others. Tasks take turns on one thread and share a [`State`]; each borrows it for
//! one step and never across an `await`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{spawn_local, yield_now};

use super::alarm::Alarm;
use super::held::Held;
use super::job::Job;
use super::message::Message;
use super::meter::Reading;
use super::outbox::Outbox;
use super::plan::Plan;
use super::priority::raise_priority;
use super::state::{Slot, State, Step};
use super::timer::{Lead, Timer};
use super::{coalesce, run_delay};
use crate::clock::{Clock, Stop, nanos};
use crate::record::Recorder;
use crate::scenario::{Scenarios, SocketId};
use crate::transport::{
    Address, Answer, Dial, Dialed, Exchange, Failure, Free, Heard, HeldEnd, Listener, Opened, Owner, Parts, Request,
    Wanted, connection, websocket,
};

/// How often time-outs are looked for.
const SWEEP: Duration = Duration::from_millis(10);
/// Shortest sleep of the pacer, [`Lead`] included. Arming a timer can cost as much as half a request; at rates where
/// arrivals are closer than this, they are admitted a few at a time, or earlier by a connection that is done.
const SLEEP_MIN: Duration = Duration::from_micros(75);
/// Arrivals admitted in a row before connections get their turn.
const BURST_MAX: usize = 32;
/// Arrivals given up in a row before the request to stop is looked at.
const GIVEN_UP_MAX: usize = 4096;
/// Every request ends with its time-out; this is for the sweep that enforces it.
const AFTER_TIMEOUT: Duration = Duration::from_secs(1);

thread_local! {
    /// When this thread last woke from waiting for its sockets and its timer.
    static WOKE_NS: Cell<u64> = const { Cell::new(0) };
}

/// Starts the workers. The schedule begins at `clock`'s zero. Each worker ends its messages with [`Message::Done`].
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(
    plan: &Plan,
    clock: Clock,
    stop: &Stop,
    sink: &SyncSender<Message>,
) -> std::io::Result<Vec<JoinHandle<std::io::Result<()>>>> {
    (0..plan.workers)
        .map(|index| {
            let (plan, stop, sink) = (plan.clone(), stop.clone(), sink.clone());
            std::thread::Builder::new()
                .name(format!("bmt-worker-{index}"))
                .spawn(move || run(&plan, index, clock, &stop, sink))
        })
        .collect()
}

fn run(plan: &Plan, index: usize, clock: Clock, stop: &Stop, sink: SyncSender<Message>) -> std::io::Result<()> {
    raise_priority();
    run_delay::begin(clock.now_ns());
    let scenarios = plan.scenarios_of(index);
    let mut builder = Builder::new_current_thread();
    if scenarios.hold_connections() {
        builder.on_thread_park(coalesce::before_waiting);
    }
    builder.on_thread_unpark(move || {
        WOKE_NS.set(clock.now_ns());
        run_delay::woke(WOKE_NS.get());
    });
    let runtime = builder.enable_all().build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(plan, index, scenarios, clock, sink));
    runtime.block_on(drive(Rc::clone(&worker), stop))?;
    worker.state.borrow_mut().end(reading(clock));
    Ok(())
}

async fn drive(worker: Rc<Worker>, stop: &Stop) -> std::io::Result<()> {
    let housekeeping = keep_house(Rc::clone(&worker), stop);
    tokio::select! {
        biased;
        paced = pace(&worker, stop) => paced?,
        () = housekeeping => {}
    }
    Ok(())
}

/// Admits each arrival when it is due, and returns when the last one has ended.
async fn pace(worker: &Rc<Worker>, stop: &Stop) -> std::io::Result<()> {
    let timer = Timer::new()?;
    let end = Duration::from_nanos(worker.end_ns);
    let drained = end.saturating_add(worker.timeout).saturating_add(AFTER_TIMEOUT);
    while !stop.is_asked_to_finish() {
        let next_ns = worker.admit_due_at(worker.clock.now_ns());
        worker.open_wanted();
        if stop.is_asked() {
            return Ok(());
        }
        let elapsed = worker.clock.elapsed();
        if elapsed >= drained {
            worker.give_up(stop).await;
            break;
        }
        let until_end = end.saturating_sub(elapsed);
        match next_ns {
            _ if until_end.is_zero() && !worker.state.borrow_mut().is_planned() => break,
            None if !worker.state.borrow().is_caused() => break,
            None => worker.sleep(&timer, SWEEP, u64::MAX).await?,
            Some(next_ns) => match worker.clock.until(Duration::from_nanos(next_ns)) {
                Duration::ZERO => yield_now().await,
                wait => worker.sleep(&timer, wait.clamp(SLEEP_MIN, SWEEP * 10), next_ns).await?,
            },
        }
    }
    if !stop.is_asked_to_finish() {
        worker.state.borrow_mut().close_scenarios(worker.end_ns);
    }
    drain(worker, stop, &timer, (end, drained)).await
}

/// Waits for the end of the profile, and then for that of what is under way, until `drained` at the latest. A request
/// to finish makes its own moment the end.
async fn drain(
    worker: &Worker,
    stop: &Stop,
    timer: &Timer,
    (mut end, mut drained): (Duration, Duration),
) -> std::io::Result<()> {
    let mut is_over = false;
    while !stop.is_asked() {
        let now = worker.clock.elapsed();
        if stop.is_asked_to_finish() && !std::mem::replace(&mut is_over, true) {
            end = end.min(now);
            drained = drained.min(now.saturating_add(worker.timeout).saturating_add(AFTER_TIMEOUT));
            worker.state.borrow_mut().stop_offering(nanos(end));
        }
        let is_pending = worker.state.borrow().is_pending() && now < drained;
        if !is_pending && now >= end {
            break;
        }
        timer.sleep(Duration::from_millis(1)).await?;
    }
    Ok(())
}

/// Looks for time-outs, counts the worker's own use, reports what has happened. Never returns while the run goes on.
async fn keep_house(worker: Rc<Worker>, stop: &Stop) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !stop.is_asked() {
        ticks.tick().await;
        let now_ns = worker.clock.now_ns();
        worker.change(|state| {
            // The pacer may sleep for longer than connections that come free should go on admitting.
            if stop.is_asked_to_finish() {
                state.stop_offering(now_ns.min(worker.end_ns));
            }
            state.expire(now_ns);
            state.look(|| reading(worker.clock), now_ns);
        });
    }
}

/// What this thread has used by now.
fn reading(clock: Clock) -> Reading {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Reading {
        wall_ns: clock.now_ns(),
        cpu_ns: time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs(),
        run_delay_ns: run_delay::so_far_ns(),
    }
}

/// What the tasks of a worker share.
struct Worker {
    index: usize,
    workers: usize,
    clock: Clock,
    timeout: Duration,
    end_ns: u64,
    /// By host.
    dials: Vec<Dial>,
    streams: usize,
    alarm: Alarm,
    lead: Lead,
    state: RefCell<State>,
    /// The tasks that hold connections.
    held: Held<SocketId>,
}

impl Worker {
    fn new(plan: &Plan, index: usize, scenarios: Scenarios, clock: Clock, sink: SyncSender<Message>) -> Self {
        let state = State::new(plan, index, scenarios, Outbox::new(sink), reading(clock));
        Self {
            index,
            workers: plan.workers,
            clock,
            timeout: plan.limits.timeout,
            end_ns: plan.end_ns(),
            dials: plan.dials.clone(),
            streams: plan.limits.streams,
            alarm: Alarm::default(),
            lead: Lead::default(),
            state: RefCell::new(state),
            held: Held::new(),
        }
    }

    /// Changes the state, and wakes the pacer if something is now due before it wakes by itself.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let changed = change(&mut state);
        if let Some(next_ns) = state.next_caused_ns() {
            self.alarm.set(next_ns);
        }
        changed
    }

    /// Admits arrivals that are due, and returns when the next one is; `None` where none is known.
    fn admit_due_at(self: &Rc<Self>, now_ns: u64) -> Option<u64> {
        for _ in 0..BURST_MAX {
            let step = self.state.borrow_mut().admit_next(now_ns);
            match step {
                Step::Done => {}
                Step::Open(socket) => {
                    let task = spawn_local(websocket::hold(Rc::clone(self), socket));
                    self.held.insert(socket, task.abort_handle());
                }
                Step::Say(socket) => self.held.wake(&socket),
                Step::Drop(sockets) => self.held.abort(&sockets),
                Step::Later(next_ns) => return next_ns,
            }
        }
        Some(now_ns)
    }

    /// Counts what the pacer did not come to. Nothing of it could be sent any more.
    async fn give_up(&self, stop: &Stop) {
        while !stop.is_asked() && self.state.borrow_mut().give_up(GIVEN_UP_MAX, self.clock.now_ns()) {
            yield_now().await;
        }
    }

    /// Sleeps for `wait`, or until something comes up that is earlier than that and than `known_ns`, the moment that
    /// the pacer knows of. The sleep ends early by the lead; what is left then is waited for awake, with the sockets
    /// being looked at.
    async fn sleep(&self, timer: &Timer, wait: Duration, known_ns: u64) -> std::io::Result<()> {
        let now_ns = self.clock.now_ns();
        // The end of the profile is such a moment: what is used after it is not counted.
        let until_end = Duration::from_nanos(self.end_ns.saturating_sub(now_ns));
        let wait = if until_end.is_zero() { wait } else { wait.min(until_end) };
        let lead_ns = self.lead.ns();
        let asleep = wait.saturating_sub(Duration::from_nanos(lead_ns));
        let asleep_until_ns = now_ns.saturating_add(nanos(asleep));
        self.alarm.sleeps_until(now_ns.saturating_add(nanos(wait)), known_ns);
        coalesce::pacer_sleeps(asleep);
        let slept = tokio::select! {
            slept = timer.sleep(asleep) => slept,
            () = self.alarm.rings() => Ok(()),
        };
        coalesce::pacer_is_awake();
        // Of a thread that was busy when the timer went off, nothing is learnt.
        let late_ns = WOKE_NS.get().checked_sub(asleep_until_ns);
        late_ns.into_iter().for_each(|late_ns| self.lead.learn(late_ns));
        let mut now_ns = self.clock.now_ns();
        while (1..=lead_ns).contains(&self.alarm.wakes_ns().saturating_sub(now_ns)) {
            yield_now().await;
            now_ns = self.clock.now_ns();
        }
        self.alarm.is_awake();
        slept
    }
}

impl Owner for Worker {
    type Job = Job;
    type Slot = Slot;

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    async fn dial(&self, id: Slot) -> std::io::Result<Dialed> {
        let number = self.state.borrow_mut().dispatch(id.host).number(id.place);
        self.dials[id.host].dial(number * self.workers + self.index).await
    }

    fn streams(&self) -> usize {
        self.streams
    }

    fn opened(&self, id: Slot, since_ns: u64, parts: Parts, slots: usize) {
        let now_ns = self.clock.now_ns();
        self.state.borrow_mut().opened(id, since_ns, parts, slots, now_ns);
    }

    fn add_slot(&self, id: Slot) -> Slot {
        let place = self.state.borrow_mut().dispatch(id.host).add_slot(id.place);
        Slot { place, ..id }
    }

    fn retire(&self, slots: &[Slot]) {
        self.state.borrow_mut().retire(slots);
    }

    fn left(&self, id: Slot, by_server: bool) {
        self.state.borrow_mut().left(id, by_server, self.clock.now_ns());
    }

    fn refused(&self, id: Slot) {
        self.state.borrow_mut().refused(id.host, self.clock.now_ns());
    }

    fn open_failed(&self, id: Slot, since_ns: u64, failure: Failure) {
        let now_ns = self.clock.now_ns();
        self.change(|state| state.open_failed(id, since_ns, failure, now_ns));
    }

    fn closed(&self, id: Slot, added: &[Slot], by_server: bool) {
        let now_ns = self.clock.now_ns();
        self.state.borrow_mut().closed(id, added, by_server, now_ns);
    }

    fn open_wanted(self: &Rc<Self>) {
        loop {
            let wanted = self.state.borrow_mut().wants_connection(|| self.clock.now_ns());
            let Some(id) = wanted else { return };
            spawn_local(connection::run(Rc::clone(self), id));
        }
    }

    fn poll_job(&self, id: Slot, since_ns: u64, context: &Context<'_>) -> Poll<Job> {
        let mut state = self.state.borrow_mut();
        state.dispatch(id.host).poll_job(id.place, since_ns, context)
    }

    fn is_expired(&self, id: Slot) -> bool {
        self.state.borrow_mut().dispatch(id.host).is_expired(id.place)
    }

    fn wait(&self, id: Slot, waker: &Waker) {
        self.state.borrow_mut().dispatch(id.host).wait(id.place, waker);
    }

    fn begin(&self, id: Slot, job: &Job, request: &mut Request) -> Wanted {
        self.state.borrow_mut().begin(id, job, request)
    }

    fn own_ns(&self, job: &Job, free: Free, sent_ns: u64) -> u64 {
        job.own_ns(free, sent_ns)
    }

    fn ended(&self, id: Slot, job: &Job, exchange: &Exchange, answer: &Answer<'_>) {
        // What the thread waited for its CPU before this turn made the answer late, if the request was on its way by
        // then.
        let in_flight_ns = exchange.done_ns.saturating_sub(exchange.sent_ns);
        let delay_ns = run_delay::of_this_turn_ns(exchange.sent_ns, exchange.done_ns).min(in_flight_ns);
        let exchange = Exchange {
            own_ns: exchange.own_ns + delay_ns,
            ..*exchange
        };
        self.change(|state| {
            state.dispatch(id.host).end(id.place);
            state.finish(job, &exchange, answer);
        });
    }

    fn replace(&self, id: Slot, job: Job, own_ns: u64) {
        self.state.borrow_mut().replace(id, job, own_ns, self.clock.now_ns());
    }

    fn is_free(self: &Rc<Self>, now_ns: u64) {
        self.admit_due_at(now_ns);
    }
}

impl Listener for Worker {
    type Socket = SocketId;

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn address(&self, socket: SocketId) -> Address {
        let address = self.state.borrow().scenarios.address(socket);
        address.expect("the scenario that asked for the connection knows where it leads")
    }

    async fn dial_held(&self, number: usize) -> std::io::Result<Dialed> {
        self.dials[0].dial_held(number).await
    }

    fn opened(&self, socket: SocketId, opened: Opened) {
        self.tell(|scenarios, now_ns, recorder| scenarios.opened(socket, opened, now_ns, recorder));
    }

    fn heard(&self, socket: SocketId, heard: Heard<'_>) {
        self.tell(|scenarios, now_ns, recorder| {
            let delay_ns = |sent_ns| run_delay::of_this_turn_ns(sent_ns, now_ns);
            scenarios.heard(socket, heard, now_ns, &delay_ns, recorder);
        });
    }

    fn poll_text(&self, socket: SocketId, context: &Context<'_>) -> Poll<String> {
        let text = self.state.borrow_mut().scenarios.say(socket, self.clock.now_ns());
        match text {
            Some(text) => Poll::Ready(text),
            None => {
                self.held.wait(&socket, context.waker());
                Poll::Pending
            }
        }
    }

    fn said(&self, socket: SocketId) {
        self.tell(|scenarios, now_ns, recorder| scenarios.said(socket, now_ns, recorder));
    }

    fn ended(&self, socket: SocketId, end: HeldEnd) {
        self.tell(|scenarios, now_ns, recorder| scenarios.ended(socket, end, now_ns, recorder));
    }
}

impl Worker {
    /// Tells the scenarios what happened to a held connection.
    fn tell(&self, what: impl FnOnce(&mut Scenarios, u64, &mut Recorder)) {
        let now_ns = self.clock.now_ns();
        self.change(|state| what(&mut state.scenarios, now_ns, &mut state.recorder));
    }
}
