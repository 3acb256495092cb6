//! Polling several futures from one task without being woken for what has been seen already.
//!
//! A connection and the request on it wake each other at every step: the connection when the answer is there, the request when it wants
//! the body. Within one task each of these wake-ups would schedule the task once more, to find nothing to do. So while the task has its
//! turn, wake-ups only leave a note, and the turn goes on until no note is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The waker that everything polled by one task is given.
pub(super) struct Turns {
    notes: Arc<Notes>,
    waker: Waker,
}

struct Notes {
    task: Waker,
    in_turn: AtomicBool,
    woken: AtomicBool,
}

impl Wake for Notes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        if !self.in_turn.load(Ordering::Acquire) {
            self.task.wake_by_ref();
        }
    }
}

impl Turns {
    /// For the task that `context` belongs to; a task keeps its waker as long as it lives.
    pub(super) fn new(context: &Context<'_>) -> Self {
        let notes = Arc::new(Notes {
            task: context.waker().clone(),
            in_turn: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&notes));
        Self { notes, waker }
    }

    /// The waker itself, for what is not polled but wakes the task all the same.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Repeats `step` until it is ready, or until nothing that it polled asks for another turn.
    pub(super) fn poll<T>(&self, mut step: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let mut context = Context::from_waker(&self.waker);
        self.notes.in_turn.store(true, Ordering::Release);
        let polled = loop {
            self.notes.woken.store(false, Ordering::Release);
            let polled = step(&mut context);
            if polled.is_ready() || !self.notes.woken.load(Ordering::Acquire) {
                break polled;
            }
        };
        self.notes.in_turn.store(false, Ordering::Release);
        // Another thread may have left its note between the last look and the end of the turn.
        if polled.is_pending() && self.notes.woken.load(Ordering::Acquire) {
            self.notes.task.wake_by_ref();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_up_within_a_turn_gives_another_step_and_does_not_schedule_the_task() {
        let count = Arc::new(Count(0.into()));
        let task = Waker::from(Arc::clone(&count));
        let turns = Turns::new(&Context::from_waker(&task));
        let mut steps = 0;
        let mut kept = None;
        let polled: Poll<()> = turns.poll(|context| {
            steps += 1;
            if steps < 3 {
                context.waker().wake_by_ref();
            }
            kept = Some(context.waker().clone());
            Poll::Pending
        });
        assert!(polled.is_pending());
        assert_eq!((steps, count.0.load(Ordering::Relaxed)), (3, 0));
        kept.unwrap().wake();
        assert_eq!(
            count.0.load(Ordering::Relaxed),
            1,
            "between turns a wake-up schedules the task"
        );
    }
}
