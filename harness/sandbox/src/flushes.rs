//! Flushes to the disk of one child, made slower on request: `fsync`, `fdatasync` and `msync`.
//!
//! This rehearses a slow disk without root and without a device to slow down. The kernel is asked (seccomp user
//! notification) to hold these calls of the child and of its threads until a supervising thread continues them, at once
//! or after a delay. No flush is made twice or left out, and the flushes of several threads wait at the same time, as
//! they would for a disk.
//!
//! How the child gets the filter: a filter belongs to a *thread* and is inherited by what that thread starts. So a
//! thread of our own installs it, starts the child, and ends. Nothing has to run between `fork` and `exec`, and the
//! descriptor that the kernel notifies is ours from the beginning.
//!
//! The supervisor preempts the generator where real time is allowed ([`crate::priority`]): a disk does not get slower
//! because the generator is busy.
//!
//! If the supervisor goes away, the kernel answers held and further calls with `ENOSYS`: a flush then fails, rather
//! than seem to have been made. That happens only when our whole process ends, and then the reaper kills the child.
//!
//! Rejected: a preloaded library (it needs a C compiler, and statically linked servers do not see it); FUSE and device
//! mapper (root, or a device); `ptrace` (stops the child at each call, and there is only one tracer).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::priority::{Rank, raise};

/// As the kernel names the instruction set that this program was built for; no other can make calls here.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xC000_003E)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_00B7)
} else {
    None
};

/// Offsets in the kernel's `seccomp_data`.
const CALL_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// Supervises the flushes of one child; ends when dropped.
#[derive(Debug)]
pub(crate) struct Flushes {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    delay_ns: AtomicU64,
    is_over: AtomicBool,
    /// Wakes the supervisor when something above has changed.
    changed: OwnedFd,
}

impl Flushes {
    /// Runs `start`, which starts the child, and supervises the child's flushes from then on.
    ///
    /// # Errors
    /// When the kernel refuses the filter, or there is no thread.
    pub(crate) fn supervise<T: Send>(start: impl FnOnce() -> T + Send) -> io::Result<(T, Self)> {
        let (started, listener) = on_filtered_thread(start)?;
        let shared = Arc::new(Shared {
            delay_ns: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            changed: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let supervisor = Supervisor {
            listener,
            shared: Arc::clone(&shared),
            held: BinaryHeap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("bmt-flushes".to_owned())
            .spawn(move || supervisor.run())?;
        let thread = Some(thread);
        Ok((started, Self { shared, thread }))
    }

    /// How much longer each flush takes from now on. Zero also releases those that wait.
    pub(crate) fn set_delay(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.shared.delay_ns.store(nanos, Ordering::Relaxed);
        self.shared.wake();
    }

    /// How much longer each flush takes now.
    pub(crate) fn delay(&self) -> Duration {
        self.shared.delay()
    }
}

impl Drop for Flushes {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was reported when it did.
            let _ = thread.join();
        }
    }
}

/// Whether flushes can be delayed here.
///
/// # Errors
/// With the kernel's reason and what to do.
pub fn can_delay_flushes() -> Result<(), String> {
    on_filtered_thread(|| ()).map(drop).map_err(|error| remedy(&error))
}

/// The kernel's reason, and what to do about it.
pub(crate) fn remedy(error: &io::Error) -> String {
    format!(
        "flushes cannot be delayed here: {error}; `slow_disk` needs Linux 5.5 or newer on x86-64 or ARM64, and a container whose seccomp profile \
         allows seccomp(2) and supervises nothing itself"
    )
}

impl Shared {
    fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay_ns.load(Ordering::Relaxed))
    }

    fn wake(&self) {
        // It fails only where it has been woken 2^64 times already.
        let _ = rustix::io::write(&self.changed, &1_u64.to_ne_bytes());
    }
}

struct Supervisor {
    listener: OwnedFd,
    shared: Arc<Shared>,
    /// Calls that wait, by the moment at which they may go on.
    held: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Supervisor {
    fn run(mut self) {
        raise(Rank::Injector);
        while !self.shared.is_over.load(Ordering::Relaxed) {
            self.release();
            let next = self.held.peek().map(|Reverse((due, _))| *due);
            let wait = next.map(|due| due.saturating_duration_since(Instant::now()));
            let wait = wait.map(|wait| Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(wait.subsec_nanos()),
            });
            let mut sources = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&self.shared.changed, PollFlags::IN),
            ];
            if poll(&mut sources, wait.as_ref()).is_err() {
                continue; // interrupted by a signal
            }
            let [calls, changes] = sources.map(|source| source.revents());
            if changes.contains(PollFlags::IN) {
                let _ = rustix::io::read(&self.shared.changed, &mut [0_u8; 8]);
            }
            if calls.contains(PollFlags::IN) {
                self.hold();
            } else if !calls.is_empty() {
                return; // the last thread under the filter has ended
            }
        }
    }

    /// Takes the next call.
    fn hold(&mut self) {
        // `None`: its thread was killed or interrupted meanwhile.
        if let Some(call) = receive(&self.listener) {
            match self.shared.delay() {
                Duration::ZERO => go_on(&self.listener, call),
                delay => self.held.push(Reverse((Instant::now() + delay, call))),
            }
        }
    }

    /// Continues the calls that have waited long enough.
    fn release(&mut self) {
        let all = self.shared.delay().is_zero();
        let now = Instant::now();
        while let Some(Reverse((due, call))) = self.held.peek().copied()
            && (all || due <= now)
        {
            self.held.pop();
            go_on(&self.listener, call);
        }
    }
}

