//! A timer of nanoseconds: `timerfd` registered with the runtime's reactor.
//!
//! The runtime's own timers tick once a millisecond, which at ten thousand arrivals a second would make every request
//! most of a millisecond late and charge that to the server.
//!
//! A thread that sleeps is awake some tens of microseconds after its timer went off: its CPU has to come back first.
//! How long that takes depends on the machine and on what else the CPU does, so [`Lead`] learns it from each sleep, and
//! the timer is set so much earlier.
//!
//! A leaf.

use std::cell::Cell;
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

/// How late sleeps have ended: the upper quartile, so that three of four are over before the time.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    ns: Cell<u64>,
}

impl Lead {
    /// What is left of a sleep when it ends early is waited for awake: never more than this.
    const MAX_NS: u64 = 40_000;
    /// A quartile is tracked by going up three steps for each value above it and down one for each below: here within
    /// some hundred sleeps.
    const STEP_NS: u64 = 250;

    pub(crate) fn ns(&self) -> u64 {
        self.ns.get()
    }

    /// A sleep ended so long after its timer went off.
    pub(crate) fn learn(&self, late_ns: u64) {
        let lead_ns = self.ns.get();
        self.ns.set(if late_ns > lead_ns {
            (lead_ns + 3 * Self::STEP_NS).min(Self::MAX_NS)
        } else {
            lead_ns.saturating_sub(Self::STEP_NS)
        });
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_the_upper_quartile_of_what_sleeps_were_late() {
        let lead = Lead::default();
        for turn in 0_u64..4_000 {
            // 10 to 30 us, evenly, out of order.
            lead.learn(10_000 + (turn * 7_919) % 20_000);
        }
        assert!((23_000..=27_000).contains(&lead.ns()), "{} ns", lead.ns());
        // A machine that is busy elsewhere makes it no longer than what may be waited for awake.
        (0..1_000).for_each(|_| lead.learn(5_000_000));
        assert_eq!(lead.ns(), Lead::MAX_NS);
        (0..1_000).for_each(|_| lead.learn(0));
        assert_eq!(lead.ns(), 0);
    }
}
