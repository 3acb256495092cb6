//! How long this thread could have run and had to wait for a CPU, as the kernel counts it.
//!
//! A worker that the scheduler keeps waiting reads answers late, and no time stamp of its own can tell that from a slow
//! server. The kernel can: `/proc/thread-self/schedstat`. It is read when the thread wakes, at most every [`BETWEEN`],
//! and in long turns without a wake-up when an answer is complete; what has been added since the reading before is the
//! delay of that turn.
//!
//! A leaf: one file, one thread; time comes in.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Shortest time between two readings at wake-ups. What is waited in between is less than this.
const BETWEEN_NS: u64 = 100_000;
/// A turn this long is looked at again before it ends.
const LONG_TURN_NS: u64 = 1_000_000;

thread_local! {
    static THREAD: RefCell<Option<Delay<File>>> = const { RefCell::new(None) };
}

/// Where the kernel's text comes from.
trait Source {
    /// The whole text, as far as it fits; its length.
    fn read(&self, to: &mut [u8]) -> std::io::Result<usize>;
}

impl Source for File {
    fn read(&self, to: &mut [u8]) -> std::io::Result<usize> {
        self.read_at(to, 0)
    }
}

/// The delays of one thread.
#[derive(Debug)]
struct Delay<S> {
    source: S,
    read_ns: u64,
    total_ns: u64,
    turn_ns: u64,
    /// What this turn was delayed by was over by then: nothing that was sent later waited for it.
    over_ns: u64,
}

impl<S: Source> Delay<S> {
    /// `None` where the kernel does not say.
    fn new(source: S, now_ns: u64) -> Option<Self> {
        let total_ns = total_ns(&source)?;
        Some(Self {
            source,
            read_ns: now_ns,
            total_ns,
            turn_ns: 0,
            over_ns: 0,
        })
    }

    /// Another turn begins, or one goes on for long.
    fn look(&mut self, now_ns: u64) {
        self.read_ns = now_ns;
        let before_ns = self.total_ns;
        self.total_ns = total_ns(&self.source).unwrap_or(before_ns).max(before_ns);
        self.turn_ns = self.total_ns - before_ns;
        self.over_ns = now_ns;
    }

    fn woke(&mut self, now_ns: u64) {
        match now_ns.saturating_sub(self.read_ns) >= BETWEEN_NS {
            true => self.look(now_ns),
            false => self.turn_ns = 0,
        }
    }

    fn of_turn_ns(&mut self, sent_ns: u64, now_ns: u64) -> u64 {
        if now_ns.saturating_sub(self.read_ns) >= LONG_TURN_NS {
            self.look(now_ns);
        }
        if sent_ns < self.over_ns { self.turn_ns } else { 0 }
    }
}

/// The second number: nanoseconds spent on a run queue.
fn total_ns(source: &impl Source) -> Option<u64> {
    let mut text = [0; 96];
    let length = source.read(&mut text).ok()?;
    let text = std::str::from_utf8(&text[..length]).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// From now on the calling thread's delays are counted, where the kernel counts them.
pub(super) fn begin(now_ns: u64) {
    let file = File::open("/proc/thread-self/schedstat").ok();
    THREAD.set(file.and_then(|file| Delay::new(file, now_ns)));
}

/// The thread was woken.
pub(super) fn woke(now_ns: u64) {
    THREAD.with_borrow_mut(|thread| thread.iter_mut().for_each(|delay| delay.woke(now_ns)));
}

/// The delay of the loop turn in which the answer to what was sent at `sent_ns` was complete at `now_ns`, as far as it
/// was before that; 0 where it is not known.
pub(super) fn of_this_turn_ns(sent_ns: u64, now_ns: u64) -> u64 {
    THREAD.with_borrow_mut(|thread| thread.as_mut().map_or(0, |delay| delay.of_turn_ns(sent_ns, now_ns)))
}

/// All delays of the calling thread so far; `None` where the kernel does not say.
pub(super) fn so_far_ns() -> Option<u64> {
    THREAD.with_borrow(|thread| total_ns(&thread.as_ref()?.source))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    struct Says<'a>(&'a RefCell<String>);

    impl Source for Says<'_> {
        fn read(&self, to: &mut [u8]) -> std::io::Result<usize> {
            let text = self.0.borrow();
            to[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    #[test]
    fn the_delay_of_a_turn_is_what_was_added_since_the_reading_before() {
        let text = RefCell::new("9 1000 3\n".to_owned());
        let mut delay = Delay::new(Says(&text), 0).unwrap();
        *text.borrow_mut() = "9 51000 4\n".into();
        delay.woke(200_000);
        assert_eq!(delay.of_turn_ns(190_000, 210_000), 50_000);
        assert_eq!(delay.of_turn_ns(205_000, 210_000), 0, "it was sent after that");
        *text.borrow_mut() = "9 52000 5\n".into();
        delay.woke(250_000);
        assert_eq!(delay.of_turn_ns(240_000, 260_000), 0, "read shortly before");
        delay.woke(300_000);
        assert_eq!(delay.of_turn_ns(290_000, 310_000), 1_000, "and not lost");
        *text.borrow_mut() = "9 4052000 6\n".into();
        assert_eq!(
            delay.of_turn_ns(290_000, 5_000_000),
            4_000_000,
            "interrupted in the middle of a turn"
        );
    }

    #[test]
    fn a_kernel_that_does_not_say_is_not_a_delay_of_nothing() {
        for text in ["", "0", "a b c", "1 x 2"] {
            assert!(
                Delay::new(Says(&RefCell::new(text.to_owned())), 0).is_none(),
                "{text:?}"
            );
        }
        assert_eq!(so_far_ns(), None, "nothing was begun on this thread");
    }

    /// Two threads that want all of one CPU: each waits for about half of the time.
    #[test]
    fn a_thread_that_shares_its_cpu_waits_for_it() {
        let busy = || {
            let mut cpus = rustix::thread::sched_getaffinity(None).unwrap();
            let first = (0..rustix::thread::CpuSet::MAX_CPU)
                .find(|cpu| cpus.is_set(*cpu))
                .unwrap();
            cpus.clear();
            cpus.set(first);
            rustix::thread::sched_setaffinity(None, &cpus).unwrap();
            begin(0);
            let (begun, before_ns) = (Instant::now(), so_far_ns());
            while begun.elapsed() < Duration::from_millis(400) {
                std::hint::spin_loop();
            }
            before_ns
                .zip(so_far_ns())
                .map(|(before_ns, after_ns)| after_ns - before_ns)
        };
        let threads = [(); 2].map(|()| std::thread::spawn(busy));
        let waited_ns = threads.map(|thread| thread.join().unwrap());
        assert!(
            waited_ns.iter().all(|ns| ns.is_none_or(|ns| ns > 20_000_000)),
            "{waited_ns:?}"
        );
    }
}
