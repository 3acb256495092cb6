//! Wake-up coalescing: a worker with members online sleeps for a moment before it waits for its sockets.
//!
//! A worker goes before what it drives. So each push that the server writes would wake it at once and take the server's
//! core for one small read, thousands of times a second, and the generator would be measuring itself. A worker that is
//! about to wait therefore first sleeps for [`MOMENT`], unless an arrival is due before that, and then finds many
//! sockets readable. Times of answers are up to so much too long; the schedule is kept as always.
//! `docs/decisions/generator.md` has the measurement.
//!
//! A leaf: one thread and its pacer.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::thread::nanosleep;
use rustix::time::Timespec;

/// Longest that a readable socket waits to be read.
pub(super) const MOMENT: Duration = Duration::from_micros(200);
/// A sleep ends some ten microseconds late; one that is hardly longer is not worth it.
const MARGIN: Duration = Duration::from_micros(60);

thread_local! {
    /// When the pacer of this thread wakes.
    static PACER_WAKES: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The pacer sleeps for so long; until then nothing is due.
pub(super) fn pacer_sleeps(wait: Duration) {
    PACER_WAKES.set(Some(Instant::now() + wait));
}

/// The pacer is awake, so the thread does not wait for anything else.
pub(super) fn pacer_is_awake() {
    PACER_WAKES.set(None);
}

/// Called when the thread has nothing left to do and is about to wait.
pub(super) fn before_waiting() {
    let Some(wakes) = PACER_WAKES.get() else { return };
    let idle = wakes.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
    let pause = idle.min(MOMENT);
    if pause < MARGIN {
        return;
    }
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(pause.subsec_nanos()),
    };
    // Ended early by a signal it has done no harm.
    let _ = nanosleep(&pause);
}
