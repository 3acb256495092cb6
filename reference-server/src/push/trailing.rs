//! Sends trailing pushes: a member whose push was dropped gets one for the newest revision shortly after, whether or
//! not anything else happens.
//!
//! One task and one timer for all members; `timetable` says who is due when.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hotchat_policy::Turn;
use tokio_util::sync::CancellationToken;

use super::hub::{Hub, TURN};
use super::outbox::{Fired, Put};
use super::timetable::Entry;
use super::wheel::horizon;

impl Hub {
    /// Sends trailing pushes until `stop`.
    pub(crate) async fn send_trailing(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.timetable.something_due() => {}
            }
            let now = self.timetable.now();
            while let Some(due) = self.timetable.take_due(now) {
                for entries in due.chunks(TURN) {
                    self.fire(entries, horizon(now));
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn fire(&self, entries: &[Entry], horizon: Duration) {
        let (mut written, mut all) = (0, 0);
        let mut rng = self.rng();
        for (weak, seat) in entries {
            let Some(member) = weak.upgrade() else { continue };
            match member.fire(*seat, horizon, Turn::restarted(&mut rng)) {
                Fired::Settled => {}
                Fired::Later(due) => {
                    self.timetable.put_back(due, (Weak::clone(weak), *seat));
                }
                Fired::Put(put) => {
                    written += u64::from(put == Put::Sent);
                    all += u64::from(matches!(put, Put::Sent | Put::Waiting));
                }
            }
        }
        self.metrics.trailing(written, all);
    }
}
