use super::*;
use crate::record::{Outcome, ShardSecond};

const MS: u64 = 1_000_000;

/// Twenty calls each tenth to each of two shards, in 20 s of which `during` is a fault of shard 0; `call` gives
/// outcome and milliseconds of a call by shard, tenth and number.
fn axis(call: impl Fn(usize, usize, usize) -> (Outcome, u64)) -> TimeAxis {
    let mut axis = TimeAxis::default();
    for second in 0..20 {
        let mut shards = vec![ShardSecond::default(), ShardSecond::default()];
        for tenth in second * SECOND..(second + 1) * SECOND {
            for (shard, calls) in shards.iter_mut().enumerate() {
                for number in 0..20 {
                    let (outcome, ms) = call(shard, tenth, number);
                    calls.at(tenth as u64 * 100 * MS).ended(outcome, ms * MS);
                }
            }
        }
        axis.add(second as u64, &shards);
    }
    axis
}

/// From 10 s to 15 s.
const FAULT: Stretch = Stretch {
    start_s: 10.0,
    end_s: 15.0,
    sick: Some(0),
};
const PHASES: [(f64, f64); 2] = [(0.0, 2.0), (2.0, 20.0)];

fn blast(axis: &TimeAxis) -> Blast {
    of_fault(axis, &PHASES, &[FAULT], 0, &[])
}

fn result(blast: Blast) -> FaultResult {
    FaultResult {
        kind: "pause_shard".to_owned(),
        target: "shard 0".to_owned(),
        planned_s: FAULT.start_s,
        planned_end_s: FAULT.end_s,
        start_s: Some(FAULT.start_s),
        end_s: Some(FAULT.end_s),
        problem: None,
        blast,
    }
}

#[test]
fn a_shard_that_stalls_fails_fast_and_comes_back() {
    // Slow until 11.2 s, refused until 15.6 s; the other shard is a little slower while it lasts.
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 100..112) => (Outcome::Timeout, 2_000),
        (0, 112..156) => (Outcome::Shed, 1),
        (1, 100..150) => (Outcome::Ok, 6),
        _ => (Outcome::Ok, 4),
    });
    let blast = blast(&axis);
    assert_eq!(blast.before_s, Some((4.5, 9.5)));
    let sick = &blast.shards[0];
    assert_eq!(
        (sick.sick, sick.requests_before, sick.requests_during),
        (true, 1_000, 1_000)
    );
    assert_eq!((sick.p99_before_us, sick.error_rate_before), (Some(4_000), Some(0.0)));
    assert_eq!(
        (sick.p99_during_us, sick.error_rate_during),
        (None, Some(1.0)),
        "a refusal is no latency"
    );
    let other = &blast.shards[1];
    assert_eq!((other.sick, other.error_rate_during), (false, Some(0.0)));
    assert_eq!((other.p99_before_us, other.p99_during_us), (Some(4_000), Some(6_000)));
    assert!((blast.fail_fast_s.unwrap() - 1.2).abs() < 1e-9, "{blast:?}");
    assert!((blast.recovered_s.unwrap() - 0.6).abs() < 1e-9, "{blast:?}");
}

#[test]
fn trials_of_a_half_open_breaker_may_be_slow() {
    // In every second three of a hundred calls are slow.
    let trial = |tenth: usize, number: usize| number < 2 && tenth % SECOND < 3;
    let axis = axis(|shard, tenth, number| match (shard, tenth) {
        (0, 100..150) if tenth < 105 || trial(tenth, number) => (Outcome::Timeout, 1_000),
        (0, 100..150) => (Outcome::Shed, 1),
        _ => (Outcome::Ok, 4),
    });
    assert!((blast(&axis).fail_fast_s.unwrap() - 0.5).abs() < 1e-9);
}

#[test]
fn slow_to_the_end_is_never_fast_and_broken_to_the_end_never_recovered() {
    // One tenth of slow calls near the end of the fault is enough.
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 145) => (Outcome::Ok, 300),
        (0, 150..) => (Outcome::ServerError, 3),
        _ => (Outcome::Ok, 4),
    });
    let blast = blast(&axis);
    assert_eq!((blast.fail_fast_s, blast.recovered_s), (None, None));
}

#[test]
fn a_shard_that_never_suffered_is_fast_and_well_at_once() {
    let blast = blast(&axis(|_, _, _| (Outcome::Ok, 4)));
    assert_eq!((blast.fail_fast_s, blast.recovered_s), (Some(0.0), Some(0.0)));
}

#[test]
fn a_shard_that_is_slow_again_was_not_well() {
    // Well for two seconds, then slow for one.
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 170..180) => (Outcome::Ok, 400),
        _ => (Outcome::Ok, 4),
    });
    assert!((blast(&axis).recovered_s.unwrap() - 3.0).abs() < 1e-9);
}

