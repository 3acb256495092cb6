//! The throttle that arrives late: completed joins are counted when the publish role has read them from the bus.
//!
//! It costs a join nothing, and it is what one builds when the counts are there already. But what it knows is as old as the records that wait in
//! the chat's partition: until the first joins of a rush have been counted, all of it is let in, and when the partition is busy with the pushes of a
//! hot chat, that is seconds. Joins are counted by when they are *read*, so it also refuses too long afterwards.
//!
//! While the role is stopped nobody counts: that is away, and the setting decides. A role that runs and is behind is not away.
//!
//! Each process follows its own bus, so each counts the joins that it has completed itself.

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
