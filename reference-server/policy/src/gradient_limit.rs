//! Decides how many calls may be in progress at once, from how much slower they are than without contention.
//!
//! Below a server's capacity more concurrency means more throughput at the same latency; above it, the same throughput
//! at more latency. So the limit follows the ratio of the two latencies. Once per `window`, with at least ten calls:
//!
//! ```text
//! long      latency of a call without contention, in seconds (see below)
//! short     mean latency of the calls of this window, in seconds
//! gradient  = tolerance × long / short, from 0.5 to 1                      without unit
//! limit'    = limit × gradient + √limit, from min to max                  calls in progress
//! limit'    = limit × backoff, at least min                               if more than 1 % of the calls were dropped
//! ```
//!
//! √limit is the allowance for a queue, without which the limit could never grow. Under a lasting overload of a server
//! with `k` workers, latency is proportional to the limit and it settles where `limit = tolerance × k + √limit`.
//!
//! Sources: the limits `Gradient` and `Gradient2` of Netflix's concurrency-limits (2018), after TCP Vegas (Brakmo and
//! Peterson, 1995); the gradient controller of Envoy's adaptive concurrency filter. Four things differ:
//!
//! - **A drop backs off.** Where latency alone is looked at, calls that all end with the same time-out look like a
//!   server of constant latency, and the limit grows as long as the outage lasts (known of concurrency-limits). Here a
//!   call that timed out or was shed further down is no latency but a reason to back off.
//! - **`long` is not learnt from the overload.** An average over all calls follows `short`, and the limit creeps up for
//!   as long as an overload lasts. Here `long` is learnt from windows in which at most half the limit was in use, and
//!   when there has been none for `probe`, from a probe: the limit drops to `min` until the next 50 calls have begun
//!   and ended, and then returns to where it was. All 50 are waited for: those that end first are the quick ones. A
//!   probe that takes longer than 20 windows is given up.
//! - **A limit that is not used does not grow:** nothing has shown that the server could carry it.
//! - **A call that says nothing** about the server ([`CallEnd::Unknown`]) is left out.
//!
//! Both latencies are means over all kinds of calls: when the mix changes, the limit is off until the next probe.
//!
//! Guarantees, each tested: the limit stays between `min` and `max`; it never grows by more than its square root in a
//! window, never in a window with a drop, and never in one in which it was not reached.
//!
//! Rejected: AIMD alone (it needs drops, and so a queue that is already full), a limit per latency percentile (it must
//! be known in advance what a good latency is), smoothing the limit (the window's mean is smooth already).
//!
//! - **Cold:** a probe, and then from `min` upwards.
//! - **Boundary:** with `min = max` it is a fixed limit. Lowering the limit ends no call.
//! - **Clock:** a `now` earlier than the latest one is treated as the latest one.

use std::time::Duration;

use crate::latency_sample::{CallEnd, Probe, Window};

/// A window with fewer calls is no basis for a mean.
const CALLS_MIN: u32 = 10;
/// A probe behind calls that do not end is given up after so many windows.
const PROBE_WINDOWS: u32 = 20;
/// The limit at most halves in a window.
const GRADIENT_MIN: f64 = 0.5;
/// How much of a window in which the limit was not used goes into `long`.
const LEARNT_SHARE: f64 = 0.1;
/// Keeps a clock that is too coarse for the calls from dividing by zero.
const LATENCY_MIN_S: f64 = 1e-9;

/// How the limit moves, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientRules {
    /// The least limit; at least 1.
    pub min: u32,
    /// The largest limit; at least `min`.
    pub max: u32,
    /// By what factor the latency may exceed that without contention before the limit falls; 1 to 10.
    pub tolerance: f64,
    /// What is left of the limit after a window with drops; above 0, below 1.
    pub backoff: f64,
    /// How often the limit moves.
    pub window: Duration,
    /// How long the limit may be in use before the latency without contention is measured again.
    pub probe: Duration,
}

/// Why a limit cannot be built from these rules.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidGradient {
    /// No call could ever run, or the bounds contradict each other.
    #[error("a limit from {min} to {max} is out of range, expected at least 1, and a maximum not below the minimum")]
    Bounds {
        /// The least limit.
        min: u32,
        /// The largest limit.
        max: u32,
    },
    /// Below 1 the limit would fall without contention.
    #[error("a tolerance of {0} is out of range, expected 1 to 10")]
    Tolerance(f64),
    /// It would not back off, or to nothing.
    #[error("a backoff of {0} is out of range, expected above 0 and below 1")]
    Backoff(f64),
    /// Nothing would be measured, or never.
    #[error("a {name} of {value:?} is out of range, expected 1 µs to 1 day")]
    Span {
        /// The rule's name.
        name: &'static str,
        /// The rejected value.
        value: Duration,
    },
}

