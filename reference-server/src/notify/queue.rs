//! A bounded queue of notifications, first in, first out.
//!
//! When it is full, something is lost whatever one does, so the choice is what. Dropping the oldest keeps the queue's
//! delay bounded by its length at the rate of sending, and what is delivered is recent; dropping the newest delivers
//! what was promised first, late. Pure.

use std::collections::VecDeque;

use super::notification::Notification;
use crate::config::WhenFull;

#[derive(Debug)]
pub(super) struct Queue {
    items: VecDeque<Notification>,
    capacity: usize,
    when_full: WhenFull,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize, when_full: WhenFull) -> Self {
        Self {
            items: VecDeque::new(),
            capacity,
            when_full,
            is_closed: false,
        }
    }

    /// Nobody empties it any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Adds one; returns the one that had to go for want of room.
    pub(super) fn push(&mut self, notification: Notification) -> Option<Notification> {
        if self.items.len() < self.capacity {
            self.items.push_back(notification);
            return None;
        }
        match self.when_full {
            WhenFull::DropNewest => Some(notification),
            WhenFull::DropOldest => {
                let oldest = self.items.pop_front();
                self.items.push_back(notification);
                oldest
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Notification> {
        let next = self.items.pop_front();
        // A queue that was long once does not keep its room for ever.
        if self.items.is_empty() && self.items.capacity() > 4096 {
            self.items.shrink_to(1024);
        }
        next
    }
}
