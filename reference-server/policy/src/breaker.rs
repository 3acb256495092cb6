//! Decides whether a call to a possibly failing dependency is let through.
//!
//! A closed breaker lets every call through. When too large a share of the calls in the window failed or was slow, the
//! breaker opens: it rejects calls at once, so that callers do not wait in vain and the dependency gets no further
//! load. After some time it is half-open and lets a few trial calls through. If all of them succeed it closes; the
//! first bad one opens it again.
//!
//! Two things differ from the usual breaker. **A call is slow as soon as it has lasted `slow_call`**, not when it ends:
//! a stalled dependency ends no call before its time-out, and a breaker that waits for calls to end opens only then.
//! And **every permit is recovered**: a permit dropped without an outcome returns its trial slot, and a trial that
//! hangs counts as bad once it is slow, so a lost call cannot keep the breaker half-open.
//!
//! Guarantees, each tested against a model that keeps a complete log:
//! - **Exact.** It opens on the outcome, or on the permit request, at which a rate is reached over the calls of the
//!   last `window` plus at most one sub-window; never merely because old calls have left the window. Slow calls in
//!   progress are detected at most `slow_call / 16` late.
//! - **Never more than `trials` calls** are in progress in half-open.
//! - **Generations.** The outcome of a call that was let through before a change of state is ignored after it.
//! - **Fixed memory**, and two short critical sections per call.
//!
//! Rejected: consecutive failures (one success among a hundred failures hides them), a count of the last n calls (a
//! minute of failure is forgotten within a second, or calls from an hour ago decide), half-open judged by rate (three
//! trials give no meaningful rate), half-open with a time limit instead of recoverable permits (it lets nothing through
//! until the limit has passed).
//!
//! - **Cold:** closed, with empty counts; the same after every closing and after new rules.
//! - **Boundary:** reaching a rate exactly opens the breaker; fewer than `minimum_calls` calls never do; a call of
//!   exactly `slow_call` is slow.
//! - **Clock:** time does not run backwards; a `now` earlier than the latest one is treated as the latest one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::in_flight::InFlight;
use crate::outcome_window::{Counts, OutcomeWindow};

/// When a breaker opens, and for how long. The rules may change at run time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRules {
    /// Length of the window over which calls are judged.
    pub window: Duration,
    /// With fewer calls than this in the window, the rates are not judged.
    pub minimum_calls: u32,
    /// The breaker opens when this share of the calls failed; above 0, at most 1.
    pub failure_rate: f64,
    /// A call that lasts this long is slow.
    pub slow_call: Duration,
    /// The breaker opens when this share of the calls was slow; above 0, at most 1.
    pub slow_rate: f64,
    /// How long the breaker stays open.
    pub open: Duration,
    /// `open` varies by up to this share of itself in either direction, so that several processes do not retry at once;
    /// 0 to 1.
    pub jitter: f64,
    /// Calls that must succeed in half-open, and the maximum in progress there.
    pub trials: u32,
}

/// Why a breaker cannot be built from these rules.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidBreaker {
    /// With a span of zero nothing would be counted, be slow, or be retried.
    #[error("a {name} of {value:?} is out of range, expected 1 µs to 1 day")]
    Span {
        /// The rule's name.
        name: &'static str,
        /// The rejected value.
        value: Duration,
    },
    /// Not above 0 and at most 1.
    #[error("a {name} of {value} is out of range, expected above 0 and at most 1")]
    Rate {
        /// The rule's name.
        name: &'static str,
        /// The rejected value.
        value: f64,
    },
    /// Not between 0 and 1.
    #[error("a jitter of {0} is out of range, expected 0 to 1")]
    Jitter(f64),
    /// A rate over no calls, or a breaker that never tries.
    #[error("a {0} of 0 is out of range, expected at least 1")]
    Zero(&'static str),
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets them through.
    Closed,
    /// Refuses them.
    Open,
    /// Lets a few trial calls through.
    HalfOpen,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The dependency did its work, whatever the answer.
    Ok,
    /// The dependency failed: an error, a time-out, no connection.
    Failed,
    /// The caller stopped waiting; counts only if the call was slow by then.
    Abandoned,
}

