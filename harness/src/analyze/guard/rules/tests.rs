use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::analyze::fixture;
use crate::record::{Due, Outcome, PhaseBounds, Recorder, Sample, UnsentCause};

const SECOND_NS: u64 = 1_000_000_000;

/// Warm-up to 2 s, base at 100/s to 10 s, steps of 200/s and 300/s to 20 s and 30 s, a spike of 1000/s to 60 s, and
/// settling.
const PHASES: [(&str, PhaseKind, u64, f64); 6] = [
    ("warm-up", PhaseKind::WarmUp, 2, 100.0),
    ("base", PhaseKind::Base, 10, 100.0),
    ("step 1", PhaseKind::Step, 20, 200.0),
    ("step 2", PhaseKind::Step, 30, 300.0),
    ("spike", PhaseKind::Spike, 60, 1000.0),
    ("settle", PhaseKind::Settle, 70, 0.0),
];

fn phases() -> Vec<Phase> {
    let starts = std::iter::once(0).chain(PHASES.iter().map(|phase| phase.2));
    let phases = starts.zip(PHASES).map(|(start, (name, kind, end, rate))| Phase {
        name: name.to_owned(),
        kind,
        start: Duration::from_secs(start),
        end: Duration::from_secs(end),
        rate,
        rates: Vec::new(),
        mix: Vec::new(),
        hosts: Vec::new(),
    });
    phases.collect()
}

fn rule(metric: Metric, bound: (BoundKind, f64), over_s: u32, action: GuardAction) -> GuardSnapshot {
    GuardSnapshot {
        because: None,
        metric: metric.name().to_owned(),
        operation: metric.is_of_an_operation().then(|| "get".to_owned()),
        bound,
        over_s,
        action,
        again_after_s: None,
        base_rate: 100.0,
    }
}

/// More than a tenth of what ended is not ok.
fn errors(over_s: u32, action: GuardAction) -> GuardSnapshot {
    rule(Metric::ErrorShare, (BoundKind::AtMost, 0.1), over_s, action)
}

/// What a second is like: answers that are ok, what they took, and failures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Like {
    ok: u64,
    took_ms: u64,
    failed: u64,
}

const WELL: Like = Like {
    ok: 20,
    took_ms: 5,
    failed: 0,
};
const ILL: Like = Like { failed: 10, ..WELL };
const NOTHING: Like = Like { ok: 0, ..WELL };

/// A guard, and a worker whose reports are made up.
struct Played {
    guard: Guard,
    recorder: Recorder,
    second: u64,
}

impl Played {
    fn new(rules: Vec<GuardSnapshot>) -> Self {
        let workload = Snapshot {
            phases: phases(),
            guards: rules,
            ..fixture::snapshot(&["a"], 1)
        };
        let bounds = PhaseBounds::new(workload.phases.iter().map(|phase| (phase.start, phase.end)));
        let header = fixture::cell("a", 1, vec![]).header;
        Self {
            guard: Guard::new(&workload, &header, 1).unwrap(),
            recorder: Recorder::new(0, 1, 0, bounds),
            second: 0,
        }
    }

    /// The next second is over.
    fn second(&mut self, like: Like) -> Vec<Act> {
        let from_ns = self.second * SECOND_NS;
        let due = Due {
            series: 0,
            phase: self.recorder.phases().at(from_ns),
            shard: None,
            host: 0,
            intended_ns: from_ns + 1,
            is_retry: false,
        };
        for number in 0..like.ok + like.failed {
            self.recorder.due(&due, due.intended_ns);
            if number >= like.ok {
                self.recorder.unsent(&due, UnsentCause::NoConnection);
                continue;
            }
            self.recorder.done(&Sample {
                due,
                sent_ns: due.intended_ns,
                done_ns: due.intended_ns + like.took_ms * 1_000_000,
                outcome: Outcome::Ok,
                own_ns: 0,
            });
        }
        self.second += 1;
        for interval in self.recorder.drain().collect::<Vec<_>>() {
            self.guard.take(&interval);
        }
        self.guard
            .until(0, self.second * SECOND_NS + 3_000_000)
            .into_iter()
            .collect()
    }

