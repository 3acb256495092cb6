//! The line under each policy: order, bounds, and callers who go at any moment.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use futures_util::future::join_all;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep, timeout};

use super::line::{Entry, Place, Slot};
use super::shed::Shed;
use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn admission(requests: Value) -> Admission {
    Admission::new(&serde_json::from_value(requests).unwrap())
}

fn one_slot(places: u32, wait: &str, policy: &Value) -> Admission {
    admission(json!({ "in_progress": 1, "waiting": places, "wait": wait, "policy": policy }))
}

fn policies() -> [Value; 4] {
    [
        json!("bounded_fifo"),
        json!({ "codel": {} }),
        json!({ "gradient": { "min": 1 } }),
        json!({ "dagor": {} }),
    ]
}

fn slot(admission: &Admission) -> Slot {
    match admission.line.enter(Priority::LOWEST) {
        Ok(Entry::Admitted(slot)) => slot,
        Ok(Entry::Waiting(_)) => panic!("no slot was free"),
        Err(shed) => panic!("{shed:?}"),
    }
}

fn waiting(admission: &Admission) -> Place {
    match admission.line.enter(Priority::LOWEST) {
        Ok(Entry::Waiting(place)) => place,
        Ok(Entry::Admitted(_)) => panic!("a slot was free"),
        Err(shed) => panic!("{shed:?}"),
    }
}

/// A request that waits as the server's do.
async fn request(admission: &Admission) -> Result<Slot, Shed> {
    let (gauge, deadline) = (Gauge::default(), Deadline::never());
    let slot = admission.line.slot(Priority::LOWEST, &gauge, &deadline).await;
    assert_eq!(gauge.get(), 0, "it does not wait any more");
    slot
}