/// An adaptive limit on calls in progress.
#[derive(Debug, Clone)]
pub struct GradientLimit {
    rules: GradientRules,
    limit: f64,
    /// Seconds; `None` before the first probe has succeeded.
    long: Option<f64>,
    /// When `long` was last learnt, or tried to be.
    learnt: Duration,
    window: Window,
    probe: Option<Probe>,
    in_progress: u32,
    latest: Duration,
}

impl GradientLimit {
    /// Begins at `now`, with a probe.
    ///
    /// # Errors
    /// [`InvalidGradient`] names the rule that is out of range.
    pub fn try_new(rules: GradientRules, now: Duration) -> Result<Self, InvalidGradient> {
        check(&rules)?;
        Ok(Self {
            rules,
            limit: f64::from(rules.min),
            long: None,
            learnt: now,
            window: Window::at(now, 0),
            probe: Some(Probe::at(now)),
            in_progress: 0,
            latest: now,
        })
    }

    /// How many calls may be in progress now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        if self.probe.is_some() {
            self.rules.min
        } else {
            whole(self.limit)
        }
    }

    /// The latency without contention, once known.
    #[must_use]
    pub fn long(&self) -> Option<Duration> {
        self.long.map(Duration::from_secs_f64)
    }

    /// A call begins.
    pub fn began(&mut self, now: Duration) {
        self.latest = self.latest.max(now);
        self.in_progress += 1;
        self.window.in_progress_max = self.window.in_progress_max.max(self.in_progress);
        if let Some(probe) = &mut self.probe {
            probe.begin(self.latest);
        }
    }

    /// A call that began at `began` has ended.
    pub fn ended(&mut self, began: Duration, end: CallEnd, now: Duration) {
        self.latest = self.latest.max(now);
        let latency_s = self.latest.saturating_sub(began).as_secs_f64().max(LATENCY_MIN_S);
        self.window.count(latency_s, end);
        self.in_progress = self.in_progress.saturating_sub(1);
        match &mut self.probe {
            Some(probe) => {
                if probe.has(began) {
                    probe.count(latency_s, end);
                }
                self.end_probe();
            }
            None => self.end_window(),
        }
    }

    /// Learns from a probe once all its calls have ended; one whose calls did not succeed teaches nothing.
    fn end_probe(&mut self) {
        let Some(probe) = self.probe else { return };
        if !probe.is_whole() && self.latest.saturating_sub(probe.since) < self.rules.window * PROBE_WINDOWS {
            return;
        }
        self.long = probe.mean_s().or(self.long);
        if self.window.drops_too_many() {
            self.back_off();
        }
        self.probe = None;
        self.learnt = self.latest;
        self.window = Window::at(self.latest, self.in_progress);
    }

    fn end_window(&mut self) {
        let window = self.window;
        if self.latest.saturating_sub(window.since) < self.rules.window {
            return;
        }
        if window.drops_too_many() {
            self.back_off();
        } else if window.done >= CALLS_MIN {
            self.step(&window);
        } else {
            return; // it goes on until there are enough calls
        }
        self.window = Window::at(self.latest, self.in_progress);
        if self.long.is_none() || self.latest.saturating_sub(self.learnt) >= self.rules.probe {
            self.probe = Some(Probe::at(self.latest));
        }
    }

    fn back_off(&mut self) {
        self.limit = (self.limit * self.rules.backoff).max(f64::from(self.rules.min));
    }

    fn step(&mut self, window: &Window) {
        let Some(long) = self.long else { return };
        let short = window.mean_s();
        if f64::from(window.in_progress_max) <= self.limit / 2.0 {
            self.long = Some(long + LEARNT_SHARE * (short - long));
            self.learnt = self.latest;
            return;
        }
        let gradient = (self.rules.tolerance * long / short).clamp(GRADIENT_MIN, 1.0);
        let wanted = self.limit * gradient + self.limit.sqrt();
        let may_grow = window.in_progress_max >= whole(self.limit) && window.dropped == 0;
        if wanted <= self.limit || may_grow {
            self.limit = wanted.clamp(f64::from(self.rules.min), f64::from(self.rules.max));
        }
    }
}

/// A limit of 7.9 lets 7 calls run.
fn whole(limit: f64) -> u32 {
    limit as u32
}

fn check(rules: &GradientRules) -> Result<(), InvalidGradient> {
    let GradientRules { min, max, .. } = *rules;
    if min == 0 || max < min {
        return Err(InvalidGradient::Bounds { min, max });
    }
    if !(1.0..=10.0).contains(&rules.tolerance) {
        return Err(InvalidGradient::Tolerance(rules.tolerance));
    }
    if !(rules.backoff > 0.0 && rules.backoff < 1.0) {
        return Err(InvalidGradient::Backoff(rules.backoff));
    }
    for (name, value) in [("window", rules.window), ("time to the next probe", rules.probe)] {
        if !(Duration::from_micros(1)..=Duration::from_secs(86_400)).contains(&value) {
            return Err(InvalidGradient::Span { name, value });
        }
    }
    Ok(())
}
