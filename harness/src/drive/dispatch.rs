//! Which connection serves which arrival.
//!
//! A *slot* is a place for one request at a time. An HTTP/1.1 connection is one; an HTTP/2 connection has one for each
//! of its streams, of which the first, its *lead*, has its number.
//!
//! Idle connections are taken last-in first-out, as pools do: the connection used most recently is the one least likely
//! to have been closed, and connections that the load does not need stay idle and visible as such. When none is idle,
//! one more is opened as long as more arrivals wait than connections are being opened; beyond the bounds an arrival is
//! rejected and counted.
//!
//! Pure: knows jobs and whom to wake; time comes in, and sockets are the caller's.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::task::{Context, Poll, Waker};

use super::idle::Idle;
use super::job::Job;

/// What became of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// An idle connection has it.
    Handed,
    /// It waits.
    Waits,
    /// Too many wait already.
    Rejected,
}

/// An arrival that has waited out its time-out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    pub(crate) job: Job,
    /// A connection was being opened for it, and the target has not accepted it.
    pub(crate) is_opening: bool,
}

#[derive(Debug, Default)]
struct Slot {
    handed: Option<Job>,
    waker: Option<Waker>,
    /// What the connection is busy with, and until when.
    current: Option<(Job, u64)>,
    expired: bool,
    /// The connection is being opened since then.
    opening_since_ns: Option<u64>,
    /// Its connection is open, and it has not asked for a job yet.
    is_fresh: bool,
    /// Of a lead: the number of its connection.
    number: usize,
    /// The first slot of its connection: this one or another.
    lead: usize,
    /// Of a lead: slots of its connection that are busy, and since when none has been.
    busy: usize,
    unused_since_ns: u64,
}

