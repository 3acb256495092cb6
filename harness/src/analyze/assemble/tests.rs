use super::*;
use crate::analyze::fixture;
use crate::record::{Due, PhaseBounds, Recorder, Sample, SeriesName};

const MS: u64 = 1_000_000;

/// The only phase of a cell into which `note` puts what a worker saw; the generator may open 100 connections.
fn phase(note: impl Fn(&mut Recorder)) -> PhaseResult {
    phase_of(fixture::snapshot(&["a"], 1).traffic, note)
}

/// The same, with a series for each of these entries.
fn phase_of(traffic: Vec<TrafficSnapshot>, note: impl Fn(&mut Recorder)) -> PhaseResult {
    let entries = traffic.len();
    let workload = Snapshot {
        traffic,
        phases: vec![Phase {
            start: std::time::Duration::ZERO,
            end: std::time::Duration::from_secs(10),
            ..fixture::snapshot(&["a"], 1).phases[0].clone()
        }],
        ..fixture::snapshot(&["a"], 1)
    };
    let series = (0..entries).map(|entry| SeriesName { entry, placement: None });
    let header = CellHeader {
        series: series.collect(),
        ..fixture::cell("a", 1, vec![]).header
    };
    let bounds = PhaseBounds::new(workload.phases.iter().map(|phase| (phase.start, phase.end)));
    let mut recorder = Recorder::new(0, entries, 0, bounds);
    note(&mut recorder);
    let mut merged = Merged::new(1, entries);
    recorder.drain().for_each(|interval| assert!(merged.take(&interval)));
    let parts = Parts {
        workload: &workload,
        header: &header,
        merged: &merged,
        observed: &Observed::new(&[(0.0, 10.0)], 0),
        recovery: &RecoveryFold::new(&workload.phases),
        ended_s: 10.0,
    };
    parts.phases().remove(0)
}

fn due(ms: u64) -> Due {
    Due {
        series: 0,
        phase: 0,
        shard: None,
        host: 0,
        intended_ns: ms * MS,
        is_retry: false,
    }
}

fn answered(recorder: &mut Recorder, ms: u64, takes_ms: u64, outcome: Outcome) {
    recorder.due(&due(ms), ms * MS);
    recorder.done(&Sample {
        due: due(ms),
        sent_ns: ms * MS,
        done_ns: (ms + takes_ms) * MS,
        outcome,
        own_ns: 0,
    });
}

fn never_sent(recorder: &mut Recorder, ms: u64) {
    recorder.due(&due(ms), ms * MS);
    recorder.unsent(&due(ms), UnsentCause::NoConnection);
}

fn counts(phase: &PhaseResult) -> (u64, u64, u64) {
    let get = &phase.operations["get"];
    let not_accepted = get.outcomes.get(&Outcome::NotAccepted).copied().unwrap_or(0);
    (get.scheduled, get.unsent, not_accepted)
}

#[test]
fn a_target_that_holds_every_connection_has_failed_and_a_bound_that_is_too_low_is_the_generators() {
    // 100/s that usually take 5 ms need half a connection of 100: what found none was not accepted.
    let hung = phase(|recorder| {
        (0..500).for_each(|number| answered(recorder, number * 10, 5, Outcome::Ok));
        (500..600).for_each(|number| answered(recorder, number * 10, 5_000, Outcome::Timeout));
        (600..1000).for_each(|number| never_sent(recorder, number * 10));
    });
    assert_eq!(counts(&hung), (1000, 0, 400));
    // 100/s that take 2 s each need 200 connections.
    let too_few = phase(|recorder| {
        (0..500).for_each(|number| answered(recorder, number * 10, 2_000, Outcome::Ok));
        (500..1000).for_each(|number| never_sent(recorder, number * 10));
    });
    assert_eq!(counts(&too_few), (1000, 500, 0));
}

#[test]
fn what_piled_up_while_the_generator_stood_still_is_not_the_targets() {
    // The generator may be this late when it comes back to what has become due meanwhile.
    let after = |stall_ms: u64, late: u64| {
        let phase = phase(|recorder| {
            (0..500).for_each(|number| answered(recorder, number * 10, 5, Outcome::Ok));
            for number in 500..500 + late {
                recorder.due(&due(number * 10), (number * 10 + stall_ms) * MS);
                recorder.unsent(&due(number * 10), UnsentCause::QueueFull);
            }
            (500 + late..1000).for_each(|number| never_sent(recorder, number * 10));
        });
        counts(&phase)
    };
    assert_eq!(after(1_000, 100), (1000, 0, 500), "a fifth of the time-out");
    assert_eq!(after(1_500, 100), (1000, 500, 0));
    assert_eq!(after(1_500, 5), (1000, 0, 500), "a hiccup does not leave half unsent");
}

#[test]
fn a_target_that_never_answered_has_failed_and_a_generator_that_never_sent_is_its_own_fault() {
    let silent = phase(|recorder| {
        (0..100).for_each(|number| answered(recorder, number * 10, 5_000, Outcome::Timeout));
        (100..1000).for_each(|number| never_sent(recorder, number * 10));
    });
    assert_eq!(counts(&silent), (1000, 0, 900));
    let idle = phase(|recorder| (0..1000).for_each(|number| never_sent(recorder, number * 10)));
    assert_eq!(counts(&idle), (1000, 1000, 0));
}

