//! The bulkhead against a model, and under threads.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use hotchat_policy::{Bulkhead, BulkheadFull, BulkheadLimits, Entry, Queued, Slot};
use proptest::prelude::*;

fn limits(in_progress: u32, waiting: u32) -> BulkheadLimits {
    BulkheadLimits { in_progress, waiting }
}

/// Records that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A waiting call that has been polled once.
struct Waiting<'a> {
    queued: Queued<'a>,
    flag: Arc<Flag>,
}

impl<'a> Waiting<'a> {
    fn new(mut queued: Queued<'a>) -> Self {
        let flag = Arc::new(Flag::default());
        assert!(poll(&mut queued, &flag).is_none());
        Self { queued, flag }
    }

    fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }
}

fn poll<'a>(queued: &mut Queued<'a>, flag: &Arc<Flag>) -> Option<Slot<'a>> {
    let waker = Waker::from(Arc::clone(flag));
    match Pin::new(queued).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

fn entered(bulkhead: &Bulkhead) -> Slot<'_> {
    match bulkhead.enter().unwrap() {
        Entry::Entered(slot) => slot,
        Entry::Queued(_) => panic!("no slot was free"),
    }
}

fn queued(bulkhead: &Bulkhead) -> Queued<'_> {
    match bulkhead.enter().unwrap() {
        Entry::Entered(_) => panic!("a slot was free"),
        Entry::Queued(queued) => queued,
    }
}

#[test]
fn slots_and_queue_are_bounded_and_first_come_first_served() {
    let bulkhead = Bulkhead::new(limits(1, 2));
    let slot = entered(&bulkhead);
    let (mut first, mut second) = (Waiting::new(queued(&bulkhead)), Waiting::new(queued(&bulkhead)));
    let full = BulkheadFull {
        in_progress: 1,
        waiting: 2,
    };
    assert_eq!(bulkhead.enter().map(|_| ()).unwrap_err(), full);
    drop(slot);
    assert!(first.is_woken() && !second.is_woken());
    assert!(matches!(bulkhead.enter(), Ok(Entry::Queued(_))), "nobody overtakes");
    let slot = poll(&mut first.queued, &first.flag).unwrap();
    assert!(poll(&mut second.queued, &second.flag).is_none());
    drop(slot);
    assert!(second.is_woken());
    drop(second); // had a slot and never took it
    assert_eq!((bulkhead.in_progress(), bulkhead.waiting()), (0, 0));
}

#[test]
fn without_a_queue_calls_are_rejected_at_once() {
    let bulkhead = Bulkhead::new(limits(0, 0));
    let slot = entered(&bulkhead);
    assert!(bulkhead.enter().is_err());
    drop(slot);
    drop(entered(&bulkhead));
}

#[test]
fn new_limits_admit_waiting_calls_and_end_none() {
    let bulkhead = Bulkhead::new(limits(1, 3));
    let slot = entered(&bulkhead);
    let waiting: Vec<_> = (0..3).map(|_| Waiting::new(queued(&bulkhead))).collect();
    bulkhead.retune(limits(3, 0));
    assert_eq!(
        waiting.iter().map(Waiting::is_woken).collect::<Vec<_>>(),
        [true, true, false]
    );
    bulkhead.retune(limits(1, 0));
    assert_eq!((bulkhead.in_progress(), bulkhead.waiting()), (3, 1));
    drop(slot);
    assert!(!waiting[2].is_woken(), "two are in progress, one may be");
    drop(waiting);
    assert_eq!((bulkhead.in_progress(), bulkhead.waiting()), (0, 0));
}

/// A test step.
#[derive(Debug, Clone)]
enum Step {
    Enter,
    /// A call in progress leaves.
    Leave(usize),
    /// A waiting call is polled.
    Poll(usize),
    Cancel(usize),
    Retune(u32, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Enter),
        4 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (1_u32..5, 0_u32..5).prop_map(|(slots, places)| Step::Retune(slots, places)),
    ];
    prop::collection::vec(step, 1..300)
}

/// Calls in progress and waiting, by number.
#[derive(Debug)]
struct Model {
    limits: BulkheadLimits,
    in_progress: Vec<u32>,
    queue: VecDeque<u32>,
}

impl Model {
    fn fill(&mut self) {
        while self.in_progress.len() < self.limits.in_progress as usize {
            let Some(first) = self.queue.pop_front() else { return };
            self.in_progress.push(first);
        }
    }

