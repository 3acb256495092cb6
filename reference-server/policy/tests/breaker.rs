//! The breaker against a model that keeps a complete log, and under threads.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hotchat_policy::{Breaker, BreakerOpen, BreakerRules, BreakerState, InvalidBreaker, Outcome, Permit};
use proptest::prelude::*;

const RULES: BreakerRules = BreakerRules {
    window: Duration::from_millis(1000),
    minimum_calls: 5,
    failure_rate: 0.5,
    slow_call: Duration::from_millis(160),
    slow_rate: 0.8,
    open: Duration::from_millis(400),
    jitter: 0.0,
    trials: 3,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn breaker(rules: BreakerRules) -> Breaker {
    Breaker::try_new(rules, 1).unwrap()
}

/// Makes calls that end at once.
fn end(breaker: &Breaker, now: Duration, outcomes: &[Outcome]) {
    for outcome in outcomes {
        breaker.permit(now).unwrap().done(now, *outcome);
    }
}

/// A breaker that opened at `now`.
fn opened(rules: BreakerRules, now: Duration) -> Breaker {
    let breaker = breaker(rules);
    end(&breaker, now, &[Outcome::Failed; 5]);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

fn refused(breaker: &Breaker, now: Duration) -> BreakerOpen {
    breaker.permit(now).map(|_| ()).unwrap_err()
}

#[test]
fn opens_on_the_call_that_reaches_a_rate_and_not_below_the_minimum() {
    let breaker = breaker(RULES);
    end(
        &breaker,
        ms(0),
        &[Outcome::Failed, Outcome::Ok, Outcome::Failed, Outcome::Ok],
    );
    let entered = breaker.permit(ms(1)).unwrap().done(ms(1), Outcome::Ok);
    assert_eq!((entered, breaker.state()), (None, BreakerState::Closed), "2 of 5");
    let entered = breaker.permit(ms(2)).unwrap().done(ms(2), Outcome::Failed);
    assert_eq!(entered, Some(BreakerState::Open), "3 of 6 is the rate exactly");
    let told = BreakerOpen {
        retry_after: ms(399),
        entered: None,
    };
    assert_eq!(refused(&breaker, ms(3)), told);
}

#[test]
fn hanging_calls_open_the_breaker_once_slow() {
    let breaker = breaker(RULES);
    let stuck: Vec<Permit<'_>> = (0..5).map(|at| breaker.permit(ms(at)).unwrap()).collect();
    assert!(breaker.permit(ms(150)).is_ok());
    // The first sixteenth of the limit ends at 10 ms.
    let told = refused(&breaker, ms(170));
    assert_eq!((told.entered, told.retry_after), (Some(BreakerState::Open), ms(400)));
    for permit in stuck {
        assert_eq!(permit.done(ms(171), Outcome::Failed), None, "of an earlier state");
    }
}

#[test]
fn successful_trials_close_the_breaker_and_one_failure_reopens_it() {
    for (bad, lasts) in [(Outcome::Failed, 1), (Outcome::Ok, 160), (Outcome::Abandoned, 160)] {
        let breaker = opened(RULES, ms(0));
        assert_eq!(refused(&breaker, ms(399)).retry_after, ms(1));
        let first = breaker.permit(ms(400)).unwrap();
        assert_eq!(first.entered(), Some(BreakerState::HalfOpen));
        assert_eq!(first.done(ms(401), Outcome::Ok), None);
        let second = breaker.permit(ms(402)).unwrap();
        assert_eq!(second.done(ms(402 + lasts), bad), Some(BreakerState::Open), "{bad:?}");
        let again = ms(402 + lasts + 400);
        let trials: Vec<_> = (0..3).map(|_| breaker.permit(again).unwrap()).collect();
        assert!(breaker.permit(again).is_err(), "no more than the trials");
        let entered: Vec<_> = trials.into_iter().map(|trial| trial.done(again, Outcome::Ok)).collect();
        assert_eq!(entered, [None, None, Some(BreakerState::Closed)]);
    }
}

#[test]
fn cancelled_trials_are_returned_and_a_hanging_one_reopens_the_breaker() {
    let breaker = opened(RULES, ms(0));
    for _ in 0..100 {
        let trials: Vec<_> = (0..3).map(|_| breaker.permit(ms(400)).unwrap()).collect();
        assert!(breaker.permit(ms(400)).is_err());
        drop(trials);
    }
    let gave_up_early = breaker.permit(ms(400)).unwrap();
    assert_eq!(gave_up_early.done(ms(410), Outcome::Abandoned), None);
    // A leaked permit.
    std::mem::forget(breaker.permit(ms(410)).unwrap());
    let told = refused(&breaker, ms(590));
    assert_eq!(
        (told.entered, breaker.state()),
        (Some(BreakerState::Open), BreakerState::Open)
    );
    assert!(breaker.permit(ms(990)).is_ok());
}

#[test]
fn the_open_time_is_jittered_both_ways() {
    let rules = BreakerRules { jitter: 0.25, ..RULES };
    let times: Vec<Duration> = (0..200)
        .map(|seed| {
            let breaker = Breaker::try_new(rules, seed).unwrap();
            end(&breaker, ms(0), &[Outcome::Failed; 5]);
            refused(&breaker, ms(0)).retry_after
        })
        .collect();
    let (least, most) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
    assert!(least >= ms(300) && least < ms(310), "{least:?}");
    assert!(most <= ms(500) && most > ms(490), "{most:?}");
}

#[test]
fn new_rules_reset_counts_and_shorten_the_open_time() {
    let breaker = breaker(RULES);
    end(&breaker, ms(0), &[Outcome::Failed; 4]);
    let before = breaker.permit(ms(0)).unwrap();
    let strict = BreakerRules {
        minimum_calls: 2,
        ..RULES
    };
    breaker.retune(strict).unwrap();
    breaker.retune(strict).unwrap();
    assert_eq!(before.done(ms(1), Outcome::Failed), None, "of the old rules");
    end(&breaker, ms(1), &[Outcome::Failed]);
    assert_eq!(breaker.state(), BreakerState::Closed);
    end(&breaker, ms(1), &[Outcome::Failed]);
    assert_eq!(breaker.state(), BreakerState::Open);
    let quick = BreakerRules { open: ms(50), ..strict };
    breaker.retune(quick).unwrap();
    assert_eq!(refused(&breaker, ms(2)).retry_after, ms(49));
    let trial = breaker.permit(ms(51)).unwrap();
    breaker.retune(RULES).unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert_eq!(trial.done(ms(51), Outcome::Failed), None);
    breaker.reset();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn invalid_parameters_are_rejected() {
    let zero = Duration::ZERO;
    let table = [
        (BreakerRules { window: zero, ..RULES }, "a window of 0ns"),
        (
            BreakerRules {
                slow_call: zero,
                ..RULES
            },
            "a slow_call of 0ns",
        ),
        (
            BreakerRules {
                open: ms(86_400_001),
                ..RULES
            },
            "a time open of 86400.001s",
        ),
        (
            BreakerRules {
                failure_rate: 0.0,
                ..RULES
            },
            "a failure rate of 0",
        ),
        (
            BreakerRules {
                slow_rate: 1.1,
                ..RULES
            },
            "a slow-call rate of 1.1",
        ),
        (
            BreakerRules {
                slow_rate: f64::NAN,
                ..RULES
            },
            "a slow-call rate of NaN",
        ),
        (BreakerRules { jitter: 1.1, ..RULES }, "a jitter of 1.1"),
        (
            BreakerRules {
                minimum_calls: 0,
                ..RULES
            },
            "a minimum of calls of 0",
        ),
        (BreakerRules { trials: 0, ..RULES }, "a number of trials of 0"),
    ];
    let good = breaker(RULES);
    for (rules, message) in table {
        let refused: InvalidBreaker = Breaker::try_new(rules, 1).map(|_| ()).unwrap_err();
        assert!(refused.to_string().starts_with(message), "{refused}");
        assert!(good.retune(rules).is_err());
    }
}

/// A test step.
#[derive(Debug, Clone)]
enum Step {
    Call,
    /// Ends one of the calls in progress.
    End(usize, Outcome),
    Cancel(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Ok),
        4 => Just(Outcome::Failed),
        1 => Just(Outcome::Abandoned),
    ];
    let step = prop_oneof![
        6 => Just(Step::Call),
        5 => (any::<usize>(), outcome).prop_map(|(at, outcome)| Step::End(at, outcome)),
        1 => any::<usize>().prop_map(Step::Cancel),
        3 => (0_u64..40).prop_map(Step::Wait),
        1 => (100_u64..500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..300)
}

/// A call in the model.
#[derive(Debug, Clone)]
struct Known {
    started: u64,
    /// `None` for a call of an earlier state.
    running: bool,
    /// Calls, failures and slow calls it has been counted for, and when.
    counted: Vec<(u64, [u32; 3])>,
}

/// All times in milliseconds; nothing is forgotten.
#[derive(Debug)]
struct Model {
    now: u64,
    state: BreakerState,
    until: u64,
    good: u32,
    /// All calls of the current state.
    calls: Vec<Known>,
}

const SUB_WINDOW: u64 = 100;
const PART: u64 = 10;
const SLOW: u64 = 160;

impl Model {
    fn change(&mut self, state: BreakerState) {
        self.state = state;
        self.good = 0;
        self.until = self.now + 400;
        self.calls.clear();
    }

    fn judge(&mut self) {
        let now = self.now;
        let in_window = |at: u64| at / SUB_WINDOW + 10 >= now / SUB_WINDOW;
        let mut sums = [0, 0, 0];
        for (at, counted) in self.calls.iter().flat_map(|call| &call.counted) {
            for (sum, more) in sums.iter_mut().zip(counted).filter(|_| in_window(*at)) {
                *sum += more;
            }
        }
        let [calls, failed, slow] = sums.map(f64::from);
        if calls >= 5.0 && (failed >= 0.5 * calls || slow >= 0.8 * calls) {
            self.change(BreakerState::Open);
        }
    }

    fn advance(&mut self) {
        let (now, half_open) = (self.now, self.state == BreakerState::HalfOpen);
        let mut hangs = false;
        for call in self
            .calls
            .iter_mut()
            .filter(|call| call.running && call.counted.is_empty())
        {
            if (call.started / PART + 1) * PART + SLOW <= now {
                call.counted.push((now, [1, 0, 1]));
                hangs = true;
            }
        }
        match hangs {
            true if half_open => self.change(BreakerState::Open),
            true => self.judge(),
            false => {}
        }
    }

    fn trials(&self) -> u32 {
        self.calls.iter().filter(|call| call.running).count() as u32
    }

    /// The call's index in the log.
    fn call(&mut self) -> Option<usize> {
        self.advance();
        if self.state == BreakerState::Open && self.now >= self.until {
            self.change(BreakerState::HalfOpen);
        }
        let allowed = match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => self.trials() + self.good < 3,
        };
        allowed.then(|| {
            self.calls.push(Known {
                started: self.now,
                running: true,
                counted: Vec::new(),
            });
            self.calls.len() - 1
        })
    }

    fn end(&mut self, index: usize, outcome: Outcome) {
        let now = self.now;
        let call = &mut self.calls[index];
        call.running = false;
        let slow = now - call.started >= SLOW;
        let failed = outcome == Outcome::Failed;
        if self.state == BreakerState::HalfOpen {
            match outcome {
                _ if slow || failed => self.change(BreakerState::Open),
                Outcome::Ok if self.good == 2 => self.change(BreakerState::Closed),
                Outcome::Ok => self.good += 1,
                Outcome::Failed | Outcome::Abandoned => {}
            }
            return;
        }
        let known = !call.counted.is_empty();
        let says = match outcome {
            Outcome::Failed => true,
            Outcome::Ok => !known,
            Outcome::Abandoned => !known && slow,
        };
        if says {
            let first = u32::from(!known);
            call.counted
                .push((now, [first, u32::from(failed), first * u32::from(slow)]));
            self.judge();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_says_and_is_never_stuck(steps in steps()) {
        let breaker = breaker(RULES);
        let mut model = Model { now: 5, state: BreakerState::Closed, until: 0, good: 0, calls: Vec::new() };
        // With the number of state changes when it was issued.
        let mut permits: Vec<(Permit<'_>, usize, u32)> = Vec::new();
        let (mut changes, mut last) = (0, BreakerState::Closed);
        for step in steps {
            match step {
                Step::Wait(millis) => model.now += millis,
                Step::Call => {
                    let before = model.state;
                    let (expected, got) = (model.call(), breaker.permit(ms(model.now)));
                    prop_assert_eq!(expected.is_some(), got.is_ok());
                    let entered = match &got { Ok(permit) => permit.entered(), Err(open) => open.entered };
                    prop_assert_eq!(entered, (before != model.state).then_some(model.state));
                    changes += u32::from(entered.is_some());
                    if let (Some(index), Ok(permit)) = (expected, got) {
                        permits.push((permit, index, changes));
                    }
                }
                Step::End(at, outcome) if !permits.is_empty() => {
                    let (permit, index, generation) = permits.swap_remove(at % permits.len());
                    let before = model.state;
                    model.advance();
                    if generation == changes && before == model.state {
                        model.end(index, outcome);
                    }
                    let entered = permit.done(ms(model.now), outcome);
                    prop_assert_eq!(entered, (before != model.state).then_some(model.state));
                    changes += u32::from(entered.is_some());
                }
                Step::Cancel(at) if !permits.is_empty() => {
                    let (permit, index, generation) = permits.swap_remove(at % permits.len());
                    drop(permit);
                    if generation == changes {
                        model.calls[index].running = false;
                    }
                }
                Step::End(..) | Step::Cancel(_) => {}
            }
            prop_assert_eq!(breaker.state(), model.state);
            last = model.state;
        }
        // Whatever has happened, and with permits still out: slow calls count now, and once they have left the window
        // and the open time has passed, good calls close the breaker.
        let mut now = ms(model.now + 10_000);
        let _ = breaker.permit(now).map(drop);
        now += ms(2000);
        for _ in 0..3 {
            breaker.permit(now).unwrap().done(now, Outcome::Ok);
        }
        prop_assert_eq!(breaker.state(), BreakerState::Closed, "it was {:?}", last);
    }
}

#[test]
fn threads_never_exceed_the_trials_and_lose_none() {
    const THREADS: u32 = 8;
    for round in 0..50 {
        let breaker = opened(RULES, ms(0));
        let (out, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (breaker, out, most) = (&breaker, &out, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let Ok(permit) = breaker.permit(ms(400)) else {
                            std::thread::yield_now();
                            continue;
                        };
                        most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        if (turn + thread + round) % 3 == 0 {
                            std::thread::yield_now();
                        }
                        out.fetch_sub(1, Ordering::SeqCst);
                        if turn % 2 == 0 {
                            drop(permit);
                        } else {
                            permit.done(ms(401), Outcome::Abandoned);
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        let trials: Vec<_> = (0..3).map(|_| breaker.permit(ms(401)).unwrap()).collect();
        assert!(breaker.permit(ms(401)).is_err());
        for trial in trials {
            trial.done(ms(402), Outcome::Ok);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

#[test]
fn a_look_notices_calls_that_hang_and_takes_no_trial() {
    let rules = BreakerRules {
        window: Duration::from_secs(10),
        minimum_calls: 3,
        failure_rate: 0.5,
        slow_call: Duration::from_secs(1),
        slow_rate: 0.5,
        open: Duration::from_secs(2),
        jitter: 0.0,
        trials: 1,
    };
    let breaker = Breaker::try_new(rules, 1).unwrap();
    let at = Duration::from_millis;
    let hanging: Vec<_> = (0..3).map(|_| breaker.permit(at(0)).unwrap()).collect();
    assert_eq!(breaker.look(at(900)), None);
    assert_eq!(
        breaker.look(at(1100)),
        Some(BreakerState::Open),
        "up to a sixteenth late"
    );
    assert_eq!(breaker.look(at(9000)), None, "half-open begins with a request");
    assert_eq!(breaker.state(), BreakerState::Open);
    drop(hanging);
    let trial = breaker.permit(at(9000)).unwrap();
    assert_eq!(breaker.look(at(9001)), None);
    assert_eq!(trial.done(at(9002), Outcome::Ok), Some(BreakerState::Closed));
}
