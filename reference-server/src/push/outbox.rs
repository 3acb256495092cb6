//! Pushes owed to a member, and bytes the socket did not accept yet.
//!
//! Bounded by construction: per chat one flag that its newest revision waits; of bytes at most the rest of one frame
//! and a few control frames. The write function is passed in, so all of this is decided without a socket.

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::task::Waker;
use std::time::Duration;

use hotchat_policy::{Decision, PushRule, Trailing, Turn};

use super::frame::Frame;

/// Room for bytes that the socket did not accept: the rest of a push and three of the largest control frames.
const REST_MAX: usize = 512;

/// Phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The upgrade is in progress; pushes wait for it.
    Connecting,
    Open,
    /// The server is stopping: the connection's task should send a close frame.
    Stopping,
    /// Nothing is written any more.
    Ended,
}

/// What one chat owes the member.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    /// Newest revision pushed to this member.
    sent: u64,
    /// Pushes dropped since.
    trailing: Trailing,
    /// Which of the throttled pushes this member gets.
    turn: Turn,
    /// The wheel holds an entry for this seat; it holds at most one.
    scheduled: bool,
    /// The newest revision waits for room in the socket.
    waiting: bool,
}

/// Result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Sent,
    /// The socket is full: the connection's task writes it when there is room.
    Waiting,
    /// The member has a newer one, or one is waiting and will carry the newest revision when written.
    Coalesced,
    /// Dropped; `first` since the member's last push: a trailing push must be scheduled now, if enabled.
    Dropped {
        first: bool,
    },
    Gone,
}

/// Result of a wheel entry coming due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fired {
    /// The member got a push in the meantime.
    Settled,
    /// The member got a push, and another was dropped after it.
    Later(Duration),
    Put(Put),
}

/// Result of a flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flushed {
    /// Pushes written.
    pub(super) pushes: u32,
    /// Whether the socket accepted anything.
    pub(super) progress: bool,
    /// Whether something is left to write.
    pub(super) blocked: bool,
}

#[derive(Debug)]
pub(super) struct Outbox {
    phase: Phase,
    rest: Vec<u8>,
    dues: Box<[Due]>,
    waiting: u32,
    waker: Option<Waker>,
}

impl Outbox {
    /// `turn` draws the starting point of each seat's turns.
    pub(super) fn new(seats: usize, mut turn: impl FnMut() -> Turn) -> Self {
        let due = |_| Due {
            turn: turn(),
            ..Due::default()
        };
        Self {
            phase: Phase::Connecting,
            rest: Vec::new(),
            dues: (0..seats).map(due).collect(),
            waiting: 0,
            waker: None,
        }
    }

