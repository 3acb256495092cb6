//! The gradient limit.

use std::time::Duration;

use hotchat_policy::{CallEnd, GradientLimit, GradientRules, InvalidGradient};
use proptest::prelude::*;

use crate::fairness::jain;
use crate::simulation::{Load, Policy, Request, SERVICE, any_of, mostly_attackers, plain_fifo, run};

const RULES: GradientRules = GradientRules {
    min: 8,
    max: 1000,
    tolerance: 1.5,
    backoff: 0.9,
    window: ms(100),
    probe: Duration::from_secs(10),
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> GradientLimit {
    GradientLimit::try_new(RULES, Duration::ZERO).unwrap()
}

/// A window of calls that all take `latency`, with up to `in_progress` at a time; returns its end, and the window's.
fn calls(policy: &mut GradientLimit, from: Duration, latency: Duration, in_progress: u32, end: CallEnd) -> Duration {
    let (middle, last) = (from + RULES.window / 2, from + RULES.window);
    (0..in_progress).for_each(|_| policy.began(from));
    for _ in 0..19 {
        policy.ended(middle.saturating_sub(latency), end, middle);
        policy.began(middle);
    }
    (1..in_progress).for_each(|_| policy.ended(from, CallEnd::Unknown, middle));
    policy.ended(last.saturating_sub(latency), end, last);
    last
}

/// A policy that has learnt a latency of 10 ms without contention; the limit is `min`, and a window begins.
fn learnt() -> (GradientLimit, Duration) {
    let mut policy = policy();
    (0..50).for_each(|_| policy.began(ms(90)));
    (0..50).for_each(|_| policy.ended(ms(90), CallEnd::Done, ms(100)));
    assert_eq!((policy.long(), policy.limit()), (Some(ms(10)), 8));
    (policy, ms(100))
}

#[test]
fn a_limit_that_is_reached_grows_by_its_root_until_calls_become_slower() {
    let (mut policy, mut now) = learnt();
    now = calls(&mut policy, now, ms(10), 8, CallEnd::Done);
    assert_eq!(policy.limit(), 10, "8 + √8 = 10.8");
    now = calls(&mut policy, now, ms(15), 10, CallEnd::Done);
    assert_eq!(policy.limit(), 14, "10.8 + √10.8 = 14.1: within the tolerance");
    now = calls(&mut policy, now, ms(30), 14, CallEnd::Done);
    assert_eq!(policy.limit(), 10, "14.1 / 2 + √14.1 = 10.8");
    now = calls(&mut policy, now, ms(300), 10, CallEnd::Done);
    assert_eq!(policy.limit(), 8, "10.8 / 2 + √10.8 = 8.7: it at most halves");
    calls(&mut policy, now, ms(300), 8, CallEnd::Done);
    assert_eq!(policy.limit(), 8, "the minimum");
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    let (mut policy, mut now) = learnt();
    for in_progress in [1, 4, 7] {
        for _ in 0..100 {
            now = calls(&mut policy, now, ms(10), in_progress, CallEnd::Done);
        }
        assert_eq!(policy.limit(), 8, "{in_progress} in progress");
    }
}

#[test]
fn calls_that_all_time_out_together_do_not_raise_the_limit() {
    let (mut policy, mut now) = learnt();
    for _ in 0..20 {
        let limit = policy.limit();
        now = calls(&mut policy, now, ms(10), limit, CallEnd::Done);
    }
    let mut before = policy.limit();
    assert!(before > 50, "{before}");
    for _ in 0..100 {
        now = calls(&mut policy, now, ms(500), before, CallEnd::Dropped);
        assert!(policy.limit() <= before, "{} after {before}", policy.limit());
        before = policy.limit();
    }
    assert_eq!(before, 8);
    assert_eq!(policy.long(), Some(ms(10)), "a time-out is no latency");
}

#[test]
fn one_drop_in_a_hundred_is_tolerated_but_nothing_grows() {
    let (mut policy, mut now) = learnt();
    for _ in 0..5 {
        let limit = policy.limit();
        now = calls(&mut policy, now, ms(10), limit, CallEnd::Done);
    }
    let grown = policy.limit();
    for (drops, left) in [(1, 1.0), (2, 1.0), (3, 0.9)] {
        (0..201).for_each(|_| policy.began(now));
        for call in 0..200 {
            let end = if call < drops { CallEnd::Dropped } else { CallEnd::Done };
            policy.ended(now, end, now + ms(10));
        }
        now += ms(100);
        policy.ended(now - ms(10), CallEnd::Done, now);
        let ratio = f64::from(policy.limit()) / f64::from(grown);
        assert!((ratio - left).abs() < 0.05, "{drops} of 201: {ratio}");
    }
}

#[test]
fn calls_that_say_nothing_move_nothing() {
    let (mut policy, mut now) = learnt();
    for _ in 0..20 {
        now = calls(&mut policy, now, ms(500), 8, CallEnd::Unknown);
    }
    assert_eq!((policy.limit(), policy.long()), (8, Some(ms(10))));
}

#[test]
fn a_slower_server_is_learnt_while_the_limit_is_not_used() {
    let (mut policy, mut now) = learnt();
    for _ in 0..100 {
        now = calls(&mut policy, now, ms(40), 2, CallEnd::Done);
    }
    let long = policy.long().unwrap();
    assert!((ms(39)..=ms(40)).contains(&long), "{long:?}");
}

#[test]
fn a_probe_runs_at_the_minimum_and_restores_the_limit() {
    let (mut policy, mut now) = learnt();
    while now < RULES.probe {
        let limit = policy.limit();
        now = calls(&mut policy, now, ms(10), limit, CallEnd::Done);
    }
    let before = policy.limit();
    // The window that passes the time of the probe starts it.
    while policy.limit() != RULES.min {
        now = calls(&mut policy, now, ms(10), 1000, CallEnd::Done);
        assert!(now < RULES.probe * 2);
    }
    (0..60).for_each(|_| policy.ended(Duration::ZERO, CallEnd::Done, now + ms(1)));
    assert_eq!(
        policy.limit(),
        RULES.min,
        "calls that began before the probe are not part of it"
    );
    (0..60).for_each(|_| policy.began(now + ms(1)));
    (0..49).for_each(|_| policy.ended(now + ms(1), CallEnd::Done, now + ms(31)));
    assert_eq!(policy.limit(), RULES.min, "one of its calls has not ended");
    policy.ended(now + ms(1), CallEnd::Done, now + ms(31));
    assert_eq!(policy.long(), Some(ms(30)));
    assert!(policy.limit() >= before, "{} after {before}", policy.limit());
}

#[test]
fn a_probe_behind_calls_that_do_not_end_is_given_up() {
    let mut policy = policy();
    (0..8).for_each(|_| policy.began(ms(0)));
    policy.ended(ms(0), CallEnd::Done, ms(1));
    assert_eq!((policy.limit(), policy.long()), (8, None));
    policy.ended(ms(0), CallEnd::Done, ms(2000));
    policy.ended(ms(0), CallEnd::Done, ms(2001));
    assert_eq!(policy.long(), None, "too few calls to learn from");
}

#[test]
fn a_window_in_which_calls_only_end_is_not_taken_for_one_without_contention() {
    let (mut policy, mut now) = learnt();
    while policy.limit() < 100 {
        let limit = policy.limit();
        now = calls(&mut policy, now, ms(10), limit, CallEnd::Done);
    }
    (0..100).for_each(|_| policy.began(now));
    for call in 1..=80 {
        policy.ended(now, CallEnd::Done, now + ms(400 + 5 * call));
    }
    assert_eq!(policy.long(), Some(ms(10)));
    assert!(policy.limit() < 60, "{}", policy.limit());
}

#[test]
fn rules_that_cannot_work_are_rejected() {
    let table = [
        (GradientRules { min: 0, ..RULES }, "a limit from 0 to 1000"),
        (
            GradientRules {
                min: 9,
                max: 8,
                ..RULES
            },
            "a limit from 9 to 8",
        ),
        (
            GradientRules {
                tolerance: 0.9,
                ..RULES
            },
            "a tolerance of 0.9",
        ),
        (
            GradientRules {
                tolerance: f64::NAN,
                ..RULES
            },
            "a tolerance of NaN",
        ),
        (GradientRules { backoff: 1.0, ..RULES }, "a backoff of 1"),
        (GradientRules { window: ms(0), ..RULES }, "a window of 0ns"),
        (
            GradientRules { probe: ms(0), ..RULES },
            "a time to the next probe of 0ns",
        ),
    ];
    for (rules, message) in table {
        let error: InvalidGradient = GradientLimit::try_new(rules, ms(0)).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

/// Of so many calls, so many are dropped.
const ALL: u8 = 20;

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    End(usize, u8),
    Pause(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Begin),
        4 => (any::<usize>(), 0..ALL).prop_map(|(which, end)| Step::End(which, end)),
        2 => (0_u64..60).prop_map(Step::Pause),
    ];
    prop::collection::vec(step, 1..2000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_limit_is_bounded_grows_by_its_root_when_it_is_reached_and_never_on_drops_alone(
        steps in steps(), drops in prop_oneof![0_u8..4, Just(ALL)],
    ) {
        let rules = GradientRules { min: 4, max: 40, probe: Duration::from_secs(86_400), ..RULES };
        let mut policy = GradientLimit::try_new(rules, Duration::ZERO).unwrap();
        let (mut now, mut calls) = (Duration::ZERO, Vec::new());
        // Since the limit last changed, and so at least in the window that changes it next.
        let mut most = 0;
        for step in steps {
            let before = policy.limit();
            match step {
                Step::Pause(pause) => now += ms(pause),
                Step::Begin if calls.len() < before as usize => {
                    calls.push(now);
                    policy.began(now);
                    most = most.max(u32::try_from(calls.len()).unwrap());
                }
                Step::End(which, end) if !calls.is_empty() => {
                    let began = calls.swap_remove(which % calls.len());
                    let end = if end < drops { CallEnd::Dropped } else { CallEnd::Done };
                    policy.ended(began, end, now);
                }
                Step::Begin | Step::End(..) => {}
            }
            let after = policy.limit();
            prop_assert!((rules.min..=rules.max).contains(&after), "{after}");
            if after > before {
                prop_assert!(f64::from(after) <= f64::from(before) + f64::from(before + 1).sqrt() + 1.0);
                prop_assert!(most >= before, "{before} to {after} with {most}");
            }
            if after != before {
                most = u32::try_from(calls.len()).unwrap();
            }
            prop_assert!(drops < ALL || after == rules.min, "{after} while every call is dropped");
        }
    }
}

impl Policy for GradientLimit {
    fn slots(&self) -> u32 {
        self.limit()
    }

    /// None: the limit is the queue.
    fn places(&self) -> usize {
        0
    }

    fn arrives(&mut self, _: Request, _: Duration) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn began(&mut self, now: Duration) {
        Self::began(self, now);
    }

    fn ended(&mut self, began: Duration, late: bool, now: Duration) {
        let end = if late { CallEnd::Dropped } else { CallEnd::Done };
        Self::ended(self, began, end, now);
    }
}

#[test]
fn goodput_stays_at_capacity_where_a_plain_queue_collapses() {
    for offered in [1.4, 2.0, 10.0] {
        let load = Load {
            offered,
            length: Duration::from_secs(60),
            callers: 1000,
        };
        let mut policy = policy();
        let tally = run(&mut policy, &load, |rng| any_of(load.callers, rng));
        let (goodput, plain) = (tally.goodput_from(0), plain_fifo(offered));
        assert!(goodput > 0.9, "{offered} × capacity: {goodput}");
        assert!(plain < 0.02, "{offered} × capacity, plain: {plain}");
        assert_eq!(tally.late, 0);
        // It settles at tolerance × workers + √limit: 29.4.
        assert!((20..60).contains(&tally.in_progress_max), "{}", tally.in_progress_max);
        let long = policy.long().unwrap();
        assert!(
            (SERVICE / 2..SERVICE * 2).contains(&long),
            "not learnt from the overload: {long:?}"
        );
        let fairness = jain(&tally.good).unwrap();
        assert!(fairness > 0.9, "{offered} × capacity: {fairness}");
    }
}

#[test]
fn below_capacity_nearly_everybody_is_served() {
    let load = Load {
        offered: 0.7,
        length: Duration::from_secs(60),
        callers: 1000,
    };
    let tally = run(&mut policy(), &load, |rng| any_of(load.callers, rng));
    // Without a queue a burst beyond the limit is shed.
    assert!(tally.success(0..1000) > 0.97, "{}", tally.success(0..1000));
}

/// 64 callers send nine tenths of ten times the capacity, with more in flight than there are slots.
#[test]
fn callers_get_shares_in_proportion_to_what_they_send() {
    let load = Load {
        offered: 10.0,
        length: Duration::from_secs(20),
        callers: 1064,
    };
    let tally = run(&mut policy(), &load, mostly_attackers);
    let (attackers, others) = (tally.success(0..64), tally.success(64..1064));
    assert!((others / attackers - 1.0).abs() < 0.1, "{others} and {attackers}");
}