/// Runs `work` on a thread whose flushes, and those of every process that it starts, are held until the owner of the
/// returned descriptor continues them.
fn on_filtered_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<(T, OwnedFd)> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            let listener = install()?;
            Ok((work(), listener))
        })?;
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
    })
}

/// Which calls are held: the flushes, by their numbers.
fn program(architecture: u32) -> [libc::sock_filter; 8] {
    let statement = |code: u32, value: u32| jump(code, value, 0, 0);
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let done = libc::BPF_RET | libc::BPF_K;
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    [
        statement(load, ARCHITECTURE_AT),
        jump(equal, architecture, 0, 4),
        statement(load, CALL_AT),
        jump(equal, number(libc::SYS_fsync), 3, 0),
        jump(equal, number(libc::SYS_fdatasync), 2, 0),
        jump(equal, number(libc::SYS_msync), 1, 0),
        statement(done, libc::SECCOMP_RET_ALLOW),
        statement(done, libc::SECCOMP_RET_USER_NOTIF),
    ]
}

/// An instruction that skips `then` others where the comparison holds, and `otherwise` where it does not.
fn jump(code: u32, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: then,
        jf: otherwise,
        k: value,
    }
}

/// Puts this thread under the filter, for good.
#[expect(
    unsafe_code,
    reason = "no crate installs a filter and hands over what the kernel notifies"
)]
fn install() -> io::Result<OwnedFd> {
    let architecture = ARCHITECTURE.ok_or(io::ErrorKind::Unsupported)?;
    // Without it only root may install a filter; a database gains no privileges when it starts.
    rustix::thread::set_no_new_privs(true)?;
    let mut instructions = program(architecture);
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).unwrap_or(u16::MAX),
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: `program` and what it points to live until the call returns, and the kernel copies them.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just opened it for us, closed on `exec`, and nothing else owns it.
        Ok(descriptor @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The next held call.
#[expect(unsafe_code, reason = "an ioctl that no crate wraps")]
fn receive(listener: &OwnedFd) -> Option<u64> {
    // SAFETY: all fields are integers, and the kernel wants zeros.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `seccomp_notif`, which `call` is.
    let done = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    (done == 0).then_some(call.id)
}

/// Continues a held call as if it had not been held. If its thread has ended meanwhile, nothing happens.
#[expect(unsafe_code, reason = "an ioctl that no crate wraps")]
fn go_on(listener: &OwnedFd, call: u64) {
    let answer = libc::seccomp_notif_resp {
        id: call,
        val: 0,
        error: 0,
        flags: u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(0),
    };
    // SAFETY: the kernel reads one `seccomp_notif_resp`, which `answer` is.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::priority::Priority;

    const DELAY: Duration = Duration::from_millis(500);

    /// A shell that, once it is told to, flushes a file of its own from several processes at once.
    fn flushing(files: &tempfile::TempDir, times: u32) -> (Child, Flushes) {
        let script = format!(
            "read _; for n in $(seq {times}); do dd if=/dev/zero of={}/$n bs=1 count=1 conv=fsync & all=\"$all $!\"; done; \
             for one in $all; do wait $one || exit 1; done",
            files.path().display()
        );
        let start = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null());
            shell.spawn().unwrap()
        };
        Flushes::supervise(start).unwrap()
    }

    fn tell(shell: &mut Child) {
        shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    #[test]
    fn several_flushes_wait_at_the_same_time() {
        let files = tempfile::tempdir().unwrap();
        let (mut shell, flushes) = flushing(&files, 8);
        flushes.set_delay(DELAY);
        let begun = Instant::now();
        tell(&mut shell);
        assert!(shell.wait().unwrap().success());
        let took = begun.elapsed();
        assert!(took >= DELAY && took < DELAY * 4, "8 flushes: {took:?}");
    }

    #[test]
    fn a_flush_without_a_supervisor_fails_and_does_not_hang() {
        let files = tempfile::tempdir().unwrap();
        let (mut shell, flushes) = flushing(&files, 1);
        flushes.set_delay(Duration::from_secs(3600));
        tell(&mut shell);
        // The file is written before it is flushed.
        let file = files.path().join("1");
        let begun = Instant::now();
        while !file.metadata().is_ok_and(|file| file.len() == 1) {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(flushes);
        assert!(
            !shell.wait().unwrap().success(),
            "a flush that was not made must not look like one"
        );
    }

    #[test]
    fn the_supervisor_is_scheduled_like_an_injector() {
        let wanted = std::thread::spawn(|| (raise(Rank::Injector), real_time_priority("/proc/thread-self")));
        let wanted = wanted.join().unwrap();
        if wanted.0 != Priority::RealTime {
            eprintln!("SKIPPED, NOTHING WAS TESTED: this process may not use real-time priorities");
            return;
        }
        let ((), _flushes) = Flushes::supervise(|| ()).unwrap();
        let begun = Instant::now();
        while !supervisors().contains(&wanted.1) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", supervisors());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Field 40 of a thread's `stat` file.
    fn real_time_priority(task: &str) -> u32 {
        let stat = std::fs::read_to_string(format!("{task}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields
            .split_whitespace()
            .nth(37)
            .map_or(0, |field| field.parse().unwrap())
    }

    fn supervisors() -> Vec<u32> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks
            .map(|task| task.path().display().to_string())
            .filter(|task| std::fs::read_to_string(format!("{task}/comm")).is_ok_and(|comm| comm == "bmt-flushes\n"))
            .map(|task| real_time_priority(&task))
            .collect()
    }

    #[test]
    fn this_thread_is_left_alone() {
        can_delay_flushes().unwrap();
        tempfile::tempfile().unwrap().sync_all().unwrap();
    }
}