    /// Puts a push for a seat.
    pub(super) fn put(&mut self, seat: usize, frame: &Frame, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> Put {
        let free = self.phase == Phase::Open && !self.is_blocked();
        let due = &mut self.dues[seat];
        if matches!(self.phase, Phase::Stopping | Phase::Ended) {
            return Put::Gone;
        }
        due.trailing.pushed(frame.revision);
        if due.waiting || frame.revision <= due.sent {
            return Put::Coalesced;
        }
        if free {
            match write(frame.bytes()) {
                Ok(taken) => {
                    due.sent = frame.revision;
                    self.keep(&frame.bytes()[taken..]);
                    return Put::Sent;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The connection's task finds out when it reads.
                Err(_) => return Put::Gone,
            }
        }
        due.waiting = true;
        self.waiting += 1;
        if free {
            self.wake();
        }
        Put::Waiting
    }

    /// Applies `rule` to a push for a seat.
    pub(super) fn offer(
        &mut self,
        seat: usize,
        frame: &Frame,
        rule: &PushRule,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Put {
        if matches!(self.phase, Phase::Stopping | Phase::Ended) {
            return Put::Gone;
        }
        let due = &mut self.dues[seat];
        if rule.decide(&mut due.turn) == Decision::Push {
            return self.put(seat, frame, write);
        }
        if due.waiting || frame.revision <= due.sent {
            return Put::Coalesced;
        }
        let first = due.trailing.due().is_none();
        if !first {
            due.trailing.raise(frame.revision);
        }
        Put::Dropped { first }
    }

    /// Schedules a push for `revision`, which was dropped; returns when this seat must be checked, unless a check is
    /// scheduled already.
    pub(super) fn promise(&mut self, seat: usize, revision: u64, now: Duration, within: Duration) -> Option<Duration> {
        let due = &mut self.dues[seat];
        if due.waiting || revision <= due.sent {
            return None; // the member got a newer one in the meantime
        }
        let begun = due.trailing.dropped(revision, now, within);
        let schedule = begun.filter(|_| !due.scheduled);
        due.scheduled |= schedule.is_some();
        schedule
    }

    /// Handles this seat's wheel entry: sends what is due by `horizon`, and then sets the turn to `restarted`.
    pub(super) fn fire(
        &mut self,
        seat: usize,
        horizon: Duration,
        restarted: Turn,
        newest: impl FnOnce() -> Frame,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Fired {
        let due = &mut self.dues[seat];
        if due.trailing.take_due(horizon).is_some() {
            due.scheduled = false;
            due.turn = restarted;
            // Looked up only now: the newest revision was raised before the debt, which is raised under this lock.
            return Fired::Put(self.put(seat, &newest(), write));
        }
        due.scheduled = due.trailing.due().is_some();
        due.trailing.due().map_or(Fired::Settled, Fired::Later)
    }

    /// Writes leftovers; `frame` is the newest push of a seat's chat.
    pub(super) fn flush(
        &mut self,
        frame: impl Fn(usize) -> Frame,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        let mut flushed = Flushed::default();
        if self.phase == Phase::Connecting {
            self.phase = Phase::Open;
        }
        while !self.rest.is_empty() {
            match attempt(write(&self.rest))? {
                None => return Ok(self.stuck(flushed)),
                Some(taken) => drop(self.rest.drain(..taken)),
            }
            flushed.progress = true;
        }
        for seat in 0..self.dues.len() {
            if self.waiting == 0 {
                break;
            }
            if !self.dues[seat].waiting {
                continue;
            }
            let frame = frame(seat);
            let Some(taken) = attempt(write(frame.bytes()))? else {
                return Ok(self.stuck(flushed));
            };
            let due = &mut self.dues[seat];
            (due.waiting, due.sent) = (false, frame.revision);
            self.waiting -= 1;
            flushed.pushes += 1;
            flushed.progress = true;
            self.keep(&frame.bytes()[taken..]);
            if !self.rest.is_empty() {
                return Ok(self.stuck(flushed));
            }
        }
        Ok(flushed)
    }

    fn stuck(&self, flushed: Flushed) -> Flushed {
        Flushed {
            blocked: self.is_blocked(),
            ..flushed
        }
    }

    /// Writes control frames whole or not at all, so that no push gets between two halves.
    pub(super) fn control(
        &mut self,
        bytes: &[u8],
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let taken = if self.rest.is_empty() {
            attempt(write(bytes))?.unwrap_or(0)
        } else {
            0
        };
        if self.rest.len() + bytes.len() - taken > REST_MAX {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.rest.extend_from_slice(&bytes[taken..]);
        Ok(bytes.len())
    }

    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.rest.extend_from_slice(rest);
            self.wake();
        }
    }

    /// Whether something waits for room in the socket.
    pub(super) fn is_blocked(&self) -> bool {
        !self.rest.is_empty() || self.waiting > 0
    }

    /// Asks the connection's task to send a close frame.
    pub(super) fn stop(&mut self) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Stopping;
            self.wake();
        }
    }

    /// Accepts no further pushes.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Ended;
        self.waiting = 0;
        for due in &mut self.dues {
            due.waiting = false;
        }
    }

    /// Stores the waker; returns whether the server has asked this connection to close.
    pub(super) fn watch(&mut self, waker: &Waker) -> bool {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        self.phase == Phase::Stopping
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// How much was accepted; `None` when there is no room.
fn attempt(written: io::Result<usize>) -> io::Result<Option<usize>> {
    match written {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Ok(taken) => Ok(Some(taken)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
