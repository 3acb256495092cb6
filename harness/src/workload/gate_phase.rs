//! Gates and expectations: the phases that they are about.

use std::time::Duration;

use super::file::GateFile;
use super::judge::Judge;
use super::quantity::Span;
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};
use crate::metric::Metric;

impl Judge<'_> {
    /// How much of each phase counts, for the metric that asks for it.
    pub(super) fn gate_within(
        &mut self,
        path: &str,
        gate: &GateFile,
        phases: &[String],
        profile: &Profile,
    ) -> Option<Duration> {
        let at = join(path, "within");
        let allowed = "whole seconds, such as 5s";
        let within = match (gate.within, gate.metric()) {
            (Some(within), Metric::OkWithin) => within,
            (None, Metric::OkWithin) => {
                self.mistake(&at, "it is not said how much of the phase counts", allowed);
                return None;
            }
            (Some(_), _) => {
                self.mistake(
                    &at,
                    "the metric is of the whole phase",
                    "leave it out, or judge `ok_within`",
                );
                return None;
            }
            (None, _) => return None,
        };
        if within.0.is_zero() || within.0.subsec_nanos() > 0 {
            self.mistake(&at, format!("`{within}` is not a number of seconds"), allowed);
        }
        let counts = |name: &String| phases.contains(name) || gate.relative_to_phase.as_ref() == Some(name);
        let judged = profile.phases().iter().filter(|phase| counts(&phase.name));
        if let Some(shorter) = judged.min_by_key(|phase| phase.end - phase.start)
            && shorter.end - shorter.start < within.0
        {
            let length = Span(shorter.end - shorter.start);
            let problem = format!("phase `{}` lasts only {length}", shorter.name);
            self.mistake(&at, problem, format!("at most {length}, or a longer `phase`"));
        }
        Some(within.0)
    }

    /// The phases that are judged. None is compared with itself.
    pub(super) fn gate_phases(&mut self, path: &str, gate: &GateFile, profile: &Profile) -> Vec<String> {
        if gate.metric().is_of_what_follows() {
            return self.gate_spikes(path, gate, profile);
        }
        let measured: Vec<&str> = profile
            .phases()
            .iter()
            .filter(|phase| phase.kind.is_judged())
            .map(|phase| phase.name.as_str())
            .collect();
        let by_name = |kind| matches!(kind, PhaseKind::Recovery | PhaseKind::Settle);
        let unless_named = profile.phases().iter().filter(|phase| by_name(phase.kind));
        let named: Vec<&str> = measured
            .iter()
            .copied()
            .chain(unless_named.map(|phase| phase.name.as_str()))
            .collect();
        if let Some(name) = &gate.phase {
            self.known(&join(path, "phase"), name, "phase", &named);
        }
        let base = gate.relative_to_phase.as_deref();
        self.gate_base_phase(path, gate, &named);
        gate.phase.clone().map_or_else(
            || {
                measured
                    .iter()
                    .filter(|name| base != Some(**name))
                    .map(ToString::to_string)
                    .collect()
            },
            |phase| vec![phase],
        )
    }

    /// The spikes that more arrivals follow: what comes after them is judged.
    fn gate_spikes(&mut self, path: &str, gate: &GateFile, profile: &Profile) -> Vec<String> {
        let spikes: Vec<&str> = profile.followed_spikes().map(|phase| phase.name.as_str()).collect();
        if spikes.is_empty() {
            self.mistake(
                &join(path, "metric"),
                "the metric is of what follows a spike, and nothing does",
                "a profile with `after`, or another metric",
            );
        }
        if gate.relative_to_phase.is_some() {
            self.mistake(
                &join(path, "relative_to_phase"),
                "the metric is of a spike, and other phases have no such figure",
                "leave it out",
            );
        }
        let Some(name) = &gate.phase else {
            return spikes.into_iter().map(str::to_owned).collect();
        };
        self.known(&join(path, "phase"), name, "spike that more arrivals follow", &spikes);
        vec![name.clone()]
    }

    /// The phase that the judged one is compared with.
    fn gate_base_phase(&mut self, path: &str, gate: &GateFile, named: &[&str]) {
        let at = join(path, "relative_to_phase");
        let Some(name) = &gate.relative_to_phase else {
            return;
        };
        self.known(&at, name, "phase", named);
        if gate.relative_to.is_some() {
            self.mistake(
                &at,
                "the figure would be compared with another variant and with another phase at once",
                "either `relative_to` or `relative_to_phase`",
            );
        }
        if gate.phase.as_ref() == Some(name) {
            self.mistake(
                &at,
                format!("`{name}` would be compared with itself"),
                "a phase other than that of `phase`",
            );
        }
    }
}
