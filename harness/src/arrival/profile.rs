//! The offered rate over time: a list of phases, each with one rate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a phase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Before measuring; reported, but never judged.
    WarmUp,
    /// One step of a ramp, or a constant rate.
    Step,
    /// Everyday load right after the ramp, while what has piled up drains; judged only by gates that name it.
    Recovery,
    /// Everyday load.
    Base,
    /// The jump to the target.
    Spike,
    /// Nothing more is offered: members who are online catch up, rejected clients retry; judged only by gates that
    /// name it.
    Settle,
}

impl PhaseKind {
    /// Whether gates judge the phase unless they name another.
    #[must_use]
    pub fn is_judged(self) -> bool {
        !matches!(self, Self::WarmUp | Self::Recovery | Self::Settle)
    }
}

/// A stretch of the profile with one offered rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `warm-up`, `step 1`, …, `recovery`, `base`, `spike`, `constant`, `settle`.
    pub name: String,
    /// What it is for.
    pub kind: PhaseKind,
    /// Offset of its first instant from the start of the run.
    pub start: Duration,
    /// Offset of its end (exclusive).
    pub end: Duration,
    /// Offered rate of the profile, in arrivals per second. Streams with a rate of their own come on top.
    pub rate: f64,
    /// Parts of the arrivals that each of several hosts gets, in order; they add up to 1. Empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<f64>,
}

/// Phases one after another, the first at offset zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    phases: Vec<Phase>,
}

impl Profile {
    /// Adds a phase at the end; one of no length is left out.
    #[must_use]
    pub fn then(mut self, name: impl Into<String>, kind: PhaseKind, hold: Duration, rate: f64) -> Self {
        let start = self.end();
        if !hold.is_zero() {
            self.phases.push(Phase {
                name: name.into(),
                kind,
                start,
                end: start + hold,
                rate,
                hosts: Vec::new(),
            });
        }
        self
    }

    /// Adds `count` equal steps that lead from `base` (exclusive) to `target` (inclusive).
    #[must_use]
    pub fn then_steps(mut self, count: u32, base: f64, target: f64, hold: Duration) -> Self {
        for step in 1..=count {
            let rate = base + (target - base) * f64::from(step) / f64::from(count);
            self = self.then(format!("step {step}"), PhaseKind::Step, hold, rate);
        }
        self
    }

    /// The same, its arrivals dealt out to several hosts: in each phase by the parts that `shares` gives for its index.
    #[must_use]
    pub fn among_hosts(mut self, shares: impl Fn(usize) -> Vec<f64>) -> Self {
        for (index, phase) in self.phases.iter_mut().enumerate() {
            phase.hosts = shares(index);
        }
        self
    }

    /// The phases in order.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Offset of the end of the last phase.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.end)
    }

    /// Index of the phase at `offset`; the last phase also owns everything after it.
    ///
    /// # Panics
    /// When the profile has no phase.
    #[must_use]
    pub fn phase_at(&self, offset: Duration) -> usize {
        assert!(!self.phases.is_empty(), "a profile has at least one phase");
        self.phases
            .partition_point(|phase| phase.end <= offset)
            .min(self.phases.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn steps_lead_to_the_target_in_equal_parts() {
        let profile = Profile::default()
            .then("warm-up", PhaseKind::WarmUp, S, 200.0)
            .then_steps(3, 200.0, 2000.0, 2 * S)
            .then("base", PhaseKind::Base, S, 200.0)
            .then("spike", PhaseKind::Spike, 4 * S, 2000.0);
        let rates: Vec<f64> = profile.phases().iter().map(|phase| phase.rate).collect();
        assert_eq!(rates, [200.0, 800.0, 1400.0, 2000.0, 200.0, 2000.0]);
        assert_eq!(profile.end(), 12 * S);
    }

    #[test]
    fn a_boundary_belongs_to_the_phase_that_begins() {
        let profile = Profile::default()
            .then("a", PhaseKind::Step, S, 1.0)
            .then("none", PhaseKind::Step, Duration::ZERO, 1.0)
            .then("b", PhaseKind::Step, S, 1.0);
        assert_eq!(profile.phase_at(Duration::ZERO), 0);
        assert_eq!(profile.phase_at(S.checked_sub(Duration::from_nanos(1)).unwrap()), 0);
        assert_eq!(profile.phase_at(S), 1);
        assert_eq!(profile.phase_at(9 * S), 1, "what comes late is the last phase's");
    }
}
