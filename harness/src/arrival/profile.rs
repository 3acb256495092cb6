//! The offered rate over time: a list of phases, each with one rate, or with one for each of its seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

/// What a phase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Before measuring; reported, but never judged.
    WarmUp,
    /// One step of a ramp, or a constant rate.
    Step,
    /// Everyday load right after the ramp or the spike, while what has piled up drains; judged only by gates that name
    /// it.
    Recovery,
    /// Everyday load.
    Base,
    /// The jump to the target.
    Spike,
    /// One of the equal windows of a rate that is held for long.
    Soak,
    /// A stretch of a recorded rate before its peak or after it.
    Trace,
    /// The peak of a recorded rate.
    Peak,
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

/// A stretch of the profile with one offered rate, or of a recorded one with a rate for each second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `warm-up`, `step 1`, …, `recovery`, `base`, `spike`, `after`, `constant`, `settle`; no other phase has the same.
    pub name: String,
    /// What it is for.
    pub kind: PhaseKind,
    /// Offset of its first instant from the start of the run.
    pub start: Duration,
    /// Offset of its end (exclusive).
    pub end: Duration,
    /// Offered rate of the profile, in arrivals per second; of a recorded rate its mean. Streams with a rate of their
    /// own come on top.
    pub rate: f64,
    /// The offered rate in each second of the phase, of a recorded rate; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<f64>,
    /// Parts of the profile's rate that the traffic entries take in this phase, in order; they add up to 1. Empty where
    /// each takes its own share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<f64>,
    /// Parts of the arrivals that each of several hosts gets, in order; they add up to 1. Empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<f64>,
}

impl Phase {
    /// The highest rate of the profile that it offers.
    #[must_use]
    pub fn rate_max(&self) -> f64 {
        self.rates.iter().copied().fold(self.rate, f64::max)
    }

    /// Stretches of one rate, in order and without gaps: start, end, and the profile's rate in it.
    pub fn pieces(&self) -> impl Iterator<Item = (Duration, Duration, f64)> {
        let whole = self.rates.is_empty().then_some((self.start, self.end, self.rate));
        let seconds = self.rates.iter().zip(0u32..).map(|(rate, second)| {
            let start = self.start + SECOND * second;
            (start, start + SECOND, *rate)
        });
        whole.into_iter().chain(seconds)
    }
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
                rates: Vec::new(),
                mix: Vec::new(),
                hosts: Vec::new(),
            });
        }
        self
    }

    /// Adds a phase of which each traffic entry takes the part that `mix` says, in order of the entries; none where it
    /// is empty: then each takes its own share.
    #[must_use]
    pub fn then_mixed(
        mut self,
        name: impl Into<String>,
        kind: PhaseKind,
        hold: Duration,
        rate: f64,
        mix: Vec<f64>,
    ) -> Self {
        let before = self.phases.len();
        self = self.then(name, kind, hold, rate);
        if let Some(phase) = self.phases.get_mut(before) {
            phase.mix = mix;
        }
        self
    }

    /// Adds a phase with a rate for each of its seconds.
    #[must_use]
    pub fn then_rates(mut self, name: impl Into<String>, kind: PhaseKind, rates: Vec<f64>) -> Self {
        let seconds = u32::try_from(rates.len()).expect("no recorded rate lasts for a century");
        let mean = rates.iter().sum::<f64>() / f64::from(seconds.max(1));
        let before = self.phases.len();
        self = self.then(name, kind, SECOND * seconds, mean);
        if let Some(phase) = self.phases.get_mut(before) {
            phase.rates = rates;
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

    /// The spikes that more arrivals follow.
    pub fn followed_spikes(&self) -> impl Iterator<Item = &Phase> {
        let pairs = self.phases.windows(2);
        pairs.filter_map(|pair| {
            let is_followed = !matches!(pair[1].kind, PhaseKind::Spike | PhaseKind::Settle);
            (pair[0].kind == PhaseKind::Spike && is_followed).then_some(&pair[0])
        })
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
    fn a_recorded_rate_has_a_piece_for_each_second_and_its_mean() {
        let profile = Profile::default()
            .then("warm-up", PhaseKind::WarmUp, S / 2, 10.0)
            .then_rates("rise", PhaseKind::Trace, vec![10.0, 20.0])
            .then_rates("none", PhaseKind::Trace, vec![])
            .then_rates("peak", PhaseKind::Peak, vec![60.0, 30.0, 30.0]);
        let [warm_up, rise, peak] = profile.phases() else {
            panic!("{profile:?}")
        };
        assert_eq!((rise.rate, rise.rate_max()), (15.0, 20.0));
        assert_eq!((peak.rate, peak.rate_max()), (40.0, 60.0));
        assert_eq!(warm_up.pieces().collect::<Vec<_>>(), [(Duration::ZERO, S / 2, 10.0)]);
        assert_eq!(
            rise.pieces().collect::<Vec<_>>(),
            [(S / 2, 3 * S / 2, 10.0), (3 * S / 2, 5 * S / 2, 20.0)]
        );
        assert_eq!((peak.start, peak.end), (5 * S / 2, 11 * S / 2));
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
