//! The detector's guarantees against a complete log of records.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::Duration;

use hotchat_policy::{DetectorSize, Heat, HotChatDetector, HotLimits, InvalidDetector, Place, SketchSize, Verdict};
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_millis(1000);
const SUB_WINDOW: Duration = Duration::from_millis(100);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn limits(fetches: u32, release: f64) -> HotLimits {
    HotLimits {
        fetches,
        window: WINDOW,
        release,
    }
}

fn detector(fetches: u32, release: f64) -> HotChatDetector {
    HotChatDetector::try_new(limits(fetches, release), DetectorSize::default(), 1).unwrap()
}

/// So narrow that chats collide all the time.
fn narrow(fetches: u32) -> HotChatDetector {
    let sketch = SketchSize {
        width_bits: 2,
        depth: 2,
        sub_windows: 10,
    };
    let size = DetectorSize { sketch, hot_max: 3 };
    HotChatDetector::try_new(limits(fetches, 0.5), size, 1).unwrap()
}

/// Records of `chat` in `[now − length, now]` of the log, which ends at `now`.
fn exact(log: &[(u64, Duration)], chat: u64, length: Duration) -> u32 {
    let now = log.last().map_or(Duration::ZERO, |record| record.1);
    let records = log.iter().filter(|(id, at)| *id == chat && now - *at <= length);
    records.count() as u32
}

/// Chats, and pauses in units of 100 µs before each record: mostly short, some as long as a sub-window or a window.
fn traffic() -> impl Strategy<Value = Vec<(u64, Duration)>> {
    let pause = prop_oneof![6 => 0_u64..200, 2 => 200_u64..2000, 1 => 5000_u64..15_000];
    let step = (0_u64..6, pause);
    prop::collection::vec(step, 1..400).prop_map(|steps| {
        let mut now = Duration::from_micros(123);
        let record = |(chat, pause)| {
            now += Duration::from_micros(pause * 100);
            (chat, now)
        };
        steps.into_iter().map(record).collect()
    })
}

proptest! {
    #[test]
    fn the_record_that_crosses_the_limit_is_told_hot(log in traffic(), fetches in 1_u32..30, collide in any::<bool>()) {
        let mut detector = if collide { narrow(fetches) } else { detector(fetches, 0.5) };
        for (at, (chat, now)) in log.iter().enumerate() {
            let verdict = detector.record(*chat, *now);
            let count = exact(&log[..=at], *chat, WINDOW);
            prop_assert!(verdict.count >= count, "estimated {} of {count}", verdict.count);
            prop_assert!(verdict.is_hot() || count <= fetches, "{count} of {fetches}: {verdict:?}");
        }
    }

    #[test]
    fn without_collisions_a_chat_is_hot_at_most_a_sub_window_too_early(log in traffic(), fetches in 1_u32..30) {
        let mut detector = detector(fetches, 0.5);
        for (at, (chat, now)) in log.iter().enumerate() {
            let verdict = detector.record(*chat, *now);
            let count = exact(&log[..=at], *chat, WINDOW + SUB_WINDOW);
            prop_assert!(verdict.count <= count, "estimated {} of {count}", verdict.count);
            if let Heat::Hot { place: Place::New, since } = verdict.heat {
                prop_assert!(count > fetches);
                prop_assert_eq!(since, *now);
            }
        }
    }

    #[test]
    fn a_chat_near_the_limit_does_not_flap(
        factors in prop::collection::vec(0.3_f64..2.2, 300..600),
        fetches in 4_u32..20,
        release in 0.1_f64..1.0,
    ) {
        let mut detector = detector(fetches, release);
        let (mut now, mut set) = (ms(0), 0);
        for factor in &factors {
            // About as many records in a window as are allowed.
            now += WINDOW.div_f64(f64::from(fetches) * factor);
            set += u32::from(matches!(detector.record(7, now).heat, Heat::Hot { place: Place::New, .. }));
        }
        // Cooled: at most `below` in the window. Hot again: more than `fetches`.
        let below = (release * f64::from(fetches)).ceil() as u32 - 1;
        let bound = 1 + (factors.len() as u32 - (fetches + 1)) / (fetches + 1 - below);
        prop_assert!(set <= bound, "{set} of {bound}");
    }
}