impl Slot {
    fn note(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The connections of one worker and the arrivals that wait for them.
#[derive(Debug)]
pub(crate) struct Dispatch {
    connections_max: usize,
    /// Requests that a connection which is being opened is expected to carry at once.
    slots_each: usize,
    waiting_max: usize,
    /// A connection that nobody has used for so long is closed.
    idle_ns: u64,
    waiting: VecDeque<Job>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    idle: Idle,
    opening: usize,
    open: usize,
    /// Slots that will ask for a job at once.
    fresh: usize,
    /// Numbers of connections that are not in use, below the next one.
    numbers: BinaryHeap<Reverse<usize>>,
    next_number: usize,
}

impl Dispatch {
    pub(crate) fn new(connections_max: usize, waiting_max: usize, idle_ns: u64) -> Self {
        Self {
            connections_max,
            slots_each: 1,
            waiting_max,
            idle_ns,
            waiting: VecDeque::new(),
            slots: Vec::new(),
            free: Vec::new(),
            idle: Idle::new(),
            opening: 0,
            open: 0,
            fresh: 0,
            numbers: BinaryHeap::new(),
            next_number: 0,
        }
    }

    pub(crate) fn place(&mut self, job: Job) -> Placed {
        if self.hand_over(job).is_ok() {
            return Placed::Handed;
        }
        if self.waiting.len() >= self.waiting_max {
            return Placed::Rejected;
        }
        self.waiting.push_back(job);
        Placed::Waits
    }

    /// A job whose connection is to be replaced: it goes before all others.
    pub(crate) fn place_first(&mut self, job: Job) {
        if self.hand_over(job).is_err() {
            self.waiting.push_front(job);
        }
    }

    /// Gives the job to the connection that was used last; gives it back when none is idle.
    fn hand_over(&mut self, job: Job) -> Result<(), Job> {
        let id = self.idle.pop().ok_or(job)?;
        let slot = &mut self.slots[id];
        slot.handed = Some(job);
        slot.wake();
        Ok(())
    }

    /// Everything whose fate is not known yet: first what was never sent, then what was.
    pub(crate) fn abandon(&mut self) -> (Vec<Job>, Vec<Job>) {
        let handed = self.slots.iter_mut().filter_map(|slot| slot.handed.take());
        let unsent = self.waiting.drain(..).chain(handed).collect();
        let sent = self.slots.iter_mut().filter_map(|slot| slot.current.take());
        (unsent, sent.map(|(job, _)| job).collect())
    }

    /// Those that wait and were never sent: nobody sends them any more.
    pub(crate) fn take_waiting(&mut self) -> Vec<Job> {
        let (again, unsent): (VecDeque<Job>, VecDeque<Job>) =
            self.waiting.drain(..).partition(|job| job.replaced.is_some());
        self.waiting = again;
        Vec::from(unsent)
    }

    /// The id of one more connection that shall be opened from now on, if one is wanted.
    pub(crate) fn wants_connection(&mut self, now_ns: impl FnOnce() -> u64) -> Option<usize> {
        if self.opening * self.slots_each + self.fresh >= self.waiting.len()
            || self.open + self.opening >= self.connections_max
        {
            return None;
        }
        self.opening += 1;
        let id = self.unused_slot();
        let number = self.numbers.pop().map(|Reverse(number)| number);
        let number = number.unwrap_or_else(|| {
            self.next_number += 1;
            self.next_number - 1
        });
        let slot = &mut self.slots[id];
        slot.opening_since_ns = Some(now_ns());
        slot.lead = id;
        slot.number = number;
        Some(id)
    }

    /// The number of a connection: of those that are open or being opened each has another, and the smallest are used.
    pub(crate) fn number(&self, id: usize) -> usize {
        self.slots[id].number
    }

    fn unused_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        })
    }

    /// The next connections are expected to carry so many requests at once.
    pub(crate) fn expect_slots(&mut self, each: usize) {
        self.slots_each = each;
    }

    /// A connection is open, and carries so many requests at once.
    pub(crate) fn opened(&mut self, id: usize, slots: usize) {
        self.slots[id].opening_since_ns = None;
        self.opening -= 1;
        self.open += 1;
        self.expect_slots(slots);
        self.slots[id].is_fresh = true;
        self.fresh += 1;
    }

    /// Another slot of an open connection.
    pub(crate) fn add_slot(&mut self, lead: usize) -> usize {
        let id = self.unused_slot();
        self.slots[id].lead = lead;
        self.slots[id].is_fresh = true;
        self.fresh += 1;
        id
    }

    /// It has asked for a job, or will not any more.
    fn is_no_longer_fresh(&mut self, id: usize) {
        self.fresh -= usize::from(std::mem::take(&mut self.slots[id].is_fresh));
    }

    /// No more requests can be sent on these slots: wakes those that are idle.
    pub(crate) fn retire(&mut self, slots: &[usize]) {
        for id in slots {
            if self.idle.remove(*id) {
                self.slots[*id].expired = true;
                self.slots[*id].wake();
            }
        }
    }

    /// A slot takes no more jobs, while its connection is still open. One handed to it meanwhile is returned: it was
    /// never sent.
    pub(crate) fn left(&mut self, id: usize) -> Option<Job> {
        self.is_no_longer_fresh(id);
        self.idle.remove(id);
        self.slots[id].handed.take()
    }

    /// A connection could not be opened. The arrival that waited longest shares its fate.
    pub(crate) fn open_failed(&mut self, id: usize) -> Option<Job> {
        self.slots[id].opening_since_ns = None;
        self.opening -= 1;
        self.numbers.push(Reverse(self.slots[id].number));
        self.free.push(id);
        self.waiting.pop_front()
    }

    /// A connection is gone, with the slots that were added to it and have left. An arrival handed to it meanwhile is
    /// returned: it was never sent.
    pub(crate) fn closed(&mut self, id: usize, added: &[usize]) -> Option<Job> {
        self.open -= 1;
        self.is_no_longer_fresh(id);
        self.numbers.push(Reverse(self.slots[id].number));
        for id in added {
            self.slots[*id] = Slot::default();
            self.free.push(*id);
        }
        self.idle.remove(id);
        self.free.push(id);
        std::mem::take(&mut self.slots[id]).handed
    }

    /// The next job of an idle connection: one handed to it, or the one that has waited longest.
    pub(crate) fn poll_job(&mut self, id: usize, now_ns: u64, context: &Context<'_>) -> Poll<Job> {
        self.is_no_longer_fresh(id);
        if let Some(job) = self.slots[id].handed.take() {
            return Poll::Ready(job);
        }
        if let Some(job) = self.waiting.pop_front() {
            self.idle.remove(id);
            return Poll::Ready(job);
        }
        self.slots[id].note(context.waker());
        if !self.idle.contains(id) {
            let lead = self.slots[id].lead;
            self.slots[lead].unused_since_ns = now_ns;
            self.idle.push(id);
        }
        Poll::Pending
    }

    /// From now on the connection is busy, until `deadline_ns` at the latest.
    pub(crate) fn begin(&mut self, id: usize, job: Job, deadline_ns: u64) {
        let slot = &mut self.slots[id];
        slot.current = Some((job, deadline_ns));
        slot.expired = false;
        let lead = slot.lead;
        self.slots[lead].busy += 1;
    }

    /// Notes whom to wake when the time is over.
    pub(crate) fn wait(&mut self, id: usize, waker: &Waker) {
        self.slots[id].note(waker);
    }

    pub(crate) fn end(&mut self, id: usize) {
        self.slots[id].current = None;
        // An HTTP/2 connection goes on when a request on one of its streams has run out of time.
        self.slots[id].expired = false;
        let lead = self.slots[id].lead;
        self.slots[lead].busy -= 1;
    }

    pub(crate) fn is_expired(&self, id: usize) -> bool {
        self.slots[id].expired
    }

    /// Wakes the connections whose request has run out of time, and returns the arrivals that have waited it out.
    pub(crate) fn expire(&mut self, now_ns: u64, timeout_ns: u64) -> Vec<Waited> {
        for id in 0..self.slots.len() {
            let slot = &self.slots[id];
            let over = slot.current.is_some_and(|(_, deadline_ns)| deadline_ns <= now_ns);
            if (over || self.is_unused(id, now_ns)) && !slot.expired {
                self.slots[id].expired = true;
                self.slots[id].wake();
            }
        }
        let is_over = |job: &&Job| job.arrival.intended_ns.saturating_add(timeout_ns) <= now_ns;
        let over = self.waiting.iter().take_while(is_over).count();
        if over == 0 {
            return Vec::new();
        }
        let stuck = self.stuck(now_ns, timeout_ns);
        let waited = self.waiting.drain(..over).enumerate();
        waited
            .map(|(place, job)| Waited {
                job,
                is_opening: place < stuck,
            })
            .collect()
    }

    /// Whether the slot is idle, and its whole connection has been for too long.
    fn is_unused(&self, id: usize, now_ns: u64) -> bool {
        let lead = &self.slots[self.slots[id].lead];
        self.idle.contains(id) && lead.busy == 0 && lead.unused_since_ns.saturating_add(self.idle_ns) <= now_ns
    }

    /// Connections that have been opening for at least half of the time-out: those were begun for the arrivals that
    /// have waited longest. One begun later replaces a connection that the target did accept.
    fn stuck(&self, now_ns: u64, timeout_ns: u64) -> usize {
        let since_max_ns = now_ns.saturating_sub(timeout_ns / 2);
        let opening = self.slots.iter().filter_map(|slot| slot.opening_since_ns);
        opening.filter(|since_ns| *since_ns <= since_max_ns).count()
    }

    /// Whether an arrival gets a connection at once: an idle one, or one that is opened for it.
    pub(crate) fn has_room(&self) -> bool {
        !self.idle.is_empty() || self.fresh > self.waiting.len() || self.open + self.opening < self.connections_max
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests;