    /// Seconds until `end` that are all alike: when something was done, by the end of the second, and what.
    fn play(&mut self, end: u64, like: impl Fn(u64) -> Like) -> Vec<(u64, String)> {
        let mut done = Vec::new();
        while self.second < end {
            let acts = self.second(like(self.second));
            done.extend(acts.iter().map(|act| (self.second, short(act))));
        }
        done
    }
}

/// `1 back_off 200>100 cap 100`.
fn short(act: &Act) -> String {
    let cap = |cap: &Option<f64>| cap.map_or("open".to_owned(), |cap| format!("cap {cap}"));
    match act {
        Act::Now { result, cap: rate } => format!(
            "{} {} {}>{} {}",
            result.rule,
            result.action.name(),
            result.rate_before,
            result.rate_after,
            cap(rate)
        ),
        Act::Undo { rule, cap: rate } => format!("{rule} again {}", cap(rate)),
    }
}

fn told(done: &[(u64, String)]) -> Vec<(u64, &str)> {
    done.iter().map(|(second, act)| (*second, act.as_str())).collect()
}

#[test]
fn a_rule_acts_when_its_seconds_are_full_and_once() {
    let mut played = Played::new(vec![errors(3, GuardAction::BackOff)]);
    let done = played.play(60, |second| if second >= 12 { ILL } else { WELL });
    // 20 ok and 10 not, a third, in 1 of 3 seconds is an eleventh: 10 of 70. Over a tenth at once.
    assert_eq!(told(&done), [(13, "1 back_off 200>100 cap 100")]);
    let count = &played.guard.counts()[0];
    assert_eq!(
        (count.judged, count.without_figure),
        (9, 0),
        "from 2 s on, full at 5 s, until it acted"
    );
}

#[test]
fn the_warm_up_fills_no_window_and_settling_is_not_judged() {
    let mut played = Played::new(vec![errors(3, GuardAction::Abort)]);
    assert_eq!(told(&played.play(2, |_| ILL)), []);
    assert_eq!(told(&played.play(60, |_| WELL)), []);
    assert_eq!(told(&played.play(70, |_| ILL)), []);
    let mut ill = Played::new(vec![errors(3, GuardAction::Abort)]);
    assert_eq!(
        told(&ill.play(70, |_| ILL)),
        [(5, "1 abort 100>0 open")],
        "nothing follows an abort"
    );
}

#[test]
fn a_figure_at_its_limit_keeps_it() {
    let exactly = Like {
        ok: 18,
        failed: 2,
        ..WELL
    };
    let mut played = Played::new(vec![errors(2, GuardAction::BackOff)]);
    assert_eq!(told(&played.play(60, |_| exactly)), []);
    let goodput = |limit| {
        rule(
            Metric::GoodputRate,
            (BoundKind::AtLeast, limit),
            4,
            GuardAction::BackOff,
        )
    };
    assert_eq!(told(&Played::new(vec![goodput(20.0)]).play(60, |_| WELL)), []);
    let done = Played::new(vec![goodput(20.1)]).play(60, |_| WELL);
    assert_eq!(told(&done), [(6, "1 back_off 100>100 cap 100")]);
}

