//! The limiter's guarantees against a complete log of admissions.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hotchat_policy::{Admitted, InvalidLimit, LimitSize, SketchSize, SlidingLimit, TooMany, WindowLimit};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const WINDOW: Duration = Duration::from_secs(1);
const SUB_WINDOW: Duration = Duration::from_millis(25);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn limit(count: u32) -> WindowLimit {
    WindowLimit::try_new(count, WINDOW).unwrap()
}

fn limiter() -> SlidingLimit {
    SlidingLimit::try_new(LimitSize::default(), 1).unwrap()
}

/// So narrow that chats collide all the time.
fn narrow() -> SlidingLimit {
    let sketch = SketchSize {
        width_bits: 2,
        depth: 2,
        sub_windows: 10,
    };
    SlidingLimit::try_new(LimitSize { stripe_bits: 1, sketch }, 1).unwrap()
}

/// The maximum number of one chat's admissions in any window.
fn most_in_a_window(times: &mut [Duration], window: Duration) -> usize {
    times.sort_unstable();
    let from = |first: usize| {
        times[first..]
            .iter()
            .take_while(|at| **at - times[first] <= window)
            .count()
    };
    (0..times.len()).map(from).max().unwrap_or(0)
}

/// Chats, and the time in units of 100 µs by which the clock moves forwards or backwards before each attempt: callers
/// read the clock before they take the lock.
fn tries() -> impl Strategy<Value = Vec<(u64, i64)>> {
    let step = prop_oneof![6 => 0_i64..60, 2 => 60_i64..700, 1 => 5000_i64..15_000, 2 => -3000_i64..0];
    prop::collection::vec((0_u64..5, step), 1..600)
}

proptest! {
    #[test]
    fn no_window_holds_more_than_the_limit(tries in tries(), count in 0_u32..25, collide in any::<bool>()) {
        let limiter = if collide { narrow() } else { limiter() };
        let (mut clock, mut admitted) = (20_000_i64, HashMap::<u64, Vec<Duration>>::new());
        for (chat, step) in tries {
            clock += step;
            let now = Duration::from_micros(clock.unsigned_abs() * 100);
            match limiter.admit(chat, limit(count), now) {
                Ok(Admitted { at, .. }) => {
                    prop_assert!(at >= now);
                    admitted.entry(chat).or_default().push(at);
                }
                Err(TooMany { retry_after }) => {
                    let again = now + retry_after;
                    prop_assert!(count == 0 || limiter.check(chat, limit(count), again).is_ok());
                    clock = clock.max(i64::try_from(again.as_micros() / 100).unwrap());
                }
            }
        }
        for (chat, mut times) in admitted {
            let most = most_in_a_window(&mut times, WINDOW);
            prop_assert!(most <= count as usize, "{most} of {count} for chat {chat}");
        }
    }

    #[test]
    fn a_change_of_the_window_forgets_nothing_that_still_counts(
        changes in prop::collection::vec((1_u64..8, 0_u64..900), 1..40),
        count in 1_u32..10,
    ) {
        let limiter = limiter();
        let (mut now, mut times) = (ms(5000), Vec::new());
        for (length, pause) in changes {
            now += ms(pause);
            let changed = WindowLimit::try_new(count, WINDOW * u32::try_from(length).unwrap()).unwrap();
            for _ in 0..3 {
                times.extend(limiter.admit(7, changed, now).map(|admitted| admitted.at));
            }
        }
        // The shortest window holds through all changes.
        prop_assert!(most_in_a_window(&mut times, WINDOW) <= count as usize);
    }
}

#[test]
fn no_window_exceeds_the_limit_under_threads() {
    const COUNT: u32 = 50;
    for (seed, limiter) in [(1, limiter()), (2, narrow())] {
        let clock = AtomicU64::new(1_000_000);
        let work = |thread: u64| {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed * 100 + thread);
            let mut admitted = Vec::new();
            for _ in 0..60_000 {
                let now = clock.fetch_add(rng.random_range(0..30), Ordering::Relaxed);
                // The time a thread has read may be old by the time it takes the lock.
                let now = now
                    - if rng.random_bool(0.1) {
                        rng.random_range(0..400_000)
                    } else {
                        0
                    };
                let chat = rng.random_range(0..4);
                let tried = limiter.admit(chat, limit(COUNT), Duration::from_micros(now));
                admitted.extend(tried.map(|admitted| (chat, admitted.at)));
            }
            admitted
        };
        let logs: Vec<Vec<(u64, Duration)>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut all = 0;
        for chat in 0..4 {
            let mut times: Vec<Duration> = logs
                .iter()
                .flatten()
                .filter(|(of, _)| *of == chat)
                .map(|(_, at)| *at)
                .collect();
            all += times.len();
            let most = most_in_a_window(&mut times, WINDOW);
            assert!(most <= COUNT as usize, "{most} of {COUNT} for chat {chat}");
        }
        assert!(all > 4 * COUNT as usize, "{all}: some windows were used");
    }
}

