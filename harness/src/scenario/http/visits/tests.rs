use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::record::{Merged, PhaseBounds, PhaseTotals};
use crate::template::{Ask, Check, Method, RequestTemplate, Template};

const MS: u64 = 1_000_000;
/// The session's own series is 0, its steps' are 2, 3 and 4.
const SERIES: usize = 5;
const FIRST: usize = 2;

fn steps() -> Vec<Step> {
    let step = |name: &str, think_ms| Step {
        name: name.to_owned(),
        think: Duration::from_millis(think_ms),
        ask: Ask {
            request: RequestTemplate {
                method: Method::Get,
                path: Template::text("/"),
                headers: vec![],
                body: None,
            },
            check: Check::default(),
        },
        captures: vec![],
    };
    vec![step("login", 0), step("look", 300), step("order", 50)]
}

/// Two phases of two seconds.
fn phases() -> PhaseBounds {
    let seconds = Duration::from_secs;
    PhaseBounds::new([(seconds(0), seconds(2)), (seconds(2), seconds(4))])
}

/// A worker with nothing but sessions: time comes from the test.
struct Worker {
    visits: Visits,
    recorder: Recorder,
    steps: Vec<Step>,
}

impl Worker {
    fn new() -> Self {
        Self {
            visits: Visits::default(),
            recorder: Recorder::new(0, SERIES, 0, phases()),
            steps: steps(),
        }
    }

    fn call(arrival: Arrival) -> Call {
        let due = Due {
            series: FIRST + arrival.item,
            phase: phases().at(arrival.intended_ns),
            shard: None,
            host: 0,
            intended_ns: arrival.intended_ns,
            is_retry: false,
        };
        Call {
            due,
            ..Call::of(arrival)
        }
    }

    fn due(&mut self, arrival: Arrival) -> Call {
        let call = Self::call(arrival);
        self.recorder.due(&call.due, arrival.intended_ns);
        if arrival.item == 0 {
            self.visits.begins(&call, 0, &mut self.recorder);
        }
        call
    }

    /// The arrival is due, sent `late_ns` late, and answered `takes_ns` after that.
    fn step(&mut self, arrival: Arrival, late_ns: u64, takes_ns: u64, outcome: Outcome) {
        let call = self.due(arrival);
        let sent_ns = arrival.intended_ns + late_ns;
        let sample = Sample {
            due: call.due,
            sent_ns,
            done_ns: sent_ns + takes_ns,
            outcome,
            own_ns: late_ns,
        };
        self.recorder.done(&sample);
        self.visits.measured(&call, &sample, &self.steps, &mut self.recorder);
    }

    fn phases(mut self, end_ns: u64) -> Vec<PhaseTotals> {
        self.visits.end(end_ns, &mut self.recorder);
        assert!(self.visits.live.is_empty());
        let mut merged = Merged::new(2, SERIES);
        self.recorder
            .drain()
            .for_each(|interval| assert!(merged.take(&interval)));
        merged.phases
    }
}

fn arrival(ordinal: u64, intended_ns: u64) -> Arrival {
    Arrival {
        intended_ns,
        flow: 0,
        ordinal,
        item: 0,
        host: 0,
    }
}

#[test]
fn a_step_is_due_when_the_answer_before_it_has_come_and_the_pause_is_over() {
    let mut worker = Worker::new();
    worker.step(arrival(0, 1_900 * MS), 2 * MS, 8 * MS, Outcome::Ok);
    assert_eq!(worker.visits.next_ns(), Some(2_210 * MS));
    let look = worker.visits.take_due().unwrap();
    assert_eq!((look.intended_ns, look.ordinal, look.item), (2_210 * MS, 0, 1));
    worker.step(look, 0, 20 * MS, Outcome::Ok);
    let order = worker.visits.take_due().unwrap();
    assert_eq!((order.intended_ns, order.item), (2_280 * MS, 2));
    worker.step(order, MS, 9 * MS, Outcome::Ok);
    assert_eq!(worker.visits.take_due(), None);
    let phases = worker.phases(5_000 * MS);
    let session = phases[0].series[0].sessions.as_ref().unwrap();
    let times = session.whole.times(Outcome::Ok).unwrap();
    assert_eq!((session.whole.scheduled, times.response.count()), (1, 1));
    // From its intended start at 1,900 ms to the last answer at 2,290 ms, in which the generator was 3 ms late.
    let us = |durations: &crate::record::Durations| durations.max_us().unwrap();
    let close = |us: u64, ms: u64| us.abs_diff(ms * 1_000) <= ms;
    assert!(close(us(&times.response), 390), "{}", us(&times.response));
    assert!(close(us(&times.service), 388), "{}", us(&times.service));
    assert!(close(us(&times.net), 387), "{}", us(&times.net));
    let later = phases[1].series[0].sessions.as_ref().unwrap();
    assert_eq!(
        later.whole.ok_answered,
        [(0, 1)].into(),
        "completed in the second phase"
    );
    assert_eq!(later.whole.scheduled, 0, "and begun in the first");
    let scheduled = |phase: usize| [0, 1, 2].map(|step| phases[phase].series[FIRST + step].scheduled);
    assert_eq!((scheduled(0), scheduled(1)), ([1, 0, 0], [0, 1, 1]));
}