#[test]
fn a_rate_of_nothing_is_a_figure_and_a_part_of_nothing_is_none() {
    let goodput = rule(Metric::GoodputRate, (BoundKind::AtLeast, 1.0), 2, GuardAction::Hold);
    let slow = rule(Metric::ResponseMean, (BoundKind::AtMost, 1.0), 2, GuardAction::Abort);
    let mut played = Played::new(vec![goodput, slow, errors(2, GuardAction::Abort)]);
    // What comes does not end any more.
    let mut done = Vec::new();
    for _ in 0..8 {
        let due = Due {
            series: 0,
            phase: played.recorder.phases().at(played.second * SECOND_NS),
            shard: None,
            host: 0,
            intended_ns: played.second * SECOND_NS,
            is_retry: false,
        };
        played.recorder.due(&due, due.intended_ns);
        let acts = played.second(NOTHING);
        done.extend(acts.iter().map(|act| (played.second, short(act))));
    }
    assert_eq!(told(&done), [(4, "1 hold 100>100 cap 100")]);
    let counts = played.guard.counts();
    assert_eq!((counts[1].judged, counts[1].without_figure), (0, 3), "{:?}", counts[1]);
    assert!(counts[1].reason.as_ref().unwrap().contains("where no call ended `ok`"));
    assert_eq!((counts[2].judged, counts[2].without_figure), (0, 3));
}

#[test]
fn too_few_samples_for_a_quantile_are_no_figure() {
    let p99 = rule(
        Metric::ResponseP99,
        (BoundKind::AtMost, 1_000.0),
        10,
        GuardAction::Abort,
    );
    let p50 = rule(
        Metric::ResponseP50,
        (BoundKind::AtMost, 1_000.0),
        10,
        GuardAction::Abort,
    );
    let mut played = Played::new(vec![p99]);
    assert_eq!(told(&played.play(60, |_| WELL)), []);
    let count = &played.guard.counts()[0];
    assert_eq!((count.judged, count.without_figure), (0, 49));
    assert_eq!(
        count.reason.as_deref(),
        Some("200 samples are too few for response_p99: at least 500")
    );
    assert_eq!(
        told(&Played::new(vec![p50]).play(60, |_| WELL)),
        [(12, "1 abort 200>0 open")]
    );
}

#[test]
fn a_back_off_that_is_tried_again_starts_with_empty_windows() {
    let again = GuardSnapshot {
        again_after_s: Some(5),
        ..errors(2, GuardAction::BackOff)
    };
    let done = Played::new(vec![again]).play(60, |second| if second < 30 { ILL } else { WELL });
    assert_eq!(
        told(&done),
        [
            (4, "1 back_off 100>100 cap 100"),
            (9, "1 again open"),
            // The second in which the rate rises is of neither rate.
            (12, "1 back_off 200>100 cap 100"),
            (17, "1 again open"),
            (20, "1 back_off 300>100 cap 100"),
            (25, "1 again open"),
            (28, "1 back_off 300>100 cap 100"),
            (33, "1 again open"),
        ]
    );
}

#[test]
fn a_hold_stays_at_the_rate_of_the_phase_that_broke_the_rule() {
    let mut played = Played::new(vec![errors(2, GuardAction::Hold)]);
    // The window's last second is the last one of step 1.
    let done = played.play(60, |second| if second >= 19 { ILL } else { WELL });
    assert_eq!(told(&done), [(20, "1 hold 300>200 cap 200")]);
}

#[test]
fn of_several_rules_the_strongest_acts_and_the_others_judge_what_follows() {
    let rules = vec![
        errors(2, GuardAction::Hold),
        errors(3, GuardAction::BackOff),
        errors(6, GuardAction::Abort),
    ];
    let done = Played::new(rules).play(60, |second| if second >= 11 { ILL } else { WELL });
    // 10 of 50, of 70, and of 130.
    assert_eq!(
        told(&done),
        [(12, "2 back_off 200>100 cap 100"), (19, "3 abort 100>0 cap 100")]
    );
    let backed = GuardSnapshot {
        again_after_s: Some(10),
        ..errors(2, GuardAction::BackOff)
    };
    let rules = vec![backed, errors(4, GuardAction::BackOff)];
    let done = Played::new(rules).play(60, |second| if second >= 2 { ILL } else { WELL });
    assert_eq!(
        told(&done),
        [(4, "1 back_off 100>100 cap 100"), (9, "2 back_off 100>100 cap 100")],
        "a lasting one ends what would be tried again"
    );
}

