//! A chat with connected members: its newest revision and its listeners.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::member::Member;

/// A chat with connected members.
pub(super) struct Chat {
    pub(super) id: u64,
    newest: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
}

/// A member, and the index of the member's seat in this chat.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) member: Arc<Member>,
    pub(super) seat: u32,
}

/// A member's place in one chat.
pub(super) struct Seat {
    pub(super) chat: Arc<Chat>,
    /// Index in the chat's list; changed only under that list's lock.
    position: AtomicU32,
}

impl Seat {
    pub(super) fn new(chat: Arc<Chat>) -> Self {
        Self {
            chat,
            position: AtomicU32::new(0),
        }
    }
}

impl Chat {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            newest: AtomicU64::new(0),
            listeners: Mutex::default(),
        }
    }

    /// Raises the newest revision to at least `revision` and returns it: pushes may arrive out of order.
    pub(super) fn raise(&self, revision: u64) -> u64 {
        self.newest.fetch_max(revision, Ordering::Relaxed).max(revision)
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// All current listeners, as a copy: writing to thousands takes far longer than copying their addresses, and
    /// members who join or leave must not wait for it.
    pub(super) fn listeners(&self) -> Vec<Listener> {
        self.lock().clone()
    }

    /// Who listens; a user with several connections is one.
    pub(super) fn users(&self) -> HashSet<u64> {
        self.listeners().iter().map(|listener| listener.member.user).collect()
    }

    pub(super) fn add(&self, listener: Listener) {
        let mut listeners = self.lock();
        let position = u32::try_from(listeners.len()).expect("fewer connections than 2³²");
        listener.position().store(position, Ordering::Relaxed);
        listeners.push(listener);
    }

    pub(super) fn remove(&self, seat: &Seat) {
        let mut listeners = self.lock();
        let position = seat.position.load(Ordering::Relaxed);
        listeners.swap_remove(position as usize);
        if let Some(moved) = listeners.get(position as usize) {
            moved.position().store(position, Ordering::Relaxed);
        }
        // A chat that was large once does not keep the capacity for ever.
        let room = listeners.capacity();
        if listeners.len() < room / 4 {
            listeners.shrink_to(room / 2);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    pub(super) fn seat(&self) -> &Seat {
        &self.member.seats[self.seat as usize]
    }

    fn position(&self) -> &AtomicU32 {
        &self.seat().position
    }
}
