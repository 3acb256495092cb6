//! What a connection and whoever owns it have to say to each other.
//!
//! A leaf. A *slot* is a place for one request at a time: an HTTP/1.1 connection is one, an HTTP/2 connection has one
//! for each of its streams.

use std::io::{Error, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::dial::{Dialed, Parts};
use super::reply::Answer;
use super::request::{Request, Wanted};
use crate::record::{Outcome, UnsentCause};

/// What a connection needs from its owner.
pub(crate) trait Owner {
    /// What a connection is given to do.
    type Job: Copy;
    /// Tells slots apart; a connection is told by its first.
    type Slot: Copy + 'static;

    fn now_ns(&self) -> u64;
    /// Longest time that opening may take.
    fn timeout(&self) -> Duration;
    /// Opens the connection of a slot.
    async fn dial(&self, id: Self::Slot) -> std::io::Result<Dialed>;
    /// How many requests may be under way on an HTTP/2 connection.
    fn streams(&self) -> usize;
    /// Opening began at `since_ns` and is done. The connection carries `slots` requests at once.
    fn opened(&self, id: Self::Slot, since_ns: u64, parts: Parts, slots: usize);
    /// Another slot for the open connection `id`.
    fn add_slot(&self, id: Self::Slot) -> Self::Slot;
    /// No more requests can be sent on these slots of a connection: those that are idle are to leave.
    fn retire(&self, slots: &[Self::Slot]);
    /// A slot takes no more jobs, and its connection is still open; `by_server` where the server wants it so.
    fn left(&self, id: Self::Slot, by_server: bool);
    /// The server refused to begin with a request.
    fn refused(&self, id: Self::Slot);
    /// Opening began at `since_ns` and came to nothing.
    fn open_failed(&self, id: Self::Slot, since_ns: u64, failure: Failure);
    /// The connection is closed, and with it the slots that were added to it; `by_server` while it was idle.
    fn closed(&self, id: Self::Slot, added: &[Self::Slot], by_server: bool);
    /// Opens as many connections as are wanted by now.
    fn open_wanted(self: &Rc<Self>);
    /// The next job for a slot that is free since `since_ns`.
    fn poll_job(&self, id: Self::Slot, since_ns: u64, context: &Context<'_>) -> Poll<Self::Job>;
    /// Whether the slot's connection has been idle for too long, or its request has run out of time.
    fn is_expired(&self, id: Self::Slot) -> bool;
    /// Notes whom to wake when it has.
    fn wait(&self, id: Self::Slot, waker: &Waker);
    /// The connection takes the job on: writes its request.
    fn begin(&self, id: Self::Slot, job: &Self::Job, request: &mut Request) -> Wanted;
    /// The generator's own lateness in sending the job at `sent_ns` on a connection that has been free like that.
    fn own_ns(&self, job: &Self::Job, free: Free, sent_ns: u64) -> u64;
    /// The job has ended.
    fn ended(&self, id: Self::Slot, job: &Self::Job, exchange: &Exchange, answer: &Answer<'_>);
    /// The connection turned out to be closed before the job: another one is to take it. The generator was late by
    /// `own_ns`.
    fn replace(&self, id: Self::Slot, job: Self::Job, own_ns: u64);
    /// An answer was complete at `now_ns`, and the connection is about to be free.
    fn is_free(self: &Rc<Self>, now_ns: u64);
}

/// Since when the connection that takes a job has been free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) since_ns: u64,
    /// It has served nothing yet.
    pub(crate) is_new: bool,
}

/// How a request ended, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) outcome: Outcome,
    pub(crate) sent_ns: u64,
    pub(crate) done_ns: u64,
    /// The generator's lateness until it was sent.
    pub(crate) own_ns: u64,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This machine could not even try.
    Local(UnsentCause),
    /// The target did not answer in time.
    NotAccepted,
    /// The target said no, or cannot be reached.
    Refused,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match UnsentCause::of_error(error) {
            Some(cause) => Self::Local(cause),
            // Of a Unix socket: as many connections wait as it lets wait, and the system does not wait for room there.
            None if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Self::NotAccepted,
            None => Self::Refused,
        }
    }
}

/// How an exchange ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// HTTP status; 0 where the answer did not come whole.
    pub(super) status: u16,
    /// Whether another request may follow.
    pub(super) keep_alive: bool,
    /// The connection broke before anything of the answer came.
    pub(super) is_unanswered: bool,
}

impl Ended {
    pub(super) fn broken(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: 0,
            keep_alive: false,
            is_unanswered: false,
        }
    }
}

/// What comes next for an idle slot.
pub(super) enum Next<Job> {
    Job { job: Job, was_idle: bool },
    ClosedByServer,
    Unused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_cannot_do_is_not_the_targets_failure() {
        use rustix::io::Errno;
        for (errno, failure) in [
            (Errno::MFILE, Failure::Local(UnsentCause::NoFile)),
            (Errno::ADDRNOTAVAIL, Failure::Local(UnsentCause::NoPort)),
            (Errno::NOBUFS, Failure::Local(UnsentCause::NoBuffer)),
            (Errno::TIMEDOUT, Failure::NotAccepted),
            (Errno::AGAIN, Failure::NotAccepted),
            (Errno::CONNREFUSED, Failure::Refused),
            (Errno::CONNRESET, Failure::Refused),
            (Errno::HOSTUNREACH, Failure::Refused),
        ] {
            assert_eq!(Failure::of(&errno.into()), failure, "{errno:?}");
        }
    }
}