/// The call is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOpen {
    /// How long to wait before retrying.
    pub retry_after: Duration,
    /// The state entered by this request for a permit, if it caused a transition.
    pub entered: Option<BreakerState>,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    rules: BreakerRules,
    rng: Xoshiro256PlusPlus,
    now: Duration,
    /// Incremented with every change of state; permits of other generations are void.
    generation: u64,
    phase: Phase,
    outcomes: OutcomeWindow,
    in_flight: InFlight,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open { until: Duration },
    HalfOpen { in_progress: u32, good: u32 },
}

/// Permission for one call. A permit dropped without an outcome counts as if it had never been requested.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts for nothing"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    started: Duration,
    entered: Option<BreakerState>,
    settled: bool,
}

impl Breaker {
    /// `seed` seeds the jitter.
    ///
    /// # Errors
    /// [`InvalidBreaker`] names the rule that is out of range.
    pub fn try_new(rules: BreakerRules, seed: u64) -> Result<Self, InvalidBreaker> {
        check(&rules)?;
        Ok(Self(Mutex::new(Inner {
            rules,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            now: Duration::ZERO,
            generation: 0,
            phase: Phase::Closed,
            outcomes: OutcomeWindow::new(rules.window),
            in_flight: InFlight::new(rules.slow_call),
        })))
    }

