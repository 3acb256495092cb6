//! Which connection serves which arrival.
//!
//! Idle connections are taken last-in first-out, as pools do: the connection used most recently is the one least likely to
//! have been closed, and connections that the load does not need stay idle and visible as such. When none is idle, one more
//! is opened as long as more arrivals wait than connections are being opened; beyond the bounds an arrival is refused
//! and counted.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use super::retries::Tried;
use crate::arrival::Arrival;

/// An arrival on its way to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) arrival: Arrival,
    pub(crate) phase: usize,
    pub(crate) lane: usize,
    /// Where its chat lives, if that is known.
    pub(crate) shard: Option<u16>,
    /// What lies behind it, where it is a retry.
    pub(crate) tried: Option<Tried>,
}

/// What became of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// An idle connection has it.
    Handed,
    /// It waits.
    Waits,
    /// Too many wait already.
    Refused,
}

#[derive(Debug, Default)]
struct Slot {
    handed: Option<Job>,
    is_idle: bool,
    waker: Option<Waker>,
    /// What the connection is busy with, and until when.
    current: Option<(Job, u64)>,
    expired: bool,
    idle_since_ns: u64,
}

impl Slot {
    fn note(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }
}

/// The connections of one worker and the arrivals that wait for them.
#[derive(Debug)]
pub(crate) struct Dispatch {
    connections_max: usize,
    waiting_max: usize,
    /// A connection that nobody has used for so long is closed.
    idle_ns: u64,
    waiting: VecDeque<Job>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    idle: Vec<usize>,
    opening: usize,
    open: usize,
}

impl Dispatch {
    pub(crate) fn new(connections_max: usize, waiting_max: usize, idle_ns: u64) -> Self {
        Self {
            connections_max,
            waiting_max,
            idle_ns,
            waiting: VecDeque::new(),
            slots: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            opening: 0,
            open: 0,
        }
    }

    pub(crate) fn place(&mut self, job: Job) -> Placed {
        if self.hand_over(job).is_ok() {
            return Placed::Handed;
        }
        if self.waiting.len() >= self.waiting_max {
            return Placed::Refused;
        }
        self.waiting.push_back(job);
        Placed::Waits
    }