#[test]
fn without_calls_there_are_no_figures() {
    assert_eq!(blast(&TimeAxis::default()).shards, []);
    let mut axis = TimeAxis::default();
    let mut second = vec![ShardSecond::default(), ShardSecond::default()];
    second[1].at(0).ended(Outcome::Ok, MS);
    axis.add(19, &second);
    let blast = blast(&axis);
    assert_eq!((blast.fail_fast_s, blast.recovered_s), (None, None));
    let sick = &blast.shards[0];
    assert_eq!(
        (sick.requests_during, sick.p99_during_us, sick.error_rate_during),
        (0, None, None)
    );
}

#[test]
fn before_is_undisturbed_and_of_one_rate() {
    let at = |start_s: f64, end_s: f64| Stretch {
        start_s,
        end_s,
        sick: Some(0),
    };
    let before = |faults: &[Stretch], earlier: &[Blast]| before(&PHASES, faults, faults.len() - 1, earlier);
    assert_eq!(before(&[at(12.0, 19.0)], &[]), Some((45, 115)), "as long as the fault");
    assert_eq!(before(&[at(5.0, 6.0)], &[]), Some((20, 45)), "not in the phase before");
    assert_eq!(before(&[at(3.0, 6.0)], &[]), None, "half a second is not enough");
    let healed = Blast {
        recovered_s: Some(1.5),
        ..Blast::default()
    };
    assert_eq!(
        before(&[at(5.0, 6.0), at(11.0, 12.0)], std::slice::from_ref(&healed)),
        Some((75, 105)),
        "not while an earlier fault is felt"
    );
    assert_eq!(before(&[at(5.0, 12.0), at(9.0, 10.0)], &[healed]), None, "two at once");
}

#[test]
fn gates_ask_for_the_worst_of_the_other_shards_and_are_told_why_there_is_no_figure() {
    let metrics = [
        Metric::BlastP99Ratio,
        Metric::BlastErrorRate,
        Metric::FailFastS,
        Metric::RecoveredS,
        Metric::AcknowledgedLost,
    ];
    let spared = result(blast(&axis(|shard, tenth, number| match (shard, tenth) {
        (0, 100..150) => (Outcome::Timeout, 2_000),
        (1, 100..150) if number < 2 => (Outcome::Shed, 1),
        (1, 100..150) => (Outcome::Ok, 6),
        _ => (Outcome::Ok, 4),
    })));
    let figures = metrics.map(|metric| figure(&spared, metric));
    assert_eq!(figures, [Some(1.5), Some(0.1), None, Some(0.0), None]);
    let words = |fault: &FaultResult| {
        metrics.map(|metric| match why_none(fault, metric) {
            Some(NoFigure::Cannot(why)) => format!("cannot: {why}"),
            Some(NoFigure::Bad(why)) => why,
            None => String::new(),
        })
    };
    assert_eq!(words(&spared), ["", "", "never", "", "cannot: could not be asked"]);
    let swamped = result(blast(&axis(|_, tenth, _| match tenth {
        100.. => (Outcome::Timeout, 2_000),
        _ => (Outcome::Ok, 4),
    })));
    assert_eq!(
        words(&swamped),
        [
            "no ok answer",
            "",
            "never",
            "not within the run",
            "cannot: could not be asked"
        ]
    );
    let failed = FaultResult {
        problem: Some("no such process".to_owned()),
        ..spared
    };
    assert_eq!(
        metrics.map(|metric| figure(&failed, metric)),
        [None; 5],
        "what did not happen proves nothing"
    );
    assert_eq!(
        why_none(&failed, Metric::FailFastS),
        Some(NoFigure::Cannot("the fault failed: no such process".to_owned()))
    );
}

#[test]
fn recovery_is_not_looked_for_in_the_next_fault() {
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 100..160) => (Outcome::Shed, 1),
        _ => (Outcome::Ok, 4),
    });
    let next = Stretch {
        start_s: 16.5,
        end_s: 17.0,
        sick: Some(1),
    };
    let on_another = of_fault(&axis, &PHASES, &[FAULT, next], 0, &[]);
    assert!(
        (on_another.recovered_s.unwrap() - 1.0).abs() < 1e-9,
        "another shard's is no obstacle"
    );
    let of_all = Stretch { sick: None, ..next };
    let cut_short = of_fault(&axis, &PHASES, &[FAULT, of_all], 0, &[]);
    assert_eq!(cut_short.after_s, Some((15.0, 16.5)));
    assert_eq!(cut_short.recovered_s, None, "half a second is no recovery");
    let at_once = Stretch {
        start_s: 15.5,
        ..of_all
    };
    let unknown = result(of_fault(&axis, &PHASES, &[FAULT, at_once], 0, &[]));
    let why = why_none(&unknown, Metric::RecoveredS);
    assert_eq!(
        why,
        Some(NoFigure::Cannot("less than a second after it to recover in".to_owned()))
    );
}

