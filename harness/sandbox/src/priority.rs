//! Real-time priority for bmt's own threads, where the system allows it.
//!
//! On cores that generator and target share, a generator that queues for the CPU behind the server reports its own
//! delay as the server's. `SCHED_RR` at the lowest priority is enough to prevent that: a worker runs for microseconds
//! and sleeps again, and a worker that needs nearly a whole core makes the run INVALID anyway.
//!
//! There are two ranks. A proxy or the supervisor of a child's flushes stands for a network or a disk, which no busy
//! generator slows down, so it preempts the generator. Rejected: the same priority for both, because a busy round-robin
//! thread keeps its core for a time slice of 100 ms before another thread of the same priority has its turn.
//!
//! - What was obtained is read back from the kernel, never inferred from a call's result.
//! - `SCHED_RESET_ON_FORK`: threads and processes that a raised thread starts are ordinary again.
//! - Without the right to real time, the highest nice value is tried. Without that, the thread stays as it is, and its
//!   schedule lag tells whether that mattered.
//! - `RLIMIT_RTTIME` kills a process whose real-time thread runs for so long without sleeping. It is lifted; where it
//!   cannot be lifted, real time is not used.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};

/// Where real time is not allowed, this nice value may be.
const NICE: i32 = -20;

/// Which of bmt's threads preempts which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// A worker of the generator: before every ordinary thread.
    Generator,
    /// A thread that faults are injected with: before the generator, where two priorities are allowed.
    Injector,
}

impl Rank {
    /// Real-time priorities to try, the wanted one first.
    fn priorities(self) -> &'static [libc::c_int] {
        match self {
            Self::Generator => &[1],
            Self::Injector => &[2, 1],
        }
    }
}

/// How a thread is scheduled, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Before every ordinary thread (`SCHED_RR` or `SCHED_FIFO`).
    RealTime,
    /// With a larger share of the CPU than an ordinary thread (a negative nice value).
    Nice,
    /// Like any other thread.
    Ordinary,
}

impl Priority {
    /// How the calling thread is scheduled now; [`Priority::Ordinary`] where `/proc` cannot be read.
    #[must_use]
    pub fn current() -> Self {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        Self::of(&stat).unwrap_or(Self::Ordinary)
    }

    /// The same from the text of a `stat` file, see `proc_pid_stat(5)`.
    fn of(stat: &str) -> Option<Self> {
        // The second field is the thread's name in parentheses, and may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3)?.parse::<i64>().ok();
        let (nice, policy) = (field(19)?, field(41)?);
        let is_real_time = [libc::SCHED_FIFO, libc::SCHED_RR]
            .iter()
            .any(|real_time| i64::from(*real_time) == policy);
        Some(match nice {
            _ if is_real_time => Self::RealTime,
            ..0 => Self::Nice,
            _ => Self::Ordinary,
        })
    }
}

/// Raises the calling thread as far as it may be, and returns what it has then. A thread that is real-time already is
/// left alone.
pub fn raise(rank: Rank) -> Priority {
    if Priority::current() != Priority::RealTime && may_run_on() {
        let _ = rank
            .priorities()
            .iter()
            .any(|priority| set_policy(libc::SCHED_RR, *priority).is_ok());
    }
    if Priority::current() != Priority::RealTime {
        // Without it, children inherit the nice value.
        let _ = set_policy(libc::SCHED_OTHER, 0);
        let _ = setpriority_process(None, NICE); // on Linux: of the calling thread alone
    }
    Priority::current()
}

/// Lifts `RLIMIT_RTTIME` where it is set; says whether a real-time thread may now run without sleeping.
fn may_run_on() -> bool {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    getrlimit(Resource::Rttime).current.is_none() || setrlimit(Resource::Rttime, unlimited).is_ok()
}

/// Sets the policy of the calling thread, and that what it starts does not inherit it.
#[expect(unsafe_code, reason = "no crate sets a policy together with SCHED_RESET_ON_FORK")]
fn set_policy(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let this_thread = 0;
    // SAFETY: the kernel reads a `sched_param`, which is one integer, while `priority` lives. The C library's function
    // is not called because musl's does nothing.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            this_thread,
            policy | libc::SCHED_RESET_ON_FORK,
            &raw const priority,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, nice: i32, priority: u32, policy: u32) -> String {
        let zeros = "0 ".repeat(19);
        format!("7 ({name}) R 1 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 {nice} 1 {zeros}{priority} {policy} 0 0\n")
    }

    #[test]
    fn the_priority_is_read_from_stat_whatever_the_thread_is_called() {
        for name in ["bmt-worker-0", "a b", ") R 1 (", ""] {
            assert_eq!(Priority::of(&stat(name, 0, 1, 2)), Some(Priority::RealTime));
            assert_eq!(Priority::of(&stat(name, 0, 99, 1)), Some(Priority::RealTime));
            assert_eq!(Priority::of(&stat(name, -1, 0, 0)), Some(Priority::Nice));
            assert_eq!(Priority::of(&stat(name, 19, 0, 0)), Some(Priority::Ordinary));
            assert_eq!(Priority::of(&stat(name, 0, 0, 5)), Some(Priority::Ordinary));
        }
        assert_eq!(Priority::of(""), None);
        assert_eq!(Priority::of("7 (cut) R 1 7"), None);
    }
}
