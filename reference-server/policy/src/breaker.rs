//! Is a call let through to a dependency that may be sick?
//!
//! Closed, every call is. When too large a part of the calls in the window failed, or was slow, the breaker opens: calls are refused at once, so
//! that nobody waits for what will not come and the dependency is left alone. Some time later it is half-open: a few calls try. All of them
//! good closes it; the first bad one opens it again.
//!
//! Two things differ from the usual breaker. **A call is slow as soon as it has lasted `slow_call`**, not when it ends: a dependency that
//! has come to a halt ends no call before its time-out, and a breaker that waits for ends is as late as that. And **what is given is
//! taken back**: a permit dropped without an outcome gives its trial place to the next, and a trial that hangs counts as bad once it is slow,
//! so no lost call can keep the breaker half-open.
//!
//! Guarantees, each tested against a model that keeps a log of everything:
//! - **Exact.** It opens with the outcome, or at the question, by which a rate is reached over the calls of the last `window` and at most one
//!   sub-window more; never merely because old calls have left the window. Slow calls in progress are seen at most `slow_call / 16` late.
//! - **Never more than `trials` calls** are under way in half-open.
//! - **Generations.** The outcome of a call that was let through before a change of state counts for nothing after it.
//! - **Fixed memory**, and two short critical sections per call.
//!
//! Rejected: consecutive failures (one success among a hundred failures hides them), a count of the last n calls (a minute of sickness is
//! forgotten in a second, or an hour's calls decide), half-open judged by rate (with three trials no rate means anything),
//! half-open with a time limit instead of permits that come back (it admits none until the limit has passed).
//!
//! - **Cold:** closed, nothing counted; so again after every closing and after new rules.
//! - **Boundary:** a rate that is exactly reached opens; fewer than `minimum_calls` never do; a call of exactly `slow_call` is slow.
//! - **Clock:** time does not run backwards; an earlier `now` counts as the latest one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::in_flight::InFlight;
use crate::outcome_window::{Counts, OutcomeWindow};

/// When a breaker opens, and for how long; these may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRules {
    /// Length of the window over which calls are judged.
    pub window: Duration,
    /// Fewer calls than this in the window say nothing.
    pub minimum_calls: u32,
    /// Opens when this part of the calls failed; above 0, at most 1.
    pub failure_rate: f64,
    /// A call that lasts so long is slow.
    pub slow_call: Duration,
    /// Opens when this part of the calls was slow; above 0, at most 1.
    pub slow_rate: f64,
    /// How long it stays open.
    pub open: Duration,
    /// `open` is longer or shorter by up to this part of it, so that several processes do not try at once; 0 to 1.
    pub jitter: f64,
    /// Calls that must be good in half-open, and most that are under way there.
    pub trials: u32,
}

/// Why there can be no such breaker.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidBreaker {
    /// Nothing would ever be counted, or slow, or tried again.
    #[error("a {name} of {value:?} is out of range, expected 1 µs to 1 day")]
    Span {
        /// Which of the rules.
        name: &'static str,
        /// What it was.
        value: Duration,
    },
    /// No part of a whole.
    #[error("a {name} of {value} is out of range, expected above 0 and at most 1")]
    Rate {
        /// Which of the rules.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// Not from 0 to 1.
    #[error("a jitter of {0} is out of range, expected 0 to 1")]
    Jitter(f64),
    /// A rate of no calls, or a breaker that never tries.
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
    /// Lets a few through, to see.
    HalfOpen,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The dependency did its part, whatever the answer.
    Ok,
    /// It did not: an error, a time-out, no connection.
    Failed,
    /// The caller did not wait for it; says something only where it was slow by then.
    Abandoned,
}

/// A call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOpen {
    /// When it is worth asking again.
    pub retry_after: Duration,
    /// The state entered at this question, if there was one.
    pub entered: Option<BreakerState>,
}

/// Lets calls through, or does not.
#[derive(Debug)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    rules: BreakerRules,
    rng: Xoshiro256PlusPlus,
    now: Duration,
    /// One more with every change of state; permits of others are void.
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

/// A call that was let through. Dropped without an outcome it counts as if it had never been asked for.
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
    /// `seed` is of the jitter.
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

    /// Asks for one call.
    ///
    /// # Errors
    /// [`BreakerOpen`] when it must not be made.
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
                // By then the trials have shown what they will show.
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

    /// What it did with the last call. An open breaker whose time has passed is half-open when it is asked next.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.lock().phase.state()
    }

    /// Replaces the rules. A closed breaker counts anew, a half-open one tries anew, an open one stays open for at most the new time.
    ///
    /// # Errors
    /// [`InvalidBreaker`]; the old rules stay.
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

    /// Closes it and forgets everything.
    pub fn reset(&self) {
        self.lock().enter(Phase::Closed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The state that was entered for this call: half-open, where it is the first trial.
    #[must_use]
    pub fn entered(&self) -> Option<BreakerState> {
        self.entered
    }

    /// Reports how the call ended; the state that was entered by it, if there was one.
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
    /// Moves on to `now`: calls that have become slow by then count.
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

    /// Takes the outcome of a call of this generation.
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

    /// A call of this generation is no longer under way; `true` when it has been counted as slow already.
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