    /// Requests permission for one call.
    ///
    /// # Errors
    /// [`BreakerOpen`] when the call must not be made.
    pub fn permit(&self, now: Duration) -> Result<Permit<'_>, BreakerOpen> {
        let mut inner = self.lock();
        let mut entered = inner.advance(now);
        let now = inner.now;
        if let Phase::Open { until } = inner.phase {
            if now < until {
                let retry_after = until - now;
                return Err(BreakerOpen { retry_after, entered });
            }
            entered = Some(inner.enter(Phase::HalfOpen {
                in_progress: 0,
                good: 0,
            }));
        }
        let (trials, slow_call) = (inner.rules.trials, inner.rules.slow_call);
        if let Phase::HalfOpen { in_progress, good } = &mut inner.phase {
            if *in_progress + *good >= trials {
                // By then the trials have ended or are slow.
                let retry_after = slow_call;
                return Err(BreakerOpen { retry_after, entered });
            }
            *in_progress += 1;
        }
        inner.in_flight.began(now);
        Ok(Permit {
            breaker: self,
            generation: inner.generation,
            started: now,
            entered,
            settled: false,
        })
    }

    /// Shows the breaker that time has passed, where all callers may be waiting for calls that hang; returns the state
    /// entered, if so many calls have become slow by now.
    pub fn look(&self, now: Duration) -> Option<BreakerState> {
        self.lock().advance(now)
    }

    /// The state after the last call. An open breaker whose time has passed becomes half-open at the next request for a
    /// permit.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.lock().phase.state()
    }

    /// Replaces the rules. A closed breaker starts counting afresh, a half-open one starts its trials afresh, and an
    /// open one stays open for at most the new time.
    ///
    /// # Errors
    /// [`InvalidBreaker`]; the old rules stay in force.
    pub fn retune(&self, rules: BreakerRules) -> Result<(), InvalidBreaker> {
        check(&rules)?;
        let mut inner = self.lock();
        if inner.rules == rules {
            return Ok(());
        }
        inner.rules = rules;
        inner.outcomes = OutcomeWindow::new(rules.window);
        inner.in_flight = InFlight::new(rules.slow_call);
        let phase = match inner.phase {
            Phase::Closed => Phase::Closed,
            Phase::HalfOpen { .. } => Phase::HalfOpen {
                in_progress: 0,
                good: 0,
            },
            Phase::Open { until } => Phase::Open {
                until: until.min(inner.now + rules.open.mul_f64(1.0 + rules.jitter)),
            },
        };
        inner.enter(phase);
        Ok(())
    }

    /// Closes the breaker and clears its counts.
    pub fn reset(&self) {
        self.lock().enter(Phase::Closed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The state entered for this call: half-open, if it is the first trial.
    #[must_use]
    pub fn entered(&self) -> Option<BreakerState> {
        self.entered
    }

    /// Reports how the call ended; returns the state entered as a result, if there was a transition.
    pub fn done(mut self, now: Duration, outcome: Outcome) -> Option<BreakerState> {
        self.settled = true;
        let mut inner = self.breaker.lock();
        let entered = inner.advance(now);
        if inner.generation == self.generation {
            return inner.settle(self.started, outcome);
        }
        entered
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut inner = self.breaker.lock();
        if inner.generation == self.generation {
            inner.give_back(self.started);
        }
    }
}

impl Inner {
    /// Moves time on to `now` and counts the calls that have become slow.
    fn advance(&mut self, now: Duration) -> Option<BreakerState> {
        self.now = self.now.max(now);
        let slow = self.in_flight.overdue(self.now);
        if matches!(self.phase, Phase::Closed) {
            self.outcomes.advance(self.now);
        }
        match self.phase {
            Phase::Closed if slow > 0 => self.count(Counts {
                calls: slow,
                failed: 0,
                slow,
            }),
            Phase::HalfOpen { .. } if slow > 0 => Some(self.open()),
            Phase::Closed | Phase::HalfOpen { .. } | Phase::Open { .. } => None,
        }
    }

    /// Records the outcome of a call of this generation.
    fn settle(&mut self, started: Duration, outcome: Outcome) -> Option<BreakerState> {
        let slow = self.now - started >= self.rules.slow_call;
        let counted = self.give_back(started);
        match self.phase {
            Phase::Closed => {
                let says_nothing = match outcome {
                    Outcome::Failed => false,
                    Outcome::Ok => counted,
                    Outcome::Abandoned => counted || !slow,
                };
                if says_nothing {
                    return None;
                }
                self.count(Counts {
                    calls: u32::from(!counted),
                    failed: u32::from(outcome == Outcome::Failed),
                    slow: u32::from(slow && !counted),
                })
            }
            Phase::HalfOpen { .. } if slow || outcome == Outcome::Failed => Some(self.open()),
            Phase::HalfOpen { in_progress, good } if outcome == Outcome::Ok => {
                let good = good + 1;
                if good >= self.rules.trials {
                    return Some(self.enter(Phase::Closed));
                }
                self.phase = Phase::HalfOpen { in_progress, good };
                None
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } => None,
        }
    }

    /// Ends a call of this generation; `true` if it has already been counted as slow.
    fn give_back(&mut self, started: Duration) -> bool {
        if let Phase::HalfOpen { in_progress, .. } = &mut self.phase {
            *in_progress -= 1;
        }
        !self.in_flight.ended(started)
    }

    fn count(&mut self, counts: Counts) -> Option<BreakerState> {
        self.outcomes.add(counts);
        let Counts { calls, failed, slow } = self.outcomes.sum();
        let rules = &self.rules;
        let reaches = |part: u32, rate: f64| f64::from(part) >= rate * f64::from(calls);
        let judged = calls >= rules.minimum_calls;
        let sick = reaches(failed, rules.failure_rate) || reaches(slow, rules.slow_rate);
        (judged && sick).then(|| self.open())
    }

    fn open(&mut self) -> BreakerState {
        let spread = 1.0 + self.rules.jitter * self.rng.random_range(-1.0..=1.0);
        let until = self.now + self.rules.open.mul_f64(spread);
        self.enter(Phase::Open { until })
    }

    fn enter(&mut self, phase: Phase) -> BreakerState {
        self.generation += 1;
        self.phase = phase;
        self.outcomes.clear();
        self.in_flight.clear();
        phase.state()
    }
}

impl Phase {
    fn state(self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

fn check(rules: &BreakerRules) -> Result<(), InvalidBreaker> {
    let range = Duration::from_micros(1)..=Duration::from_secs(86_400);
    for (name, value) in [
        ("window", rules.window),
        ("slow_call", rules.slow_call),
        ("time open", rules.open),
    ] {
        if !range.contains(&value) {
            return Err(InvalidBreaker::Span { name, value });
        }
    }
    for (name, value) in [
        ("failure rate", rules.failure_rate),
        ("slow-call rate", rules.slow_rate),
    ] {
        if !(value > 0.0 && value <= 1.0) {
            return Err(InvalidBreaker::Rate { name, value });
        }
    }
    if !(0.0..=1.0).contains(&rules.jitter) {
        return Err(InvalidBreaker::Jitter(rules.jitter));
    }
    for (name, value) in [
        ("minimum of calls", rules.minimum_calls),
        ("number of trials", rules.trials),
    ] {
        if value == 0 {
            return Err(InvalidBreaker::Zero(name));
        }
    }
    Ok(())
}
