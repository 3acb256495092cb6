//! Limits the calls in progress at a dependency, and the calls that wait for a slot.
//!
//! Both numbers are bounded, and waiting calls are served first come, first served. A call beyond both bounds is
//! rejected at once: a stalled dependency then holds a bounded number of callers, and the rest of the process is
//! unaffected.
//!
//! Dropping a slot returns it, and it goes to the first waiting call at that moment: nobody overtakes. A caller that
//! stops waiting leaves the queue; one that stops just as it is handed the slot passes it on. How long to wait is up to
//! the caller, who drops the future.
//!
//! Guarantees, each tested against a model and with threads: never more than `in_progress` slots, never more than
//! `waiting` calls in the queue, cancellation never loses a slot, and no call waits while a slot is free.
//!
//! Rejected: tokio's semaphore with a counter beside it (the queue's bound and its cancellation become two things that
//! must agree, and it ties the policy to a runtime), last come first served (unfair while the queue is full, and the
//! longest waiters are certain to time out).
//!
//! - **Cold:** all slots are free.
//! - **Boundary:** `waiting: 0` rejects every call that does not get a slot at once. Lowering the limit below the slots
//!   in use ends no call: slots are withdrawn as they are returned.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The two bounds; they may change while calls are in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadLimits {
    /// Slots.
    pub in_progress: u32,
    /// Places in the queue for them.
    pub waiting: u32,
}

/// Neither a slot nor a place in the queue is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{in_progress} calls in progress and {waiting} waiting")]
pub struct BulkheadFull {
    /// Calls in progress.
    pub in_progress: u32,
    /// Calls waiting.
    pub waiting: u32,
}

/// The slots and the queue.
#[derive(Debug)]
pub struct Bulkhead(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    limits: BulkheadLimits,
    in_progress: u32,
    /// Ordered by ticket: the first has waited longest.
    queue: VecDeque<Waiter>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    waker: Option<Waker>,
}

/// Result of entering.
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

/// A waiting call; dropping it gives up its place in the queue.
#[derive(Debug)]
#[must_use = "a place in the queue is given up when dropped"]
pub struct Queued<'a> {
    bulkhead: &'a Bulkhead,
    /// `None` once its slot was handed out.
    ticket: Option<u64>,
}

impl Bulkhead {
    /// `in_progress: 0` is treated as 1.
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

    /// Replaces the limits. Returned slots go to waiting calls; calls beyond the new limits run to their end.
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

    /// Calls waiting.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.lock().queue.len()).unwrap_or(u32::MAX)
    }

    fn leave(&self) {
        let mut inner = self.lock();
        inner.in_progress -= 1;
        let first = inner.admit_first();
        drop(inner); // the woken caller may enter at once
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
    /// Hands a free slot to the first waiting call.
    fn admit_first(&mut self) -> Option<Waiter> {
        if self.in_progress >= self.limits.in_progress {
            return None;
        }
        let first = self.queue.pop_front()?;
        self.in_progress += 1;
        Some(first)
    }

    /// A ticket's position in the queue; `None` once its slot has been handed out. Slots are handed out in ticket
    /// order.
    fn place(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}

impl<'a> Future for Queued<'a> {
    type Output = Slot<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Slot<'a>> {
        let ticket = self.ticket.expect("not polled after completion");
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
            self.bulkhead.leave(); // a slot was handed out and never used
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