#[test]
fn what_comes_at_the_end_of_the_profile_lowers_nothing() {
    let ill_at_last = |second| if second >= 59 { ILL } else { WELL };
    let mut played = Played::new(vec![errors(2, GuardAction::BackOff), errors(2, GuardAction::Hold)]);
    assert_eq!(
        told(&played.play(70, ill_at_last)),
        [],
        "nothing follows that could be lowered"
    );
    let again = GuardSnapshot {
        again_after_s: Some(10),
        ..errors(2, GuardAction::BackOff)
    };
    let done = Played::new(vec![again]).play(70, |second| if second >= 53 { ILL } else { WELL });
    assert_eq!(
        told(&done),
        [(54, "1 back_off 1000>100 cap 100")],
        "nor is a rate tried again"
    );
}

#[test]
fn load_that_was_ended_is_not_judged() {
    let goodput = rule(Metric::GoodputRate, (BoundKind::AtLeast, 10.0), 1, GuardAction::Abort);
    let mut played = Played::new(vec![goodput]);
    assert_eq!(told(&played.play(20, |_| WELL)), []);
    let before = played.guard.counts();
    played.guard.close();
    assert_eq!(told(&played.play(40, |_| Like { failed: 5, ..NOTHING })), []);
    assert_eq!(played.guard.counts(), before);
}

#[test]
fn of_seconds_that_are_reported_at_once_one_act_follows_and_lasts_as_long() {
    let bounds = PhaseBounds::new(phases().iter().map(|phase| (phase.start, phase.end)));
    let workload = Snapshot {
        phases: phases(),
        guards: vec![GuardSnapshot {
            again_after_s: Some(3),
            ..errors(1, GuardAction::BackOff)
        }],
        ..fixture::snapshot(&["a"], 1)
    };
    let mut guard = Guard::new(&workload, &fixture::cell("a", 1, vec![]).header, 2).unwrap();
    let mut recorder = Recorder::new(0, 1, 0, bounds);
    for second in 0..16u64 {
        let due = Due {
            series: 0,
            phase: recorder.phases().at(second * SECOND_NS),
            shard: None,
            host: 0,
            intended_ns: second * SECOND_NS,
            is_retry: false,
        };
        recorder.unsent(&due, UnsentCause::NoConnection);
        recorder.drain().for_each(|interval| guard.take(&interval));
        assert_eq!(
            guard.until(0, (second + 1) * SECOND_NS),
            None,
            "the other worker has said nothing"
        );
    }
    // It holds the others up: sixteen seconds become whole at once.
    let act = guard.until(1, 16 * SECOND_NS);
    assert_eq!(act.as_ref().map(short).as_deref(), Some("1 back_off 100>100 cap 100"));
    let mut undone = None;
    for second in 17..25u64 {
        guard.until(0, second * SECOND_NS);
        if let Some(act) = guard.until(1, second * SECOND_NS) {
            undone.get_or_insert((second, short(&act)));
        }
    }
    assert_eq!(
        undone,
        Some((19, "1 again open".to_owned())),
        "three seconds after it could take effect"
    );
}

#[test]
fn connections_are_those_of_all_workers_at_their_most() {
    let rules = vec![rule(
        Metric::ConnectionsOpenMax,
        (BoundKind::AtMost, 9.0),
        2,
        GuardAction::Abort,
    )];
    let workload = Snapshot {
        phases: phases(),
        guards: rules,
        ..fixture::snapshot(&["a"], 1)
    };
    let header = fixture::cell("a", 1, vec![]).header;
    let mut guard = Guard::new(&workload, &header, 2).unwrap();
    let bounds = PhaseBounds::new(workload.phases.iter().map(|phase| (phase.start, phase.end)));
    let mut recorders = [0, 1].map(|worker| Recorder::new(worker, 1, 0, bounds.clone()));
    let mut done = BTreeMap::new();
    for second in 0..12u64 {
        for (worker, recorder) in (0..).zip(&mut recorders) {
            let open = if second >= 6 { 5 } else { 4 };
            recorder.open(second * SECOND_NS, [open].into_iter());
            recorder.drain().for_each(|interval| guard.take(&interval));
            if let Some(act) = guard.until(worker, (second + 1) * SECOND_NS) {
                done.insert(second + 1, act);
            }
        }
    }
    let done: Vec<(u64, Act)> = done.into_iter().collect();
    let [(7, Act::Now { result, .. })] = &done[..] else {
        panic!("it acts at 7 s")
    };
    assert_eq!((result.figure, result.unit.as_str()), (10.0, "number"));
}

