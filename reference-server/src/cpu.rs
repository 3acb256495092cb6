//! Burns CPU on purpose: for tests of a harness, and for the gateway's stand-in, whose handshakes cost what they cost.
//!
//! The time is counted on the clock of the thread's CPU time, so a preempted or descheduled thread does not burn less.
//! Between two chunks the task yields, so that it does not keep other tasks from its runtime thread for longer than one
//! chunk.
//!
//! Rejected: sleeping, which costs time and no CPU; a fixed number of iterations, whose cost depends on the machine.

use std::hint::spin_loop;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Long enough that reading the clock and yielding cost little of it.
const CHUNK: Duration = Duration::from_micros(100);

/// Burns that much CPU time of whatever threads run the task.
pub(crate) async fn burn(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let burnt = spin(left.min(CHUNK));
        left = left.saturating_sub(burnt);
        if !left.is_zero() {
            // The next chunk may run on another thread: each is measured on its own.
            tokio::task::yield_now().await;
        }
    }
}

/// Spins for that much CPU time of the calling thread; returns what it took.
fn spin(time: Duration) -> Duration {
    let started = thread_cpu();
    loop {
        let burnt = thread_cpu().saturating_sub(started);
        if burnt >= time {
            return burnt;
        }
        spin_loop();
    }
}

/// CPU time that the calling thread has used.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn exactly_the_asked_cpu_time_is_burnt() {
        let started = thread_cpu();
        burn(Duration::ZERO).await;
        let nothing = thread_cpu() - started;
        burn(Duration::from_millis(10)).await;
        let burnt = thread_cpu() - started;
        assert!(nothing < Duration::from_millis(5), "{nothing:?}");
        assert!(
            (Duration::from_millis(10)..Duration::from_millis(40)).contains(&burnt),
            "{burnt:?}"
        );
    }

    #[tokio::test]
    async fn other_tasks_run_between_chunks() {
        let burning = tokio::spawn(burn(Duration::from_millis(10)));
        let mut turns = 0;
        while !burning.is_finished() {
            turns += 1;
            tokio::task::yield_now().await;
        }
        assert!(turns >= 20, "{turns} turns");
    }
}
