//! A timer of nanoseconds: `timerfd` registered with the runtime's reactor.
//!
//! The runtime's own timers tick once a millisecond, which at ten thousand arrivals a second would make every request
//! most of a millisecond late and charge that to the server.
//!
//! A leaf.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    pub(crate) fn new() -> std::io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        // SAFETY: the descriptor is open, the `OwnedFd` that closes it moves into the `AsyncFd`, and nothing else has
        // it.
        #[expect(
            unsafe_code,
            reason = "tokio cannot see that the descriptor outlives its registration; this is the only such place"
        )]
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
        Ok(Self { fd })
    }

    /// Wakes after `wait`. A stale wake-up may end it early: callers look at the clock again.
    pub(crate) async fn sleep(&self, wait: Duration) -> std::io::Result<()> {
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm the timer.
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        timerfd_settime(
            self.fd.get_ref(),
            TimerfdTimerFlags::empty(),
            &Itimerspec {
                it_interval: none,
                it_value,
            },
        )?;
        // Arming again forgets the expiry, so it need not be read: the next one is a new edge.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}