fn like() -> impl Strategy<Value = Like> {
    prop::sample::select(vec![WELL, ILL, NOTHING, Like { took_ms: 80, ..WELL }])
}

fn some_rule() -> impl Strategy<Value = GuardSnapshot> {
    let action = prop::sample::select(vec![GuardAction::BackOff, GuardAction::Hold, GuardAction::Abort]);
    let figure = prop::sample::select(vec![
        (Metric::ErrorShare, (BoundKind::AtMost, 0.1)),
        (Metric::ResponseP50, (BoundKind::AtMost, 50_000.0)),
        (Metric::GoodputRate, (BoundKind::AtLeast, 15.0)),
    ]);
    (action, figure, 1u32..8, prop::option::of(1u32..9)).prop_map(|(action, (metric, bound), over_s, again)| {
        GuardSnapshot {
            again_after_s: again.filter(|_| action == GuardAction::BackOff),
            ..rule(metric, bound, over_s, action)
        }
    })
}

proptest! {
    /// Whatever happens: no rate is ever raised above the profile's, an act comes after as many seconds as its rule
    /// judges since the last one, a rule without `again_after` acts once, and nothing follows an abort.
    #[test]
    fn acts_keep_their_distance_and_only_lower(
        rules in prop::collection::vec(some_rule(), 1..4),
        seconds in prop::collection::vec(like(), 70),
    ) {
        let mut played = Played::new(rules.clone());
        let (mut last, mut acted, mut is_aborted) = (2, vec![0; rules.len()], false);
        for like in seconds {
            for act in played.second(like) {
                let now = played.second;
                prop_assert!(!is_aborted);
                let Act::Now { result, cap } = act else {
                    last = now + 1;
                    continue;
                };
                let rule = &rules[result.rule - 1];
                prop_assert!(now <= 60);
                prop_assert!(result.rate_after <= result.rate_before);
                prop_assert!(result.rate_before > 0.0 || result.action == GuardAction::Abort);
                prop_assert!(cap.is_none_or(|cap| (100.0..=1000.0).contains(&cap)));
                prop_assert!(now >= last + u64::from(rule.over_s), "{now} after {last}");
                prop_assert_eq!(result.since_s, now as f64);
                acted[result.rule - 1] += 1;
                prop_assert!(acted[result.rule - 1] == 1 || rule.again_after_s.is_some());
                is_aborted = result.action == GuardAction::Abort;
                last = now + 1;
            }
        }
        let counts = played.guard.counts();
        prop_assert!(counts.iter().all(|count| count.judged + count.without_figure <= 58));
    }

    /// Workers that report late, or several seconds at once, lose nothing: the first act is no earlier, and comes.
    #[test]
    fn late_reports_delay_an_act_and_prevent_none(stall in 1u64..6, at in 12u64..40) {
        let mut played = Played::new(vec![errors(1, GuardAction::Abort)]);
        let mut acts = Vec::new();
        while played.second < 60 && acts.is_empty() {
            let is_stalled = (at..at + stall).contains(&played.second);
            let like = if played.second >= at { ILL } else { WELL };
            acts = match is_stalled {
                // Nothing is said of this second before the stall is over.
                true => { played.second += 1; Vec::new() }
                false => played.second(like),
            };
        }
        prop_assert_eq!(acts.len(), 1);
        prop_assert_eq!(played.second, at + stall + 1);
    }
}
