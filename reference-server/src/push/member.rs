//! A connection as the hub sees it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hotchat_policy::{PushRule, Turn};
use tokio::net::TcpStream;

use super::chat::Seat;
use super::frame::Frame;
use super::outbox::{Fired, Outbox, Put};

/// A connected member. A push is written to the socket directly; only what the socket does not accept is left to the
/// connection's own task, which therefore sleeps in the normal case.
pub(super) struct Member {
    pub(super) user: u64,
    /// Set when the upgrade is done.
    socket: OnceLock<TcpStream>,
    outbox: Mutex<Outbox>,
    pub(super) seats: Box<[Seat]>,
}

impl Member {
    /// `turn` draws the starting point of each seat's turns.
    pub(super) fn new(user: u64, seats: Box<[Seat]>, turn: impl FnMut() -> Turn) -> Arc<Self> {
        Arc::new(Self {
            user,
            socket: OnceLock::new(),
            outbox: Mutex::new(Outbox::new(seats.len(), turn)),
            seats,
        })
    }

    /// Sets the socket after the upgrade.
    pub(super) fn connected(&self, socket: TcpStream) {
        assert!(self.socket.set(socket).is_ok(), "a member connects once");
    }

    pub(super) fn socket(&self) -> &TcpStream {
        self.socket
            .get()
            .expect("used by the connection's task only, which sets it first")
    }

    /// The newest push for a seat.
    pub(super) fn newest(&self, seat: usize) -> Frame {
        let chat = &self.seats[seat].chat;
        Frame::new(chat.id, chat.newest())
    }

    pub(super) fn offer(&self, seat: u32, frame: &Frame, rule: &PushRule) -> Put {
        self.outbox()
            .offer(seat as usize, frame, rule, |bytes| self.write(bytes))
    }

    pub(super) fn promise(&self, seat: u32, revision: u64, now: Duration, within: Duration) -> Option<Duration> {
        self.outbox().promise(seat as usize, revision, now, within)
    }

    pub(super) fn fire(&self, seat: u32, horizon: Duration, restarted: Turn) -> Fired {
        let seat = seat as usize;
        self.outbox().fire(
            seat,
            horizon,
            restarted,
            || self.newest(seat),
            |bytes| self.write(bytes),
        )
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes as much as the socket accepts at once.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.get() {
            Some(socket) => socket.try_write(bytes),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
