//! HTTP/1.1: a connection carries one request at a time. A request takes an idle connection, the one used last, and
//! opens one where there is none; what bounds that is the connector's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::super::notification::Notification;
use super::Sent;
use super::connect::{Body, Connector, Task};
use super::request::{Lost, Requests};

/// Longest wait for a connection to be ready again after a whole answer: it has nothing left to do.
const READY: Duration = Duration::from_millis(100);

pub(super) struct OnePool {
    connector: Connector,
    keep_alive: bool,
    /// The one used last is at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: One,
    since: Instant,
}

struct One {
    sender: SendRequest<Body>,
    /// Closes the connection when dropped.
    _task: Task,
}

impl OnePool {
    pub(super) fn new(connector: Connector, keep_alive: bool) -> Self {
        Self {
            connector,
            keep_alive,
            idle: Mutex::default(),
        }
    }

    /// How it ended, and the time from sending to that.
    pub(super) async fn send(&self, requests: &Requests, notification: &Notification) -> (Sent, Duration) {
        loop {
            let (mut connection, is_new) = match self.take() {
                Some(connection) => (connection, false),
                None => match self.connector.one().await {
                    Ok((sender, task)) => (One { sender, _task: task }, true),
                    Err(_) => return (Sent::Unsent, Duration::ZERO),
                },
            };
            let started = Instant::now();
            let sending = connection.sender.try_send_request(requests.of(notification));
            let answer = requests.answer(sending).await;
            let took = started.elapsed();
            match answer {
                Ok(status) => {
                    self.put_back(connection).await;
                    return (Sent::Answered(status), took);
                }
                // The gateway had closed it while it was idle: nothing was tried yet.
                Err(Lost::Unsent) if !is_new => {}
                Err(Lost::Unsent) => return (Sent::Unsent, took),
                Err(Lost::TimedOut | Lost::Broken) => return (Sent::Unanswered, took),
            }
        }
    }

    pub(super) fn reap(&self, idle_timeout: Duration) {
        let unused = |idle: &Idle| idle.since.elapsed() >= idle_timeout || idle.connection.sender.is_closed();
        self.idle().retain(|idle| !unused(idle));
    }

    fn take(&self) -> Option<One> {
        let mut idle = self.idle();
        loop {
            let Idle { connection, .. } = idle.pop()?;
            if !connection.sender.is_closed() {
                return Some(connection);
            }
        }
    }

    async fn put_back(&self, mut connection: One) {
        if !self.keep_alive {
            return;
        }
        if let Ok(Ok(())) = tokio::time::timeout(READY, connection.sender.ready()).await {
            let since = Instant::now();
            self.idle().push(Idle { connection, since });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