#[test]
fn a_session_ends_at_the_step_that_fails_or_cannot_be_sent_or_with_the_run() {
    let mut worker = Worker::new();
    worker.step(arrival(0, 0), 0, MS, Outcome::Shed);
    worker.step(arrival(1, MS), 0, MS, Outcome::Ok);
    let look = worker.visits.take_due().unwrap();
    worker.step(look, 0, MS, Outcome::WrongAnswer);
    worker.step(arrival(2, 2 * MS), 0, MS, Outcome::Ok);
    let look = worker.visits.take_due().unwrap();
    let call = worker.due(look);
    worker.recorder.unsent(&call.due, UnsentCause::QueueFull);
    worker
        .visits
        .unsent(&call, UnsentCause::QueueFull, 9 * MS, &mut worker.recorder);
    worker.step(arrival(3, 3 * MS), 0, MS, Outcome::Ok);
    worker.visits.close();
    assert_eq!(worker.visits.next_ns(), None, "the pause lasts longer than the run");
    worker.step(arrival(4, 4 * MS), 0, MS, Outcome::Ok);
    assert_eq!(worker.visits.next_ns(), None, "answered after the end");
    let phases = worker.phases(4_000 * MS);
    let session = phases[0].series[0].sessions.as_ref().unwrap();
    assert_eq!(session.ended_at, [(0, 1), (1, 2)].into());
    assert_eq!(session.whole.unsent, [(UnsentCause::QueueFull, 1)].into());
    assert_eq!((session.whole.scheduled, session.whole.cut_off), (5, 2));
    assert_eq!(session.whole.count(Outcome::Shed), 1);
    assert_eq!(session.whole.count(Outcome::WrongAnswer), 1);
    assert_eq!(session.whole.count(Outcome::Ok), 0);
}

/// How a step goes.
#[derive(Debug, Clone, Copy)]
enum Goes {
    Answered { takes_ms: u64, outcome: usize },
    Unsent,
    Hangs,
}

fn goes() -> impl Strategy<Value = Goes> {
    prop_oneof![
        6 => (0u64..600).prop_map(|takes_ms| Goes::Answered { takes_ms, outcome: 0 }),
        2 => (0u64..600, 0usize..10).prop_map(|(takes_ms, outcome)| Goes::Answered { takes_ms, outcome }),
        1 => Just(Goes::Unsent),
        1 => Just(Goes::Hangs),
    ]
}

proptest! {
    /// Whenever sessions begin, however their steps go and whenever the run ends: each that began has one end, in the
    /// phase in which it began, and every step but the first follows on an `ok` answer.
    #[test]
    fn every_session_has_one_end(
        sessions in prop::collection::vec((0u64..4_000, prop::collection::vec(goes(), 3)), 0..40),
        end_ms in 0u64..5_000,
    ) {
        let mut worker = Worker::new();
        let mut begins: Vec<u64> = sessions.iter().map(|(at_ms, _)| at_ms * MS).collect();
        begins.sort_unstable();
        let arrivals = begins.iter().zip(0..).map(|(ns, ordinal)| arrival(ordinal, *ns));
        let mut arrivals = arrivals.filter(|arrival| arrival.intended_ns < end_ms * MS).collect::<Vec<_>>().into_iter().peekable();
        let began = arrivals.len() as u64;
        loop {
            let scheduled_ns = arrivals.peek().map(|arrival| arrival.intended_ns);
            let caused_ns = worker.visits.next_ns();
            let next = match (scheduled_ns, caused_ns) {
                (Some(scheduled), Some(caused)) if scheduled > caused => worker.visits.take_due(),
                (None, Some(caused)) if caused < end_ms * MS => worker.visits.take_due(),
                (None, _) => None,
                (Some(_), _) => arrivals.next(),
            };
            let Some(arrival) = next else { break };
            prop_assert!(arrival.item < 3);
            match sessions[arrival.ordinal as usize].1[arrival.item] {
                Goes::Answered { takes_ms, outcome } => {
                    worker.step(arrival, 0, takes_ms * MS, Outcome::ALL[outcome]);
                }
                Goes::Unsent => {
                    let call = worker.due(arrival);
                    worker.recorder.unsent(&call.due, UnsentCause::TooLate);
                    worker.visits.unsent(&call, UnsentCause::TooLate, arrival.intended_ns, &mut worker.recorder);
                }
                Goes::Hangs => drop(worker.due(arrival)),
            }
        }
        worker.visits.close();
        let phases = worker.phases(end_ms * MS);
        let mut started = 0;
        for totals in &phases {
            let session = totals.series[0].sessions.as_deref().cloned().unwrap_or_default();
            let ended: u64 = session.ended_at.values().sum();
            let completed = session.whole.count(Outcome::Ok);
            prop_assert_eq!(session.whole.scheduled, completed + ended + session.whole.cut_off);
            prop_assert_eq!(session.whole.scheduled, totals.series[FIRST].scheduled, "each begins with its first step");
            started += session.whole.scheduled;
        }
        prop_assert_eq!(started, began);
        let of_step = |step: usize, count: &dyn Fn(&crate::record::Series) -> u64| {
            phases.iter().map(|totals| count(&totals.series[FIRST + step])).sum::<u64>()
        };
        for step in [1, 2] {
            let ok_before = of_step(step - 1, &|series| series.count(Outcome::Ok));
            prop_assert!(of_step(step, &|series| series.scheduled) <= ok_before);
        }
        let completed: u64 = phases.iter().filter_map(|totals| totals.series[0].sessions.as_ref()).map(|sessions| sessions.whole.count(Outcome::Ok)).sum();
        prop_assert_eq!(completed, of_step(2, &|series| series.count(Outcome::Ok)));
    }
}
