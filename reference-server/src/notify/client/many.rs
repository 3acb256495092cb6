//! HTTP/2: a connection carries many requests at a time. A request goes to the first connection with room, so that few
//! connections serve little traffic; where none has room, one is opened, and those who come meanwhile wait for it
//! rather than open one each. They wait for as long as opening a connection may take; where it takes that long, they
//! fail with it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http2::SendRequest;

use super::super::notification::Notification;
use super::Sent;
use super::connect::{Body, Connector, Task};
use super::request::{Lost, Requests};

pub(super) struct ManyPool {
    connector: Connector,
    keep_alive: bool,
    /// Requests at a time on one connection.
    streams: usize,
    connections: Mutex<Connections>,
    /// Held while a connection is opened.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: Vec<Many>,
}

struct Many {
    number: u64,
    sender: SendRequest<Body>,
    /// Requests on it now.
    taken: usize,
    /// When the last request left it.
    since: Instant,
    /// It gets no further requests.
    is_leaving: bool,
    /// Closes the connection when dropped.
    _task: Task,
}

/// Room for one request on a connection; given back when dropped.
struct Room<'a> {
    pool: &'a ManyPool,
    number: u64,
    sender: SendRequest<Body>,
}

impl ManyPool {
    pub(super) fn new(connector: Connector, keep_alive: bool, streams: usize) -> Self {
        Self {
            connector,
            keep_alive,
            streams,
            connections: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// How it ended, and the time from sending to that.
    pub(super) async fn send(&self, requests: &Requests, notification: &Notification) -> (Sent, Duration) {
        loop {
            let Ok((mut room, is_new)) = self.room().await else {
                return (Sent::Unsent, Duration::ZERO);
            };
            let started = Instant::now();
            let sending = room.sender.try_send_request(requests.of(notification));
            let answer = requests.answer(sending).await;
            let took = started.elapsed();
            match answer {
                Ok(status) => return (Sent::Answered(status), took),
                // The gateway had closed it, or was about to: nothing was tried yet.
                Err(Lost::Unsent) if !is_new => room.abandon(),
                Err(Lost::Unsent) => return (Sent::Unsent, took),
                // One slow answer says nothing against its connection; whether that is dead, pings find out.
                Err(Lost::TimedOut) => return (Sent::Unanswered, took),
                Err(Lost::Broken) => {
                    room.abandon();
                    return (Sent::Unanswered, took);
                }
            }
        }
    }

    pub(super) fn reap(&self, idle_timeout: Duration) {
        let is_unused = |many: &Many| many.taken == 0 && (many.is_leaving || many.since.elapsed() >= idle_timeout);
        self.connections()
            .open
            .retain(|many| !is_unused(many) && !many.sender.is_closed());
    }

    /// Room on a connection, and whether the connection is new.
    async fn room(&self) -> io::Result<(Room<'_>, bool)> {
        if !self.keep_alive {
            return Ok((self.opened().await?, true));
        }
        if let Some(room) = self.take() {
            return Ok((room, false));
        }
        let turn = tokio::time::timeout(self.connector.timeout(), self.opening.lock()).await;
        let _one_at_a_time = turn.map_err(io::Error::other)?;
        match self.take() {
            Some(room) => Ok((room, false)),
            None => Ok((self.opened().await?, true)),
        }
    }

    fn take(&self) -> Option<Room<'_>> {
        let mut connections = self.connections();
        connections.open.retain(|many| !many.sender.is_closed());
        let with_room = connections
            .open
            .iter_mut()
            .find(|many| !many.is_leaving && many.taken < self.streams)?;
        with_room.taken += 1;
        Some(Room {
            pool: self,
            number: with_room.number,
            sender: with_room.sender.clone(),
        })
    }

    async fn opened(&self) -> io::Result<Room<'_>> {
        let (sender, task) = self.connector.many().await?;
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.open.push(Many {
            number,
            sender: sender.clone(),
            taken: 1,
            since: Instant::now(),
            is_leaving: !self.keep_alive,
            _task: task,
        });
        drop(connections);
        Ok(Room {
            pool: self,
            number,
            sender,
        })
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room<'_> {
    /// The connection gets no further requests; those on it go on.
    fn abandon(self) {
        let mut connections = self.pool.connections();
        if let Some(many) = connections.open.iter_mut().find(|many| many.number == self.number) {
            many.is_leaving = true;
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut connections = self.pool.connections();
        let Some(at) = connections.open.iter().position(|many| many.number == self.number) else {
            return; // closed meanwhile
        };
        let many = &mut connections.open[at];
        many.taken -= 1;
        many.since = Instant::now();
        if many.is_leaving && many.taken == 0 {
            connections.open.remove(at);
        }
    }
}