    /// Gives the job to the connection that was used last; gives it back when none is idle.
    fn hand_over(&mut self, job: Job) -> Result<(), Job> {
        let id = self.idle.pop().ok_or(job)?;
        let slot = &mut self.slots[id];
        slot.is_idle = false;
        slot.handed = Some(job);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Everything whose fate is not known yet: first what was never sent, then what was.
    pub(crate) fn abandon(&mut self) -> (Vec<Job>, Vec<Job>) {
        let unsent = self.waiting.drain(..).collect::<Vec<_>>().into_iter();
        let unsent = unsent
            .chain(self.slots.iter_mut().filter_map(|slot| slot.handed.take()))
            .collect();
        let sent = self
            .slots
            .iter_mut()
            .filter_map(|slot| slot.current.take())
            .map(|(job, _)| job)
            .collect();
        (unsent, sent)
    }

    /// Whether one more connection shall be opened now; the answer yes counts as opening it.
    pub(crate) fn wants_connection(&mut self) -> bool {
        let wanted = self.opening < self.waiting.len() && self.open + self.opening < self.connections_max;
        self.opening += usize::from(wanted);
        wanted
    }

    /// A connection is open; gives it its id.
    pub(crate) fn opened(&mut self) -> usize {
        self.opening -= 1;
        self.open += 1;
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        })
    }

    /// A connection could not be opened. The arrival that waited longest shares its fate.
    pub(crate) fn open_failed(&mut self) -> Option<Job> {
        self.opening -= 1;
        self.waiting.pop_front()
    }

    /// A connection is gone. An arrival handed to it meanwhile goes back to the front of the queue.
    pub(crate) fn closed(&mut self, id: usize) {
        self.open -= 1;
        self.leave_idle(id);
        if let Some(job) = std::mem::take(&mut self.slots[id]).handed
            && self.hand_over(job).is_err()
        {
            self.waiting.push_front(job);
        }
        self.free.push(id);
    }

    /// The next job of an idle connection: one handed to it, or the one that has waited longest.
    pub(crate) fn poll_job(&mut self, id: usize, now_ns: u64, context: &Context<'_>) -> Poll<Job> {
        if let Some(job) = self.slots[id].handed.take() {
            return Poll::Ready(job);
        }
        if let Some(job) = self.waiting.pop_front() {
            self.leave_idle(id);
            return Poll::Ready(job);
        }
        let slot = &mut self.slots[id];
        slot.note(context.waker());
        if !slot.is_idle {
            slot.is_idle = true;
            slot.idle_since_ns = now_ns;
            self.idle.push(id);
        }
        Poll::Pending
    }

    fn leave_idle(&mut self, id: usize) {
        if std::mem::take(&mut self.slots[id].is_idle) {
            self.idle.retain(|idle| *idle != id);
        }
    }

    /// From now on the connection is busy, until `deadline_ns` at the latest.
    pub(crate) fn begin(&mut self, id: usize, job: Job, deadline_ns: u64) {
        let slot = &mut self.slots[id];
        slot.current = Some((job, deadline_ns));
        slot.expired = false;
    }

    /// Notes whom to wake when the time is over.
    pub(crate) fn wait(&mut self, id: usize, waker: &Waker) {
        self.slots[id].note(waker);
    }

    pub(crate) fn end(&mut self, id: usize) {
        self.slots[id].current = None;
    }

    pub(crate) fn is_expired(&self, id: usize) -> bool {
        self.slots[id].expired
    }

    /// Wakes the connections whose request has run out of time, and returns the arrivals that have waited it out.
    pub(crate) fn expire(&mut self, now_ns: u64, timeout_ns: u64) -> Vec<Job> {
        for slot in &mut self.slots {
            let over = slot.current.is_some_and(|(_, deadline_ns)| deadline_ns <= now_ns);
            let unused = slot.is_idle && slot.idle_since_ns.saturating_add(self.idle_ns) <= now_ns;
            if (over || unused) && !slot.expired {
                slot.expired = true;
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
            }
        }
        let over = self
            .waiting
            .iter()
            .take_while(|job| job.arrival.intended_ns.saturating_add(timeout_ns) <= now_ns)
            .count();
        self.waiting.drain(..over).collect()
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(intended_ns: u64) -> Job {
        let arrival = Arrival {
            intended_ns,
            flow: 0,
            ordinal: intended_ns,
            chat: 0,
        };
        Job {
            arrival,
            phase: 0,
            lane: 0,
            shard: None,
            tried: None,
        }
    }

    fn poll(dispatch: &mut Dispatch, id: usize) -> Poll<Job> {
        dispatch.poll_job(id, 0, &Context::from_waker(Waker::noop()))
    }

    #[test]
    fn connections_are_opened_for_what_waits_and_never_beyond_the_bound() {
        let mut dispatch = Dispatch::new(2, 10, 1_000);
        for ns in 0..4 {
            assert_eq!(dispatch.place(job(ns)), Placed::Waits);
        }
        assert!(dispatch.wants_connection());
        assert!(dispatch.wants_connection());
        assert!(!dispatch.wants_connection(), "two is the bound");
        let first = dispatch.opened();
        assert_eq!(
            poll(&mut dispatch, first),
            Poll::Ready(job(0)),
            "first come, first served"
        );
    }

    #[test]
    fn the_connection_used_last_is_used_next() {
        let mut dispatch = Dispatch::new(2, 10, 1_000);
        let ids: Vec<usize> = (0..2)
            .map(|ns| {
                dispatch.place(job(ns));
                assert!(dispatch.wants_connection());
                let id = dispatch.opened();
                assert!(poll(&mut dispatch, id).is_ready());
                id
            })
            .collect();
        assert!(poll(&mut dispatch, ids[0]).is_pending());
        assert!(poll(&mut dispatch, ids[1]).is_pending());
        assert_eq!(dispatch.place(job(7)), Placed::Handed);
        assert_eq!(poll(&mut dispatch, ids[1]), Poll::Ready(job(7)));
    }

    #[test]
    fn too_many_waiting_are_refused() {
        let mut dispatch = Dispatch::new(1, 2, 1_000);
        assert_eq!(dispatch.place(job(0)), Placed::Waits);
        assert_eq!(dispatch.place(job(1)), Placed::Waits);
        assert_eq!(dispatch.place(job(2)), Placed::Refused);
    }

    #[test]
    fn an_arrival_handed_to_a_connection_that_closes_is_not_lost() {
        let mut dispatch = Dispatch::new(1, 2, 1_000);
        dispatch.place(job(0));
        assert!(dispatch.wants_connection());
        let id = dispatch.opened();
        assert!(poll(&mut dispatch, id).is_ready());
        assert!(poll(&mut dispatch, id).is_pending());
        assert_eq!(dispatch.place(job(1)), Placed::Handed);
        dispatch.closed(id);
        assert!(dispatch.wants_connection(), "it waits again, for a new connection");
        let id = dispatch.opened();
        assert_eq!(poll(&mut dispatch, id), Poll::Ready(job(1)));
    }

    #[test]
    fn what_waits_too_long_is_given_up_and_what_runs_too_long_is_told() {
        let mut dispatch = Dispatch::new(1, 10, 1_000);
        dispatch.place(job(0));
        assert!(dispatch.wants_connection());
        let id = dispatch.opened();
        assert!(poll(&mut dispatch, id).is_ready());
        dispatch.begin(id, job(0), 100);
        dispatch.place(job(50));
        dispatch.place(job(51));
        assert_eq!(dispatch.expire(99, 100), []);
        assert!(!dispatch.is_expired(id));
        assert_eq!(dispatch.expire(150, 100), [job(50)]);
        assert!(dispatch.is_expired(id));
    }

    #[test]
    fn a_connection_that_nobody_uses_is_told_to_close() {
        let mut dispatch = Dispatch::new(1, 10, 1_000);
        dispatch.place(job(0));
        assert!(dispatch.wants_connection());
        let id = dispatch.opened();
        assert!(poll(&mut dispatch, id).is_ready());
        assert!(poll(&mut dispatch, id).is_pending(), "idle since 0");
        dispatch.expire(999, 100);
        assert!(!dispatch.is_expired(id));
        dispatch.expire(1_000, 100);
        assert!(dispatch.is_expired(id));
    }

    #[test]
    fn what_is_abandoned_is_told_apart_by_whether_it_was_sent() {
        let mut dispatch = Dispatch::new(1, 10, 1_000);
        dispatch.place(job(1));
        assert!(dispatch.wants_connection());
        let id = dispatch.opened();
        assert!(poll(&mut dispatch, id).is_ready());
        dispatch.begin(id, job(1), 100);
        dispatch.place(job(2));
        assert_eq!(dispatch.abandon(), (vec![job(2)], vec![job(1)]));
        assert_eq!(dispatch.abandon(), (vec![], vec![]));
    }
}