#[tokio::test(start_paused = true)]
async fn the_wait_and_the_queue_are_bounded() {
    for policy in policies() {
        let admission = one_slot(1, "50ms", &policy);
        let first = request(&admission).await.unwrap();
        let started = Instant::now();
        let (second, third) = tokio::join!(request(&admission), async { request(&admission).await });
        assert_eq!(second.map(|_| ()), Err(Shed::WaitTimeout(ms(50))), "{policy}");
        assert_eq!(third.map(|_| ()), Err(Shed::QueueFull), "{policy}");
        assert_eq!(
            (started.elapsed(), admission.line.lengths()),
            (ms(50), (1, 0)),
            "{policy}"
        );
        drop(first);
        assert!(request(&admission).await.is_ok(), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_caller_gives_up_its_place() {
    for policy in policies() {
        let admission = one_slot(1, "50ms", &policy);
        let first = slot(&admission);
        assert!(timeout(ms(1), request(&admission)).await.is_err());
        assert_eq!(admission.line.lengths(), (1, 0));
        drop(first);
        assert_eq!(admission.line.lengths(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_given_to_a_caller_who_has_just_gone_goes_to_the_next() {
    for policy in policies() {
        let admission = one_slot(3, "50ms", &policy);
        let first = slot(&admission);
        let [one, other, last] = [waiting(&admission), waiting(&admission), waiting(&admission)];
        drop(first);
        assert_eq!(
            admission.line.lengths(),
            (1, 2),
            "{policy}: the slot is given, and not yet taken"
        );
        drop(one);
        assert_eq!(admission.line.lengths(), (1, 1), "{policy}");
        drop(other);
        let slot = last.slot().now_or_never().unwrap();
        assert_eq!(admission.line.lengths(), (1, 0), "{policy}");
        drop(slot);
        assert_eq!(admission.line.lengths(), (0, 0), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_overload_the_newest_goes_first_and_waits_are_short() {
    let admission = one_slot(
        10,
        "500ms",
        &json!({ "codel": { "target": "5ms", "interval": "100ms" } }),
    );
    let first = slot(&admission);
    let (old, new) = (waiting(&admission), waiting(&admission));
    drop(first);
    assert!(new.slot().now_or_never().is_none(), "first come, first served");
    let first = old.slot().now_or_never().unwrap();

    advance(ms(101)).await;
    let (old, new) = (waiting(&admission), waiting(&admission));
    assert_eq!((old.wait.max, old.wait.then), (ms(5), Shed::ControlledDelay(ms(5))));
    drop(first);
    assert!(old.slot().now_or_never().is_none(), "last come, first served");
    let first = new.slot().now_or_never().unwrap();
    drop(first);
    let _first = slot(&admission);
    assert_eq!(waiting(&admission).wait.max, ms(100), "a slot was free");
}

#[tokio::test(start_paused = true)]
async fn a_lowered_limit_takes_slots_as_they_are_returned() {
    let policy = json!({ "gradient": { "min": 2, "window": "100ms" } });
    let admission = admission(json!({ "in_progress": 100, "waiting": 100, "wait": "10s", "policy": policy }));
    assert_eq!(admission.line.present(), (2, None), "it starts with a probe");
    while admission.line.present().0 < 12 {
        let all: Vec<_> = (0..admission.line.present().0).map(|_| slot(&admission)).collect();
        advance(ms(20)).await;
        all.into_iter().for_each(|slot| slot.ended(CallEnd::Done));
    }
    let grown = admission.line.present().0;
    let mut all: Vec<_> = (0..grown).map(|_| slot(&admission)).collect();
    let place = waiting(&admission);
    advance(ms(100)).await;
    // A time-out: the limit falls, and this slot is not given to the one who waits.
    all.pop().unwrap().ended(CallEnd::Dropped);
    let fallen = admission.line.present().0;
    assert!(fallen < grown, "{fallen} of {grown}");
    assert_eq!(admission.line.lengths(), (grown - 1, 1));
    all.truncate(fallen as usize);
    assert_eq!(admission.line.lengths(), (fallen, 1));
    all.pop();
    assert!(place.slot().now_or_never().is_some());
    assert_eq!(admission.line.lengths(), (fallen - 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_least_important_do_not_even_wait() {
    let policy = json!({ "dagor": { "window_requests": 100, "down": 0.5 } });
    let admission = admission(json!({ "in_progress": 1, "waiting": 10, "wait": "500ms", "policy": policy }));
    let important = || admission.line.enter(Priority::of(0, 1, 0));
    assert_eq!(admission.line.present(), (1, Some(1024)));
    let _slot = slot(&admission);
    for _ in 0..20 {
        // The line overflows in every window.
        drop((0..11).map(|_| important()).collect::<Vec<_>>());
        (0..10).for_each(|_| drop((important(), admission.line.enter(Priority::LOWEST))));
    }
    assert!(matches!(admission.line.enter(Priority::LOWEST), Err(Shed::LowPriority)));
    assert!(matches!(important(), Ok(Entry::Waiting(_))));
    let level = admission.line.present().1.unwrap();
    assert!((1..1024).contains(&level), "{level}");
}

/// Counts those inside until dropped.
struct Inside(Arc<AtomicU32>);

impl Inside {
    fn enter(inside: &Arc<AtomicU32>, slots: u32) -> Self {
        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= slots, "{now} at {slots} slots");
        Self(Arc::clone(inside))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// 64 callers at a few slots, each again and again, who go at any moment: before, while and after they get a slot.
async fn storm(admission: &Arc<Admission>, slots: u32, tick: Duration) -> u32 {
    let (inside, served) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let callers = (0..64).map(|seed| {
        let (admission, inside, served) = (Arc::clone(admission), Arc::clone(&inside), Arc::clone(&served));
        tokio::spawn(async move {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            for _ in 0..200 {
                let (patience, work) = (rng.random_range(0..20), rng.random_range(0..5));
                let one = async {
                    let Ok(slot) = request(&admission).await else { return };
                    let inside = Inside::enter(&inside, slots); // and dropped before the slot
                    sleep(tick * work).await;
                    served.fetch_add(1, Ordering::Relaxed);
                    drop(inside);
                    slot.ended(CallEnd::Done);
                };
                drop(timeout(tick * patience, one).await);
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    served.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn no_slot_is_lost_however_callers_come_and_go() {
    for policy in policies() {
        let admission = json!({ "in_progress": 4, "waiting": 40, "wait": "10ms", "policy": policy });
        let admission = Arc::new(self::admission(admission));
        let served = storm(&admission, 4, ms(1)).await;
        assert!(served > 500, "{policy}: {served}");
        assert_eq!(admission.line.lengths(), (0, 0), "{policy}");
        assert!(request(&admission).await.is_ok(), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_lost_between_threads() {
    for policy in policies() {
        let admission = json!({ "in_progress": 4, "waiting": 40, "wait": "10ms", "policy": policy });
        let admission = Arc::new(self::admission(admission));
        let served = storm(&admission, 4, Duration::from_micros(50)).await;
        assert!(served > 100, "{policy}: {served}");
        assert_eq!(admission.line.lengths(), (0, 0), "{policy}");
    }
}