#[test]
fn goodput_is_what_was_answered_in_the_phase_and_not_what_was_due_in_it() {
    // 2,000/s are offered for 10 s, and 1,400/s answered: the last answers come after the phase.
    let slow = phase(|recorder| {
        for number in 0..20_000 {
            let (due_us, done_us) = (number * 500, number * 1_000_000 / 1_400);
            let due = due(due_us / 1000);
            recorder.due(&due, due.intended_ns);
            recorder.done(&Sample {
                due,
                sent_ns: due.intended_ns,
                done_ns: (done_us * 1000).max(due.intended_ns),
                outcome: Outcome::Ok,
                own_ns: 0,
            });
        }
    });
    let get = &slow.operations["get"];
    assert_eq!(get.outcomes[&Outcome::Ok], 20_000, "all were answered in the end");
    assert!((get.goodput_rate - 1_400.0).abs() < 1.0, "{}", get.goodput_rate);
}

#[test]
fn every_arrival_has_one_fate() {
    let mixed = phase(|recorder| {
        (0..50).for_each(|number| answered(recorder, number, 3, Outcome::Ok));
        (50..60).for_each(|number| answered(recorder, number, 3, Outcome::Throttled));
        (60..70).for_each(|number| never_sent(recorder, number));
        recorder.due(&due(70), 70 * MS);
        recorder.cut_off(&due(70));
    });
    let get = &mixed.operations["get"];
    let ended: u64 = get.outcomes.values().sum();
    assert_eq!(get.scheduled, ended + get.unsent + get.cut_off);
    assert_eq!(get.unsent, get.unsent_causes.values().sum::<u64>());
}

#[test]
fn sessions_are_an_operation_and_only_their_steps_are_requests() {
    let entry = |name: &str, steps: &[&str]| TrafficSnapshot {
        name: name.to_owned(),
        steps: steps.iter().map(ToString::to_string).collect(),
        ..fixture::snapshot(&["a"], 1).traffic[0].clone()
    };
    let traffic = vec![
        entry("order", &["login", "pay"]),
        entry("order.login", &[]),
        entry("order.pay", &[]),
    ];
    let of = |series: usize, ms: u64| Due { series, ..due(ms) };
    let done = |due: Due, takes_ms: u64, outcome: Outcome| Sample {
        due,
        sent_ns: due.intended_ns,
        done_ns: due.intended_ns + takes_ms * MS,
        outcome,
        own_ns: 0,
    };
    // Of a hundred, ten fail at the login, twenty when they pay, five are never sent, and five cut off.
    let phase = phase_of(traffic, |recorder| {
        for number in 0..100 {
            let (whole, login, pay) = (of(0, number * 10), of(1, number * 10), of(2, number * 10 + 500));
            recorder.sessions(&whole, whole.intended_ns).whole.scheduled += 1;
            recorder.due(&login, login.intended_ns);
            let mut ends = |step: usize, outcome: Outcome, ms: u64| {
                *recorder.sessions(&whole, 0).ended_at.entry(step).or_default() += 1;
                recorder.session_done(&done(whole, ms, outcome));
            };
            match number {
                0..10 => ends(0, Outcome::ClientError, 5),
                10..30 => ends(1, Outcome::ServerError, 505),
                30..35 => {
                    let sessions = recorder.sessions(&whole, 0);
                    *sessions.ended_at.entry(0).or_default() += 1;
                    *sessions.whole.unsent.entry(UnsentCause::QueueFull).or_default() += 1;
                    recorder.unsent(&login, UnsentCause::QueueFull);
                    continue;
                }
                35..40 => recorder.sessions(&whole, 0).whole.cut_off += 1,
                _ => recorder.session_done(&done(whole, 505, Outcome::Ok)),
            }
            let outcome = if number < 10 { Outcome::ClientError } else { Outcome::Ok };
            recorder.done(&done(login, 5, outcome));
            if (10..35).contains(&number) || number >= 40 {
                recorder.due(&pay, pay.intended_ns);
                let outcome = if number < 30 { Outcome::ServerError } else { Outcome::Ok };
                recorder.done(&done(pay, 5, outcome));
            }
        }
    });
    let order = &phase.operations["order"];
    let sessions = order.sessions.as_ref().unwrap();
    assert_eq!((sessions.started, sessions.completed, sessions.cut_off), (100, 60, 5));
    assert_eq!(
        sessions.ended_at,
        [("login".to_owned(), 15), ("pay".to_owned(), 20)].into()
    );
    assert_eq!((order.scheduled, order.outcomes[&Outcome::Ok]), (100, 60));
    assert!((order.figures["error_share"] - 0.4).abs() < 1e-9);
    assert_eq!(order.response_us["ok"].p50.map(|us| us / 1000), Some(505));
    assert!(
        (order.goodput_rate - 6.0).abs() < 1e-9,
        "completed in 10 s: {}",
        order.goodput_rate
    );
    let requests: u64 = phase.requests().map(|operation| operation.scheduled).sum();
    assert_eq!(requests, 100 + 80);
    let of_steps = ["order.login", "order.pay"].map(|step| phase.operations[step].scheduled);
    assert_eq!(of_steps, [100, 80]);
    assert!(phase.operations["order.login"].sessions.is_none());
}
