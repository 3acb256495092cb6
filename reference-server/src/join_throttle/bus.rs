//! The throttle that reacts late: a completed join is counted when the publish role reads it from the bus.
//!
//! It adds nothing to the cost of a join, and it is the obvious design when the counts exist already. But its knowledge
//! is as old as the records waiting in the chat's partition: until the first joins of a rush have been counted, the
//! whole rush is admitted, and when the partition is busy with the pushes of a hot chat, that takes seconds. Joins are
//! counted by when they are *read*, so it also keeps rejecting for too long afterwards.
//!
//! While the role is stopped nobody counts: the throttle is away, and `when_away` decides. A role that runs but is
//! behind is not away.
//!
//! Each process consumes its own bus, so each counts the joins that it completed itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotchat_policy::{SlidingLimit, WindowLimit};

use super::Answer;

pub(super) struct Completed {
    joins: SlidingLimit,
    consumed: AtomicBool,
}

impl Completed {
    pub(super) fn new(joins: SlidingLimit) -> Self {
        Self {
            joins,
            consumed: AtomicBool::new(false),
        }
    }

    pub(super) fn count(&self, chat_id: u64, limit: WindowLimit, now: Duration) {
        self.joins.count(chat_id, limit, now);
    }

    pub(super) fn consumed(&self, consumed: bool) {
        self.consumed.store(consumed, Ordering::Relaxed);
    }

    pub(super) fn ask(&self, chat_id: u64, limit: WindowLimit, now: Duration) -> Answer {
        if !self.consumed.load(Ordering::Relaxed) {
            return Answer::Away;
        }
        self.joins.check(chat_id, limit, now).into()
    }
}
