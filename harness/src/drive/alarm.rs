//! Wakes the pacer when something is to happen before what it sleeps for.
//!
//! A leaf.

use std::cell::Cell;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// When the pacer wakes by itself; 0 while it is awake.
    wakes_ns: Cell<u64>,
    bell: Notify,
}

impl Alarm {
    /// The pacer goes to sleep until `ns`, or is awake (0).
    pub(super) fn sleeps_until(&self, ns: u64) {
        self.wakes_ns.set(ns);
    }

    /// When the pacer wakes; earlier than it went to sleep for, if something earlier has come up.
    pub(super) fn wakes_ns(&self) -> u64 {
        self.wakes_ns.get()
    }

    /// Something is to happen at `ns`.
    pub(super) fn set(&self, ns: u64) {
        if ns < self.wakes_ns.get() {
            self.wakes_ns.set(ns);
            self.bell.notify_one();
        }
    }

    /// Returns when something earlier has come up.
    pub(super) async fn rings(&self) {
        self.bell.notified().await;
    }
}