#[test]
fn a_p99_of_a_handful_is_no_figure() {
    // Of a thousand calls to the other shard, four hundred are answered.
    let axis = axis(|shard, tenth, number| match (shard, tenth) {
        (1, 100..150) if number >= 8 => (Outcome::Shed, 1),
        _ => (Outcome::Ok, 4),
    });
    let few = result(blast(&axis));
    assert_eq!(figure(&few, Metric::BlastP99Ratio), None);
    let why = why_none(&few, Metric::BlastP99Ratio);
    assert_eq!(
        why,
        Some(NoFigure::Cannot(
            "fewer than 500 ok answers before or during it".to_owned()
        ))
    );
}

#[test]
fn a_fault_of_hardly_a_second_is_too_short_to_say_when_calls_failed_fast() {
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 100..111) => (Outcome::Timeout, 2_000),
        _ => (Outcome::Ok, 4),
    });
    // Longer than a second, but with nine whole tenths.
    let short = Stretch {
        start_s: 10.03,
        end_s: 11.06,
        sick: Some(0),
    };
    let blast = of_fault(&axis, &PHASES, &[short], 0, &[]);
    let short = FaultResult {
        start_s: Some(short.start_s),
        end_s: Some(short.end_s),
        ..result(blast)
    };
    assert_eq!(
        why_none(&short, Metric::FailFastS),
        Some(NoFigure::Cannot("it lasted less than a second".to_owned()))
    );
}

#[test]
fn a_shard_that_nobody_called_keeps_no_fault_from_being_over() {
    let mut axis = TimeAxis::default();
    for second in 0..20 {
        let mut shards = vec![ShardSecond::default(), ShardSecond::default()];
        for tenth in second * SECOND..(second + 1) * SECOND {
            let outcome = if (60..80).contains(&tenth) {
                Outcome::Timeout
            } else {
                Outcome::Ok
            };
            (0..20).for_each(|_| shards[0].at(tenth as u64 * 100 * MS).ended(outcome, 4 * MS));
        }
        axis.add(second as u64, &shards);
    }
    let redis = Stretch {
        start_s: 6.0,
        end_s: 8.0,
        sick: None,
    };
    let blast = of_fault(&axis, &PHASES, &[redis], 0, &[]);
    assert_eq!((blast.shards.len(), blast.recovered_s), (2, Some(0.0)));
}

#[test]
fn what_a_shard_suffers_from_a_fault_of_its_own_is_not_held_against_another() {
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (0, 100..150) | (1, 120..170) => (Outcome::Timeout, 2_000),
        _ => (Outcome::Ok, 4),
    });
    let second = Stretch {
        start_s: 12.0,
        end_s: 17.0,
        sick: Some(1),
    };
    let faults = [FAULT, second];
    let blast = of_fault(&axis, &PHASES, &faults, 0, &[]);
    let flags: Vec<_> = blast
        .shards
        .iter()
        .map(|shard| (shard.sick, shard.sick_of_another))
        .collect();
    assert_eq!(flags, [(true, false), (false, true)]);
    assert_eq!(others(&blast).count(), 0);
    let apart = [
        FAULT,
        Stretch {
            start_s: 15.5,
            ..second
        },
    ];
    assert_eq!(others(&of_fault(&axis, &PHASES, &apart, 0, &[])).count(), 1);
}

#[test]
fn a_fault_of_the_whole_server_is_over_when_every_shard_is_well_again() {
    let axis = axis(|shard, tenth, _| match (shard, tenth) {
        (_, 60..80) => (Outcome::Timeout, 2_000),
        (1, 80..95) => (Outcome::Shed, 1),
        _ => (Outcome::Ok, 4),
    });
    let paused = Stretch {
        start_s: 6.0,
        end_s: 8.0,
        sick: None,
    };
    let next = Stretch {
        start_s: 14.0,
        end_s: 16.0,
        sick: Some(0),
    };
    let faults = [paused, next];
    let first = of_fault(&axis, &PHASES, &faults, 0, &[]);
    assert!((first.recovered_s.unwrap() - 1.5).abs() < 1e-9, "{first:?}");
    let second = of_fault(&axis, &PHASES, &faults, 1, &[first]);
    assert_eq!(second.before_s, Some((9.5, 13.5)), "not while the server recovers");
}