#[test]
fn a_chat_in_constant_demand_gets_nearly_all_of_the_limit() {
    for (each_us, count) in [(100, 300), (1000, 300), (37, 7), (3000, 300)] {
        let limiter = limiter();
        let tries = 20_000_000 / each_us;
        let admitted = (0..tries).filter(|number| {
            let now = Duration::from_micros(1_000_003 + number * each_us);
            limiter.admit(7, limit(count), now).is_ok()
        });
        let share = admitted.count() as f64 / (20.0 * f64::from(count));
        assert!(share >= 0.95, "{share} of {count} with a try each {each_us} µs");
    }
}

#[test]
fn losses_by_collisions_are_within_the_bound() {
    // 100,000 joins of as many chats within one window, and a hundred chats with a limit of 300 that take all they can
    // get.
    let limiter = limiter();
    for chat in 0..100_000 {
        assert!(limiter.admit(1_000_000 + chat, limit(300), ms(500)).is_ok(), "{chat}");
    }
    let error_max = std::f64::consts::E / 1024.0 * 100_000.0 / 8.0 * 1.1; // stripes are not perfectly even
    let got = |chat: u64| {
        (0..300)
            .filter(|_| limiter.admit(chat, limit(300), ms(600)).is_ok())
            .count()
    };
    let over = (0..100).filter(|chat| (300 - got(*chat)) as f64 > error_max).count();
    assert!(
        over <= 6,
        "{over} of a hundred lost more than {error_max}: expected are two"
    );
}

#[test]
fn a_rejected_caller_learns_when_to_retry() {
    let limiter = limiter();
    for at in [0, 10, 400] {
        limiter.admit(7, limit(3), ms(at)).unwrap();
    }
    let refused = limiter.admit(7, limit(3), ms(500)).unwrap_err();
    assert_eq!(refused.retry_after, ms(1025 - 500), "the first two share a sub-window");
    assert_eq!(limiter.check(7, limit(3), ms(1024)).unwrap_err().retry_after, ms(1));
    assert!(limiter.check(7, limit(3), ms(1025)).is_ok(), "a check counts nothing");
    let admitted = limiter.admit(7, limit(3), ms(1025)).unwrap();
    assert_eq!((admitted.at, admitted.count), (ms(1025), 2));
    let stale = limiter.admit(7, limit(3), ms(900)).unwrap();
    assert_eq!(stale.at, ms(1025), "the later time was known");
    let lowered = limiter.admit(7, limit(1), ms(1025)).unwrap_err();
    assert_eq!(
        lowered.retry_after,
        WINDOW + SUB_WINDOW,
        "all three have to leave the window"
    );
    assert!(
        limiter.admit(7, limit(4), ms(1025)).is_ok(),
        "a raised limit applies at once"
    );
    assert!(limiter.admit(8, limit(1), ms(1025)).is_ok(), "another chat");
    assert!(limiter.admit(8, limit(0), ms(9000)).is_err(), "nothing at all");
}

#[test]
fn events_counted_without_admission_use_up_the_limit() {
    let limiter = limiter();
    for _ in 0..5 {
        limiter.count(7, limit(3), ms(100));
    }
    assert_eq!(limiter.check(7, limit(3), ms(100)).unwrap_err().retry_after, ms(1025));
    assert!(limiter.check(7, limit(6), ms(100)).is_ok());
}

#[test]
fn invalid_parameters_are_rejected() {
    for window in [Duration::ZERO, Duration::from_secs(86_401)] {
        assert_eq!(WindowLimit::try_new(1, window), Err(InvalidLimit::Window(window)));
    }
    let size = LimitSize {
        stripe_bits: 9,
        ..LimitSize::default()
    };
    assert_eq!(SlidingLimit::try_new(size, 1).unwrap_err(), InvalidLimit::Stripes(9));
}
