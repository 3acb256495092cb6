//! Wakes the pacer when something is to happen before what it sleeps for.
//!
//! A leaf.

use std::cell::Cell;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// When the pacer wakes by itself; 0 while it is awake.
    wakes_ns: Cell<u64>,
    /// The earliest moment that the pacer knows of, where it wakes later than that on purpose.
    known_ns: Cell<u64>,
    bell: Notify,
}

impl Alarm {
    /// The pacer goes to sleep until `wakes_ns`, and the next that it knows of is at `known_ns`.
    pub(super) fn sleeps_until(&self, wakes_ns: u64, known_ns: u64) {
        self.wakes_ns.set(wakes_ns);
        self.known_ns.set(known_ns);
    }

    /// The pacer need not be woken.
    pub(super) fn is_awake(&self) {
        self.wakes_ns.set(0);
    }

    /// When the pacer wakes; earlier than it went to sleep for, if something earlier has come up.
    pub(super) fn wakes_ns(&self) -> u64 {
        self.wakes_ns.get()
    }

    /// Something is to happen at `ns`.
    pub(super) fn set(&self, ns: u64) {
        if ns < self.wakes_ns.get().min(self.known_ns.get()) {
            self.wakes_ns.set(ns);
            self.bell.notify_one();
        }
    }

    /// Returns when something earlier has come up.
    pub(super) async fn rings(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(alarm: &Alarm) -> bool {
        use std::task::{Context, Poll, Waker};
        let mut bell = std::pin::pin!(alarm.rings());
        matches!(
            bell.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(())
        )
    }

    #[test]
    fn it_rings_for_what_is_earlier_than_everything_known_and_for_nothing_else() {
        let alarm = Alarm::default();
        alarm.set(5);
        assert!(!rings(&alarm), "the pacer is awake");
        // Two arrivals are close to each other, so the pacer sleeps beyond the first.
        alarm.sleeps_until(100, 80);
        for known in [80, 90, 200] {
            alarm.set(known);
            assert!(!rings(&alarm), "{known}");
        }
        alarm.set(79);
        assert!(rings(&alarm));
        assert_eq!(alarm.wakes_ns(), 79);
    }
}