#[test]
fn both_sides_of_a_boundary_count_together() {
    // As many as the limit allows just before a boundary of the windows, and one more just after it.
    let mut detector = detector(100, 0.5);
    for _ in 0..100 {
        assert!(!detector.record(7, ms(999)).is_hot());
    }
    let verdict = detector.record(7, ms(1001));
    assert_eq!(verdict.count, 101);
    let hot = Heat::Hot {
        since: ms(1001),
        place: Place::New,
    };
    assert_eq!(verdict.heat, hot);
    // A record from the past counts as if it arrived with the newest.
    assert_eq!(detector.record(8, ms(1001)).heat, Heat::Quiet);
    let late = (0..100).map(|_| detector.record(8, ms(500)).heat).last();
    assert_eq!(late, Some(hot));
}

#[test]
fn a_chat_stays_hot_until_its_count_is_under_the_release() {
    let mut detector = detector(100, 0.5);
    for at in 0..101 {
        detector.record(7, ms(at * 9));
    }
    let since = ms(900);
    assert_eq!(detector.hot()[0].since, since);
    let known = Heat::Hot {
        since,
        place: Place::Known,
    };
    let verdict = detector.record(7, ms(1350));
    assert_eq!(verdict, Verdict { count: 68, heat: known }, "fewer than the limit");
    assert_eq!(detector.record(7, ms(1000)).heat, known, "from the past");
    // At 1400 ms the ten sub-windows before and the current one hold everything from 400 ms on: 56, and these two.
    assert_eq!(detector.sweep(ms(1400)), 0);
    assert_eq!(detector.hot()[0].count, 58);
    assert_eq!(detector.sweep(ms(1500)), 1, "47 are under 50");
    assert!(detector.hot().is_empty());
    for at in 0..101 {
        detector.record(7, ms(2900 + at));
    }
    assert_eq!(
        detector.record(7, ms(9000)),
        Verdict {
            count: 1,
            heat: Heat::Cooled { since: ms(3000) }
        },
        "its own next record tells as well"
    );
}

#[test]
fn chats_beyond_the_list_are_still_hot_and_counted() {
    let size = DetectorSize {
        hot_max: 2,
        ..DetectorSize::default()
    };
    let mut detector = HotChatDetector::try_new(limits(1, 1.0), size, 1).unwrap();
    for chat in [1, 2, 3] {
        detector.record(chat, ms(0));
        assert!(detector.record(chat, ms(0)).is_hot(), "{chat}");
    }
    let unlisted = detector.record(3, ms(1));
    let heat = Heat::Hot {
        since: ms(1),
        place: Place::Unlisted,
    };
    assert_eq!((unlisted.heat, detector.unlisted()), (heat, 2));
    assert_eq!(detector.hot().iter().map(|hot| hot.chat_id).collect::<Vec<_>>(), [1, 2]);
    // Once the others have cooled there is room again.
    detector.record(3, ms(2000));
    let heat = detector.record(3, ms(2000)).heat;
    assert!(matches!(heat, Heat::Hot { place: Place::New, .. }), "{heat:?}");
}

#[test]
fn new_limits_apply_to_the_next_record_and_a_new_window_keeps_hot_chats() {
    let mut detector = detector(100, 0.5);
    for _ in 0..20 {
        detector.record(7, ms(500));
    }
    detector.retune(limits(10, 0.5)).unwrap();
    assert!(detector.record(7, ms(500)).is_hot(), "21 of 10");
    let longer = HotLimits {
        window: WINDOW * 2,
        ..limits(10, 0.5)
    };
    detector.retune(longer).unwrap();
    assert!(detector.record(7, ms(600)).is_hot(), "counts start anew, hot stays hot");
    assert_eq!(detector.sweep(ms(2499)), 0);
    assert_eq!(detector.sweep(ms(2600)), 1, "the new window has been seen whole");
    assert_eq!(detector.retune(limits(0, 0.5)), Err(InvalidDetector::Fetches));
    for release in [0.0, 1.1] {
        assert_eq!(
            detector.retune(limits(1, release)),
            Err(InvalidDetector::Release(release))
        );
    }
}
