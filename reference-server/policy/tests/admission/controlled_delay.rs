//! Controlled delay with adaptive LIFO.

use std::time::Duration;

use hotchat_policy::{ControlledDelay, DelayRules, InvalidDelay};
use proptest::prelude::*;

use crate::fairness::jain;
use crate::simulation::{Load, Policy, Request, any_of, mostly_attackers, plain_fifo, run};

const RULES: DelayRules = DelayRules {
    target: ms(5),
    interval: ms(100),
};
const PLACES: usize = 1024;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> ControlledDelay {
    ControlledDelay::try_new(RULES, Duration::ZERO).unwrap()
}

impl Policy for ControlledDelay {
    fn places(&self) -> usize {
        PLACES
    }

    fn arrives(&mut self, _: Request, now: Duration) -> Option<Duration> {
        Some(self.wait_max(now))
    }

    fn newest_first(&self, now: Duration) -> bool {
        Self::newest_first(self, now)
    }

    fn caught_up(&mut self, now: Duration) {
        Self::caught_up(self, now);
    }
}

#[test]
fn the_wait_is_short_once_no_slot_was_free_for_an_interval() {
    let mut policy = policy();
    let table = [(0, 100), (99, 100), (100, 100), (101, 5), (5000, 5)];
    for (now, wait) in table {
        assert_eq!(policy.wait_max(ms(now)), ms(wait), "at {now} ms");
        assert_eq!(policy.newest_first(ms(now)), wait == 5, "at {now} ms");
    }
    policy.caught_up(ms(5000));
    assert_eq!(policy.wait_max(ms(5100)), ms(100), "one free slot ends an overload");
    policy.caught_up(ms(40));
    assert!(!policy.is_overloaded(ms(5100)), "time does not run backwards");
    assert!(policy.is_overloaded(ms(5101)));
}

#[test]
fn rules_that_cannot_work_are_rejected() {
    let rules = |target, interval| ControlledDelay::try_new(DelayRules { target, interval }, ms(0)).map(|_| ());
    assert_eq!(rules(ms(0), ms(0)), Err(InvalidDelay::Interval(ms(0))));
    let (target, interval) = (ms(101), ms(100));
    assert_eq!(rules(target, interval), Err(InvalidDelay::Target { target, interval }));
    assert_eq!((rules(ms(0), ms(1)), rules(ms(100), ms(100))), (Ok(()), Ok(())));
}

proptest! {
    #[test]
    fn it_remembers_the_last_free_slot_and_nothing_else(
        steps in prop::collection::vec((0_u64..300, any::<bool>()), 1..200),
    ) {
        let (mut policy, mut now, mut free) = (policy(), 0, 0);
        for (pause, is_free) in steps {
            now += pause;
            let overloaded = now - free > 100;
            prop_assert_eq!(policy.is_overloaded(ms(now)), overloaded);
            prop_assert_eq!(policy.wait_max(ms(now)), if overloaded { ms(5) } else { ms(100) });
            if is_free {
                policy.caught_up(ms(now));
                free = now;
            }
        }
    }
}

#[test]
fn goodput_stays_at_capacity_where_a_plain_queue_collapses() {
    for offered in [1.4, 2.0, 10.0] {
        let load = Load {
            offered,
            length: Duration::from_secs(20),
            callers: 1000,
        };
        let tally = run(&mut policy(), &load, |rng| any_of(load.callers, rng));
        let (goodput, plain) = (tally.goodput_from(0), plain_fifo(offered));
        assert!(goodput > 0.9, "{offered} × capacity: {goodput}");
        assert!(plain < 0.02, "{offered} × capacity, plain: {plain}");
        assert_eq!(tally.late, 0, "nobody is served in vain");
        assert!(tally.wait_max <= RULES.interval, "{:?}", tally.wait_max);
        assert!(tally.settled_wait.get() < 0.03, "{}", tally.settled_wait.get());
        let fairness = jain(&tally.good).unwrap();
        assert!(fairness > 0.9, "{offered} × capacity: {fairness}");
    }
}

#[test]
fn below_capacity_it_serves_everybody_in_order() {
    let load = Load {
        offered: 0.7,
        length: Duration::from_secs(20),
        callers: 1000,
    };
    let tally = run(&mut policy(), &load, |rng| any_of(load.callers, rng));
    assert!(tally.success(0..1000) > 0.999, "{}", tally.success(0..1000));
}

/// 64 callers send nine tenths of ten times the capacity, through 16 slots.
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
    assert!((others - 0.1).abs() < 0.01, "{others}");
}
