//! The tasks of a worker that hold connections, and whom to wake when one of them has something to say.
//!
//! A leaf.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::task::Waker;

use tokio::task::AbortHandle;

/// The tasks that hold connections.
#[derive(Debug)]
pub(super) struct Held<Socket>(RefCell<HashMap<Socket, Task>>);

#[derive(Debug)]
struct Task {
    handle: AbortHandle,
    /// Waits for something to say.
    waker: Option<Waker>,
}

impl<Socket: Eq + Hash> Held<Socket> {
    pub(super) fn new() -> Self {
        Self(RefCell::default())
    }

    /// A task holds the connection, in place of an earlier one that has ended.
    pub(super) fn insert(&self, socket: Socket, handle: AbortHandle) {
        self.0.borrow_mut().insert(socket, Task { handle, waker: None });
    }

    /// Ends these tasks.
    pub(super) fn abort(&self, sockets: &[Socket]) {
        let mut held = self.0.borrow_mut();
        let ended = sockets.iter().filter_map(|socket| held.remove(socket));
        ended.for_each(|task| task.handle.abort());
    }

    /// Notes whom to wake when the connection has something to say.
    pub(super) fn wait(&self, socket: &Socket, waker: &Waker) {
        if let Some(task) = self.0.borrow_mut().get_mut(socket) {
            match &mut task.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    /// It has.
    pub(super) fn wake(&self, socket: &Socket) {
        let waker = self.0.borrow_mut().get_mut(socket).and_then(|task| task.waker.take());
        waker.into_iter().for_each(Waker::wake);
    }
}
