//! Priority levels.

use std::collections::BTreeSet;
use std::time::Duration;

use hotchat_policy::{CLASSES, InvalidLevels, LevelRules, Priority, PriorityLevels};
use proptest::prelude::*;

use crate::fairness::jain;
use crate::simulation::{Load, Policy, Request, any_of, mostly_attackers, plain_fifo, run};

const RULES: LevelRules = LevelRules {
    window: ms(1000),
    requests: 2000,
    wait: ms(20),
    down: 0.05,
    up: 0.01,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> PriorityLevels {
    PriorityLevels::try_new(RULES, Duration::ZERO).unwrap()
}

/// A priority in each of the 1024 cells, the most important first.
fn all() -> Vec<Priority> {
    let of_class = |class| (0..100_000).map(move |user| Priority::of(class, user, 7));
    let all: BTreeSet<Priority> = (0..8).flat_map(of_class).collect();
    assert_eq!(all.len(), PriorityLevels::cells());
    all.into_iter().collect()
}

#[test]
fn a_class_goes_before_every_user_of_the_next() {
    for class in 0..7 {
        let most = |class| (0..10_000).map(move |user| Priority::of(class, user, 3));
        assert!(most(class).max() < most(class + 1).min());
    }
    let last = CLASSES as u8 - 1;
    assert_eq!(Priority::of(200, 5, 5), Priority::of(last, 5, 5), "the last class");
    assert_eq!(Priority::LOWEST.cell(), PriorityLevels::cells() - 1);
}

#[test]
fn user_priorities_are_even_and_new_every_hour() {
    for hour in [0, 1, 490_000] {
        let mut users = [0_u32; 128];
        for user in 0..128_000 {
            users[Priority::of(0, user, hour).cell()] += 1;
        }
        // 1000 expected each, standard deviation 32.
        assert!(users.iter().all(|count| (850..1150).contains(count)), "{users:?}");
    }
    let same = (0..12_800).filter(|user| Priority::of(0, *user, 1) == Priority::of(0, *user, 2));
    let same = same.count();
    assert!(
        (60..140).contains(&same),
        "{same} of 12,800 users, 100 expected by chance"
    );
}

/// One window of requests, ten for each of these priorities, with this mean wait; one more begins the next.
fn window(policy: &mut PriorityLevels, priorities: &[Priority], wait: Duration, start: &mut Duration) -> usize {
    for priority in priorities.iter().cycle().take(10 * priorities.len()) {
        if policy.admits(*priority, *start) {
            policy.waited(wait);
        }
    }
    *start += RULES.window;
    policy.admits(priorities[0], *start);
    policy.level()
}

#[test]
fn the_level_falls_by_a_twentieth_of_the_admitted_and_rises_by_a_hundredth_of_all() {
    let (mut policy, all, mut now) = (policy(), all(), Duration::ZERO);
    // 1000 requests a window in cells 0 to 99, and one more in cell 0 from the second on.
    let some = &all[..100];
    let level = window(&mut policy, some, ms(21), &mut now);
    assert_eq!(level, 95, "1000 × 0.95; 95 cells hold 950");
    let level = window(&mut policy, some, ms(21), &mut now);
    assert_eq!(level, 90, "951 × 0.95 = 903.45; 90 cells hold 901");
    let level = window(&mut policy, some, ms(20), &mut now);
    assert_eq!(
        level, 91,
        "exactly 20 ms is no overload: 901 + 10.01 = 911.01; 91 cells hold 911"
    );
    for _ in 0..9 {
        window(&mut policy, some, ms(0), &mut now);
    }
    assert_eq!(policy.level(), PriorityLevels::cells(), "no asked-for cell is left out");
}

#[test]
fn one_crowded_cell_is_neither_shut_out_for_ever_nor_all_there_is() {
    let (mut policy, all, mut now) = (policy(), all(), Duration::ZERO);
    let crowded = [all[500], all[500], all[500], all[900]];
    for _ in 0..50 {
        window(&mut policy, &crowded, ms(500), &mut now);
    }
    assert_eq!(policy.level(), 501, "somebody is always admitted");
    // Cell 900 holds 25 % of the requests, and an increase is 1 %.
    let level = window(&mut policy, &crowded, ms(0), &mut now);
    assert_eq!(level, 901);
}

#[test]
fn a_queue_that_overflows_is_an_overload_even_if_nobody_leaves_it() {
    let (mut policy, all) = (policy(), all());
    for priority in &all {
        policy.admits(*priority, ms(0));
        policy.overflowed();
    }
    policy.admits(all[0], ms(1000));
    assert_eq!(policy.level(), 972, "1024 × 0.95");
}

#[test]
fn a_window_ends_with_its_requests_and_a_pause_opens_everything() {
    let (mut policy, all) = (policy(), all());
    for request in 0..2000 {
        policy.admits(all[request / 2], ms(1));
        policy.waited(ms(100));
        assert_eq!(policy.level(), PriorityLevels::cells(), "request {request}");
    }
    policy.admits(all[0], ms(1));
    assert_eq!(policy.level(), 950);
    policy.waited(ms(100));
    policy.admits(all[0], ms(9000));
    assert!(policy.level() < 950, "a pause after an overload may be a stall");
    policy.admits(all[0], ms(11_000));
    assert_eq!(policy.level(), PriorityLevels::cells());
}

#[test]
fn rules_that_cannot_work_are_rejected() {
    let table = [
        (LevelRules { window: ms(0), ..RULES }, "a window of 0ns"),
        (LevelRules { requests: 0, ..RULES }, "a window of 0 requests"),
        (LevelRules { down: 1.0, ..RULES }, "a share of 1 for down"),
        (LevelRules { down: 0.0, ..RULES }, "a share of 0 for down"),
        (LevelRules { up: f64::NAN, ..RULES }, "a share of NaN for up"),
    ];
    for (rules, message) in table {
        let error: InvalidLevels = PriorityLevels::try_new(rules, ms(0)).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

proptest! {
    #[test]
    fn the_important_go_first_and_somebody_always_goes(
        windows in prop::collection::vec((prop::collection::vec((0_u8..8, 0_u64..500), 1..300), 0_u64..60, any::<bool>()), 1..40),
    ) {
        let (mut policy, mut now) = (policy(), Duration::ZERO);
        for (requests, wait, overflows) in windows {
            let (mut admitted, mut shed) = (Vec::new(), Vec::new());
            for (class, user) in requests {
                let priority = Priority::of(class, user, 0);
                if policy.admits(priority, now) {
                    policy.waited(ms(wait));
                    admitted.push(priority);
                } else {
                    shed.push(priority);
                }
            }
            if overflows {
                policy.overflowed();
            }
            let before = policy.level();
            prop_assert!((1..=PriorityLevels::cells()).contains(&before));
            prop_assert!(admitted.iter().max() < shed.iter().min() || shed.is_empty());
            now += RULES.window;
            policy.admits(Priority::LOWEST, now);
            let overloaded = overflows || (wait > 20 && !admitted.is_empty());
            if overloaded && !admitted.is_empty() {
                prop_assert!(policy.level() <= before);
                let first = admitted.iter().min().unwrap();
                prop_assert!(first.cell() < policy.level(), "nobody who asked would be admitted");
            } else if !overloaded {
                prop_assert!(policy.level() > before || before == PriorityLevels::cells());
            }
            now += RULES.window / 2;
        }
    }
}

/// The levels, and what the simulation calls an hour.
struct Hourly {
    levels: PriorityLevels,
    hour: Duration,
}

impl Hourly {
    fn new(hour: Duration) -> Self {
        Self { levels: policy(), hour }
    }
}

impl Policy for Hourly {
    fn places(&self) -> usize {
        256
    }

    fn arrives(&mut self, Request { caller, class }: Request, now: Duration) -> Option<Duration> {
        let hour = (now.as_nanos() / self.hour.as_nanos()) as u64;
        let priority = Priority::of(class, caller as u64, hour);
        self.levels.admits(priority, now).then_some(ms(500))
    }

    fn waited(&mut self, wait: Duration) {
        self.levels.waited(wait);
    }

    fn overflowed(&mut self) {
        self.levels.overflowed();
    }
}

const ALWAYS: Duration = Duration::from_secs(86_400);

#[test]
fn goodput_stays_near_capacity_where_a_plain_queue_collapses() {
    for offered in [1.4, 2.0, 10.0] {
        let load = Load {
            offered,
            length: Duration::from_secs(60),
            callers: 1000,
        };
        let tally = run(&mut Hourly::new(ALWAYS), &load, |rng| any_of(load.callers, rng));
        let (goodput, plain) = (tally.goodput_from(0), plain_fifo(offered));
        assert!(goodput > 0.85, "{offered} × capacity: {goodput}");
        assert!(plain < 0.02, "{offered} × capacity, plain: {plain}");
        assert_eq!(tally.late, 0);
        assert!(
            tally.settled_wait.get() < 0.1,
            "{offered}: {}",
            tally.settled_wait.get()
        );
    }
}

#[test]
fn below_capacity_it_serves_everybody() {
    let load = Load {
        offered: 0.7,
        length: Duration::from_secs(20),
        callers: 1000,
    };
    let tally = run(&mut Hourly::new(ALWAYS), &load, |rng| any_of(load.callers, rng));
    assert!(tally.success(0..1000) > 0.999, "{}", tally.success(0..1000));
}

#[test]
fn within_an_hour_some_get_everything_and_over_many_hours_all_get_the_same() {
    let load = Load {
        offered: 2.0,
        length: Duration::from_secs(240),
        callers: 1000,
    };
    let within = run(&mut Hourly::new(ALWAYS), &load, |rng| any_of(load.callers, rng));
    // Users are in or out: the index is the share that is in, about a half.
    let index = jain(&within.good).unwrap();
    assert!((0.4..0.7).contains(&index), "{index}");
    let (in_full, nothing) = within
        .good
        .iter()
        .zip(&within.offered)
        .fold((0, 0), |(full, none), (good, offered)| {
            let share = *good as f64 / *offered as f64;
            (full + u32::from(share > 0.95), none + u32::from(share < 0.05))
        });
    assert!(in_full > 300 && nothing > 300, "{in_full} and {nothing} of 1000");

    // Over n hours in each of which half of them are in: n / (n + 1), and 0.96 for 24.
    let over = run(&mut Hourly::new(Duration::from_secs(10)), &load, |rng| {
        any_of(load.callers, rng)
    });
    let index = jain(&over.good).unwrap();
    assert!(index > 0.9, "{index}");
}

/// 64 callers send nine tenths of ten times the capacity, all in the last class; 16 slots.
#[test]
fn an_important_class_is_served_whatever_the_attackers_send() {
    let load = Load {
        offered: 10.0,
        length: Duration::from_secs(60),
        callers: 1064,
    };
    // The important class alone is as much as the server can do.
    let tally = run(&mut Hourly::new(ALWAYS), &load, mostly_attackers);
    let (attackers, others) = (tally.success(0..64), tally.success(64..1064));
    assert!(others > 0.8, "{others}");
    assert!(attackers < 0.05, "{attackers}");
    let within_class = jain(&tally.good[64..]).unwrap();
    assert!(within_class > 0.9, "{within_class}");
}