    fn gone(&mut self, who: u32) {
        self.in_progress.retain(|other| *other != who);
        self.queue.retain(|other| *other != who);
        self.fill();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_says(steps in steps(), slots in 1_u32..5, places in 0_u32..5) {
        let bulkhead = Bulkhead::new(limits(slots, places));
        let mut model = Model { limits: limits(slots, places), in_progress: Vec::new(), queue: VecDeque::new() };
        let mut inside: Vec<(u32, Slot<'_>)> = Vec::new();
        let mut waiting: Vec<(u32, Waiting<'_>)> = Vec::new();
        for (who, step) in (0..).zip(steps) {
            match step {
                Step::Enter => {
                    let free = model.queue.is_empty() && model.in_progress.len() < model.limits.in_progress as usize;
                    let place = model.queue.len() < model.limits.waiting as usize;
                    match bulkhead.enter() {
                        Ok(Entry::Entered(slot)) => {
                            prop_assert!(free);
                            model.in_progress.push(who);
                            inside.push((who, slot));
                        }
                        Ok(Entry::Queued(queued)) => {
                            prop_assert!(!free && place);
                            model.queue.push_back(who);
                            waiting.push((who, Waiting::new(queued)));
                        }
                        Err(full) => {
                            prop_assert!(!free && !place);
                            prop_assert_eq!(full.in_progress as usize, model.in_progress.len());
                        }
                    }
                }
                Step::Leave(at) if !inside.is_empty() => model.gone(inside.swap_remove(at % inside.len()).0),
                Step::Cancel(at) if !waiting.is_empty() => model.gone(waiting.swap_remove(at % waiting.len()).0),
                Step::Poll(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    let (who, Waiting { queued, flag }) = &mut waiting[at];
                    let slot = poll(queued, flag);
                    prop_assert_eq!(slot.is_some(), model.in_progress.contains(who));
                    if let Some(slot) = slot {
                        inside.push((*who, slot));
                        waiting.swap_remove(at);
                    }
                }
                Step::Retune(slots, places) => {
                    model.limits = limits(slots, places);
                    bulkhead.retune(model.limits);
                    model.fill();
                }
                Step::Leave(_) | Step::Cancel(_) | Step::Poll(_) => {}
            }
            prop_assert_eq!(bulkhead.in_progress() as usize, model.in_progress.len());
            prop_assert_eq!(bulkhead.waiting() as usize, model.queue.len());
            for (who, waiting) in &waiting {
                prop_assert_eq!(waiting.is_woken(), model.in_progress.contains(who), "every holder of a slot was woken");
            }
        }
        drop((inside, waiting));
        prop_assert_eq!((bulkhead.in_progress(), bulkhead.waiting()), (0, 0));
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the slot; gives up after `patience` wake-ups or polls.
fn wait<'a>(mut queued: Queued<'a>, patience: u32) -> Option<Slot<'a>> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    for _ in 0..patience {
        if let Poll::Ready(slot) = Pin::new(&mut queued).poll(&mut context) {
            return Some(slot);
        }
        thread::yield_now();
    }
    None
}

/// Waits as long as it takes.
fn wait_for<'a>(mut queued: Queued<'a>) -> Slot<'a> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::new(&mut queued).poll(&mut context) {
            Poll::Ready(slot) => return slot,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn threads_never_exceed_the_bound_and_no_waiter_is_lost() {
    let bulkhead = Bulkhead::new(limits(3, 4));
    let (inside, most, refused, entered) = (
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
    );
    thread::scope(|scope| {
        for number in 0..12 {
            let (bulkhead, inside, most, refused, entered) = (&bulkhead, &inside, &most, &refused, &entered);
            scope.spawn(move || {
                for turn in 0..2000 {
                    let slot = match bulkhead.enter() {
                        Ok(Entry::Entered(slot)) => Some(slot),
                        // A lost wake-up would hang the test here.
                        Ok(Entry::Queued(queued)) if (turn + number) % 3 == 0 => Some(wait_for(queued)),
                        Ok(Entry::Queued(queued)) => wait(queued, turn % 5),
                        Err(_) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            thread::yield_now();
                            None
                        }
                    };
                    if slot.is_some() {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        entered.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                    drop(slot);
                }
            });
        }
    });
    assert_eq!(most.into_inner(), 3, "the bound, and it was reached");
    assert!(entered.into_inner() > 1000 && refused.into_inner() > 0);
    assert_eq!((bulkhead.in_progress(), bulkhead.waiting()), (0, 0));
}
