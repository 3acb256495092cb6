//! The slots, and the line of requests that wait for one.
//!
//! Everything is decided under one lock, held for well under a microsecond. A request that gives up leaves the line;
//! one that goes just as it is given a slot passes it on, so no slot is lost however callers come and go. A slot never
//! stays free while somebody waits, and so a request that finds one free overtakes nobody.
//!
//! Rejected: tokio's semaphore with a counter beside it (it serves in one order only, and the queue's bound and its
//! cancellation become two things that must agree), taking slots away by closing requests (a lowered limit takes effect
//! as slots are returned).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotchat_policy::{CallEnd, Priority};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Counted;
use super::shed::Shed;
use crate::deadline::{Deadline, Ended};

/// What the line asks of the policy, and tells it, with the line's lock held. Times are since the line was made.
pub(super) trait Rule: Send {
    /// How many requests may be in progress now.
    fn slots(&self) -> u32;

    /// How many may wait.
    fn places(&self) -> usize;

    /// How long a request may wait that arrives now.
    fn wait(&self, now: Duration) -> Wait;

    /// Whether a request may take a slot or a place at all.
    fn admits(&mut self, _priority: Priority, _now: Duration) -> bool {
        true
    }

    /// Whether the next slot goes to the request that has waited least.
    fn newest_first(&self, _now: Duration) -> bool {
        false
    }

    /// A slot is free, and nobody waits.
    fn caught_up(&mut self, _now: Duration) {}

    /// A request has got a slot.
    fn began(&mut self, _waited: Duration, _now: Duration) {}

    /// A request has left the line without a slot.
    fn gave_up(&mut self, _waited: Duration) {}

    /// A request has found no place in the line.
    fn overflowed(&mut self) {}

    /// A request that got its slot at `began` has ended.
    fn ended(&mut self, _began: Duration, _end: CallEnd, _now: Duration) {}

    /// The admission level, if there is such a thing.
    fn level(&self) -> Option<i64> {
        None
    }
}

/// The longest wait of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) max: Duration,
    /// What happens after it.
    pub(super) then: Shed,
}

impl Wait {
    /// The usual one.
    pub(super) fn of(max: Duration) -> Self {
        let then = Shed::WaitTimeout(max);
        Self { max, then }
    }
}

/// Slots and line.
pub(super) struct Line {
    inner: Mutex<Inner>,
    origin: Instant,
}

struct Inner {
    rule: Box<dyn Rule>,
    taken: u32,
    /// Ordered by ticket: the first has waited longest.
    waiting: VecDeque<Waiter>,
    next_ticket: u64,
}

struct Waiter {
    ticket: u64,
    since: Duration,
    /// Takes the moment at which it is given its slot.
    turn: oneshot::Sender<Duration>,
}

/// Result of entering.
pub(super) enum Entry {
    Admitted(Slot),
    Waiting(Place),
}

/// A place in the line, given up on drop (also when the caller disconnects).
pub(super) struct Place {
    line: Arc<Line>,
    /// `None` once it has become a slot.
    ticket: Option<u64>,
    since: Duration,
    pub(super) wait: Wait,
    turn: oneshot::Receiver<Duration>,
}

/// A request in progress, until dropped.
pub(super) struct Slot {
    line: Arc<Line>,
    began: Duration,
    waited: Duration,
    end: CallEnd,
}

impl Line {
    pub(super) fn new(rule: Box<dyn Rule>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                rule,
                taken: 0,
                waiting: VecDeque::new(),
                next_ticket: 0,
            }),
            origin: Instant::now(),
        }
    }

    /// Waits for a slot, within the policy's limit and the request's own.
    pub(super) async fn slot(
        self: &Arc<Self>,
        priority: Priority,
        waiting: &Gauge,
        deadline: &Deadline,
    ) -> Result<Slot, Shed> {
        let place = match self.enter(priority)? {
            Entry::Admitted(slot) => return Ok(slot),
            Entry::Waiting(place) => place,
        };
        let _counted = Counted::enter(waiting);
        let wait = place.wait;
        let slot = deadline.bound(wait.max, place.slot()).await;
        slot.map_err(|ended| match ended {
            Ended::Limit => wait.then,
            Ended::Deadline | Ended::Gone => Shed::WaitTimeout(wait.max),
        })
    }

    /// Takes a slot or a place in the line.
    pub(super) fn enter(self: &Arc<Self>, priority: Priority) -> Result<Entry, Shed> {
        let now = self.now();
        let mut inner = self.lock();
        if !inner.rule.admits(priority, now) {
            return Err(Shed::LowPriority);
        }
        if inner.taken < inner.rule.slots() {
            inner.rule.caught_up(now);
            inner.take_slot(Duration::ZERO, now);
            drop(inner);
            return Ok(Entry::Admitted(Slot::new(self, now, now)));
        }
        if inner.waiting.len() >= inner.rule.places() {
            inner.rule.overflowed();
            return Err(Shed::QueueFull);
        }
        let (sender, turn) = oneshot::channel();
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.waiting.push_back(Waiter {
            ticket,
            since: now,
            turn: sender,
        });
        Ok(Entry::Waiting(Place {
            line: Arc::clone(self),
            ticket: Some(ticket),
            since: now,
            wait: inner.rule.wait(now),
            turn,
        }))
    }

    /// The number of slots, and the admission level.
    pub(super) fn present(&self) -> (u32, Option<i64>) {
        let inner = self.lock();
        (inner.rule.slots(), inner.rule.level())
    }

    /// Requests that hold a slot, and requests that wait for one.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> (u32, usize) {
        let inner = self.lock();
        (inner.taken, inner.waiting.len())
    }

    fn leave(&self, began: Duration, end: CallEnd) {
        let now = self.now();
        let mut inner = self.lock();
        inner.rule.ended(began, end, now);
        inner.taken -= 1;
        inner.fill(now);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_slot(&mut self, waited: Duration, now: Duration) {
        self.taken += 1;
        self.rule.began(waited, now);
    }

    /// Gives the free slots to those who wait.
    fn fill(&mut self, now: Duration) {
        while self.taken < self.rule.slots() {
            let next = if self.rule.newest_first(now) {
                self.waiting.pop_back()
            } else {
                self.waiting.pop_front()
            };
            let Some(next) = next else {
                return self.rule.caught_up(now);
            };
            self.take_slot(now.saturating_sub(next.since), now);
            let given = next.turn.send(now);
            given.expect("a place keeps its receiver until it has left the line");
        }
    }

    /// A ticket's position in the line; `None` once its slot was given.
    fn position(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}

impl Place {
    /// Resolves when it is this request's turn.
    pub(super) async fn slot(mut self) -> Slot {
        let turn = (&mut self.turn).await;
        let began = turn.expect("a request in the line is given its turn, or leaves it by being dropped");
        self.ticket = None;
        Slot::new(&self.line, self.since, began)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let now = self.line.now();
        let mut inner = self.line.lock();
        if let Some(position) = inner.position(ticket) {
            inner.waiting.remove(position);
            inner.rule.gave_up(now.saturating_sub(self.since));
        } else {
            drop(inner);
            self.line.leave(now, CallEnd::Unknown); // a slot was given and never used
        }
    }
}

impl Slot {
    fn new(line: &Arc<Line>, since: Duration, began: Duration) -> Self {
        Self {
            line: Arc::clone(line),
            began,
            waited: began.saturating_sub(since),
            end: CallEnd::Unknown,
        }
    }

    /// How long the request has waited for it.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns it, and tells how the request ended.
    pub(super) fn ended(mut self, end: CallEnd) {
        self.end = end;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.line.leave(self.began, self.end);
    }
}
