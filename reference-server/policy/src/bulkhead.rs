//! How many calls may be at a dependency at a time, and how many may wait for that?
//!
//! Both numbers are bounded, and those who wait are served first come, first served. A call beyond both is refused at once: a dependency that
//! has come to a halt then holds so many callers and no more, and the others of this process never feel it.
//!
//! A slot is given back when it is dropped, and goes to the first who waits at that moment: nobody overtakes. Who stops waiting leaves the queue;
//! who stops at the very moment of getting the slot passes it on. How long to wait is the caller's affair: he drops the future.
//!
//! Guarantees, each tested against a model and with threads: never more than `in_progress` slots, never more than `waiting` in the queue, no slot
//! is lost by any cancellation, and nobody waits while a slot is free.
//!
//! Rejected: tokio's semaphore with a counter beside it (the queue's bound and its cancellation are then two things that must agree; and it
//! ties a policy to a runtime), last come first served (fair to nobody while the queue is full, and those who wait longest time out for certain).
//!
//! - **Cold:** all slots are free.
//! - **Boundary:** `waiting: 0` refuses whoever does not get a slot at once. Fewer slots than are in use end nothing: they come back one by one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The two bounds; they may change while calls are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadLimits {
    /// Slots.
    pub in_progress: u32,
    /// Places in the queue for them.
    pub waiting: u32,
}

/// Neither a slot nor a place in the queue is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{in_progress} calls are in progress and {waiting} wait already")]
pub struct BulkheadFull {
    /// Calls in progress.
    pub in_progress: u32,
    /// Calls that wait.
    pub waiting: u32,
}

/// The slots and the queue.
#[derive(Debug)]
pub struct Bulkhead(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    limits: BulkheadLimits,
    in_progress: u32,
    /// By ticket: the first waits longest.
    queue: VecDeque<Waiter>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    waker: Option<Waker>,
}

/// What a call gets.
#[derive(Debug)]
#[must_use = "dropping it leaves"]
pub enum Entry<'a> {
    /// A slot.
    Entered(Slot<'a>),
    /// A place in the queue; resolves to a slot.
    Queued(Queued<'a>),
}

/// A call in progress, until dropped.
#[derive(Debug)]
pub struct Slot<'a>(&'a Bulkhead);

/// A call that waits; dropping it gives the place up.
#[derive(Debug)]
#[must_use = "a place in the queue is given up when dropped"]
pub struct Queued<'a> {
    bulkhead: &'a Bulkhead,
    /// `None` once its slot was handed out.
    ticket: Option<u64>,
}

impl Bulkhead {
    /// No slots at all are taken for one.
    #[must_use]
    pub fn new(limits: BulkheadLimits) -> Self {
        Self(Mutex::new(Inner {
            limits: at_least_one(limits),
            in_progress: 0,
            queue: VecDeque::new(),
            next_ticket: 0,
        }))
    }

    /// Takes a slot or a place in the queue.
    ///
    /// # Errors
    /// [`BulkheadFull`] when there is neither.
    pub fn enter(&self) -> Result<Entry<'_>, BulkheadFull> {
        let mut inner = self.lock();
        // A slot never stays free while somebody waits, so this overtakes nobody.
        if inner.in_progress < inner.limits.in_progress {
            inner.in_progress += 1;
            return Ok(Entry::Entered(Slot(self)));
        }
        let waiting = u32::try_from(inner.queue.len()).unwrap_or(u32::MAX);
        if waiting >= inner.limits.waiting {
            let in_progress = inner.in_progress;
            return Err(BulkheadFull { in_progress, waiting });
        }
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.queue.push_back(Waiter { ticket, waker: None });
        Ok(Entry::Queued(Queued {
            bulkhead: self,
            ticket: Some(ticket),
        }))
    }

    /// Replaces the limits. Slots that become free go to those who wait; what is beyond the new limits ends in its own time.
    pub fn retune(&self, limits: BulkheadLimits) {
        let mut inner = self.lock();
        inner.limits = at_least_one(limits);
        let mut woken = Vec::new();
        while let Some(first) = inner.admit_first() {
            woken.extend(first.waker);
        }
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Calls in progress.
    #[must_use]
    pub fn in_progress(&self) -> u32 {
        self.lock().in_progress
    }

    /// Calls that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.lock().queue.len()).unwrap_or(u32::MAX)
    }

    fn leave(&self) {
        let mut inner = self.lock();
        inner.in_progress -= 1;
        let first = inner.admit_first();
        drop(inner); // whoever is woken may come in at once
        if let Some(waker) = first.and_then(|first| first.waker) {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at_least_one(limits: BulkheadLimits) -> BulkheadLimits {
    BulkheadLimits {
        in_progress: limits.in_progress.max(1),
        ..limits
    }
}

impl Inner {
    /// Gives a free slot to the first who waits.
    fn admit_first(&mut self) -> Option<Waiter> {
        if self.in_progress >= self.limits.in_progress {
            return None;
        }
        let first = self.queue.pop_front()?;
        self.in_progress += 1;
        Some(first)
    }

    /// Where a ticket waits; `None` when its slot has been given to it. Slots are given in the order of the tickets.
    fn place(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}

impl<'a> Future for Queued<'a> {
    type Output = Slot<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Slot<'a>> {
        let ticket = self.ticket.expect("not polled again after it has resolved");
        let mut inner = self.bulkhead.lock();
        match inner.place(ticket) {
            Some(place) => {
                let waker = &mut inner.queue[place].waker;
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            None => {
                drop(inner);
                self.ticket = None;
                Poll::Ready(Slot(self.bulkhead))
            }
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut inner = self.bulkhead.lock();
        if let Some(place) = inner.place(ticket) {
            inner.queue.remove(place);
        } else {
            drop(inner);
            self.bulkhead.leave(); // it had a slot and never used it
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
