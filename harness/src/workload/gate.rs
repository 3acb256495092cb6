//! Gates and expectations: conditions on the figures of a run.

use super::domain::{Bound, Fault, Gate};
use super::file::{FaultName, GateFile, Limit, WorkloadFile};
use super::hosts::HOST;
use super::judge::Judge;
use super::quantity::{Rate, Share, Span};
use super::shape::join;
use crate::arrival::Profile;
use crate::metric::{Metric, Scope, Unit};

impl Judge<'_> {
    /// The conditions of the list at `key`.
    pub(super) fn gates(
        &mut self,
        key: &str,
        gates: &[GateFile],
        file: &WorkloadFile,
        profile: &Profile,
        faults: &[Fault],
    ) -> Vec<Gate> {
        let mut judged = Vec::new();
        for (index, gate) in gates.iter().enumerate() {
            judged.push(self.gate(&join(key, &index.to_string()), gate, file, profile, faults));
        }
        judged
    }

    fn gate(&mut self, path: &str, gate: &GateFile, file: &WorkloadFile, profile: &Profile, faults: &[Fault]) -> Gate {
        self.gate_of(path, gate);
        self.gate_operation(path, gate, file);
        self.gate_series(path, gate, file);
        if gate.metric().scope() == Scope::Members && !file.follows() {
            self.mistake(
                &join(path, "metric"),
                "the metric is of online members, and there are none",
                "a traffic entry with `operation: follow`",
            );
        }
        if gate.metric().scope() == Scope::Push && self.foreign.is_none() && !file.notifies() {
            self.mistake(
                &join(path, "metric"),
                "the metric is of the push component, and no variant has one",
                "target.gateway, and settings with `notify`",
            );
        }
        if gate.placement.is_some() && gate.operation().is_none() {
            self.mistake(
                &join(path, "placement"),
                "`placement` narrows an operation, but none is given",
                "leave it out, or name an `operation`",
            );
        }
        let variants = self.gate_variants(path, gate, file);
        let fault = self.gate_fault(path, gate, faults);
        let phases = match fault {
            Some(fault) => vec![format!("fault {} {}", fault + 1, faults[fault].inject.kind())],
            None => self.gate_phases(path, gate, profile),
        };
        self.gate_retries(path, gate, file);
        let within = self.gate_within(path, gate, &phases, profile);
        let bounds = self.bounds(path, gate);
        Gate {
            because: gate.because.clone(),
            metric: gate.metric(),
            operation: gate.operation().map(str::to_owned),
            placement: gate.placement,
            series: gate.series().map(str::to_owned),
            within,
            fault,
            phases,
            variants,
            relative_to: gate.relative_to.clone(),
            relative_to_phase: gate.relative_to_phase.clone(),
            bounds,
            inconclusive: gate.inconclusive,
        }
    }

    /// The variants that must pass. None is compared with itself: that would pass whatever it does.
    fn gate_variants(&mut self, path: &str, gate: &GateFile, file: &WorkloadFile) -> Vec<String> {
        let all: Vec<&str> = file.variants.iter().map(|variant| variant.name.as_str()).collect();
        if let Some(name) = &gate.relative_to {
            self.known(&join(path, "relative_to"), name, "variant", &all);
        }
        let is_other = |name: &str| gate.relative_to.as_deref() != Some(name);
        let Some(given) = &gate.variants else {
            let others: Vec<String> = all
                .iter()
                .filter(|name| is_other(name))
                .map(ToString::to_string)
                .collect();
            if others.is_empty() {
                self.mistake(
                    &join(path, "relative_to"),
                    "there is no other variant to compare with this one",
                    "a workload with another variant, or no `relative_to`",
                );
            }
            return others;
        };
        for (at, name) in given.iter().enumerate() {
            let at = format!("{path}.variants.{at}");
            if self.known(&at, name, "variant", &all) && !is_other(name) {
                self.mistake(
                    &at,
                    format!("`{name}` would be compared with itself"),
                    "variants other than that of `relative_to`",
                );
            }
        }
        given.clone()
    }

    /// What the figure is of is said once.
    fn gate_of(&mut self, path: &str, gate: &GateFile) {
        let Some(of) = &gate.metric.of else { return };
        if !gate.metric().is_of_something() {
            self.mistake(
                &join(path, "metric"),
                format!("`{}` is of no operation and of no series", gate.metric().name()),
                gate.metric().name(),
            );
        }
        let keys = [("operation", &gate.operation), ("series", &gate.series)];
        for (key, _) in keys.into_iter().filter(|(_, given)| given.is_some()) {
            self.mistake(
                &join(path, key),
                format!("`metric` says already that the figure is of `{of}`"),
                format!("`{key}`, or `{}`", gate.metric),
            );
        }
    }

    /// The operation that the figure is of.
    fn gate_operation(&mut self, path: &str, gate: &GateFile, file: &WorkloadFile) {
        let at = match gate.metric.operation() {
            Some(_) => join(path, "metric"),
            None => join(path, "operation"),
        };
        let operations = operations(file);
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        match gate.operation() {
            Some(_) if gate.metric() == Metric::JoinsAdmitted => {
                self.mistake(
                    &at,
                    "the metric is of all joins: the server counts them together, whatever their chat",
                    "leave it out, or judge `ok_within`",
                );
            }
            Some(name) => {
                self.known(&at, name, "traffic entry", &operations);
                let entry = file.traffic.get(name);
                if entry.is_some_and(|entry| entry.websocket.is_some() && entry.send.is_none()) {
                    self.mistake(
                        &at,
                        format!("`{name}` sends nothing that could be judged"),
                        "an entry with `send`",
                    );
                }
            }
            None if gate.metric().is_of_an_operation() => {
                self.mistake(
                    &at,
                    "the metric is an operation's, but no `operation` is given",
                    operations.join(", "),
                );
            }
            None => {}
        }
    }

    /// Only operations whose callers retry have metrics of retries.
    fn gate_retries(&mut self, path: &str, gate: &GateFile, file: &WorkloadFile) {
        let is_known = |name: &&str| operations(file).iter().any(|known| known == name);
        let operation = gate.operation().filter(is_known);
        if gate.metric().scope() == Scope::Retries && operation.is_some_and(|name| !retries(file, name)) {
            self.mistake(
                &join(path, "metric"),
                "the metric is of retries, and callers of the operation do not retry",
                "another metric, or an operation with `retry`",
            );
        }
    }

    /// The fault that the gate is about, in order of time.
    fn gate_fault(&mut self, path: &str, gate: &GateFile, faults: &[Fault]) -> Option<usize> {
        let at = join(path, "fault");
        if gate.metric().scope() != Scope::Fault {
            if gate.fault.is_some() {
                let remedy = "leave it out, or judge blast_p99_ratio, blast_error_rate, fail_fast_s, recovered_s or acknowledged_lost";
                self.mistake(&at, "the metric is not of a fault", remedy);
            }
            return None;
        }
        for (key, given) in [("phase", &gate.phase), ("relative_to_phase", &gate.relative_to_phase)] {
            if given.is_some() {
                self.mistake(
                    &join(path, key),
                    "the metric is of a fault, which has its own time",
                    "leave it out",
                );
            }
        }
        let all = (1..)
            .zip(faults)
            .map(|(place, fault)| format!("{place} ({})", fault.inject.kind()));
        let all: Vec<String> = all.collect();
        let of_kind = |kind: &String| {
            let places = faults
                .iter()
                .enumerate()
                .filter(|(_, fault)| fault.inject.kind() == kind);
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let places = match &gate.fault {
            // What is lost is of the whole cell, and the same beside each of its faults.
            None if gate.metric() == Metric::AcknowledgedLost => (0..faults.len().min(1)).collect(),
            None => (0..faults.len()).collect(),
            Some(FaultName::Place(place)) => (0..faults.len()).filter(|index| index + 1 == *place as usize).collect(),
            Some(FaultName::Kind(kind)) => of_kind(kind),
        };
        let problem = match (&places[..], faults.is_empty()) {
            (_, true) => "the metric is of a fault, and there is none",
            ([], _) => "there is no such fault",
            ([place], _) => return self.fits(&at, gate.metric(), faults[*place]).then_some(*place),
            _ => "it is not clear which fault is meant",
        };
        let allowed = if faults.is_empty() {
            "a workload with `faults`".to_owned()
        } else {
            all.join(", ")
        };
        self.mistake(&at, problem, allowed);
        None
    }

    /// Whether the fault can have the figure.
    fn fits(&mut self, path: &str, metric: Metric, fault: Fault) -> bool {
        let fits = fault.inject.shard().is_some() || metric != Metric::FailFastS;
        if !fits {
            let problem = format!(
                "`{}` affects no shard, so there is none that fails fast",
                fault.inject.kind()
            );
            self.mistake(path, problem, "a fault of a shard, or another metric");
        }
        fits
    }

    fn bounds(&mut self, path: &str, gate: &GateFile) -> Vec<Bound> {
        if gate.at_most.is_none() && gate.at_least.is_none() {
            self.mistake(path, "the condition has no limit", "at_most, at_least or both");
        }
        let unit = gate
            .metric()
            .gate_unit(gate.relative_to.is_some() || gate.relative_to_phase.is_some());
        let mut bounds = Vec::new();
        for (key, limit, bound) in [
            ("at_most", &gate.at_most, Bound::AtMost as fn(f64) -> Bound),
            ("at_least", &gate.at_least, Bound::AtLeast as fn(f64) -> Bound),
        ] {
            match limit.as_ref().map(|limit| limit_in(unit, limit)) {
                Some(Ok(value)) if value.is_finite() && value >= 0.0 => bounds.push(bound(value)),
                Some(Ok(value)) => {
                    let problem = format!("no figure can be as low as {value}, so the limit decides nothing");
                    self.mistake(&join(path, key), problem, "0 or more");
                }
                Some(Err(expected)) => self.mistake(&join(path, key), "the limit does not fit the metric", expected),
                None => {}
            }
        }
        if let [Bound::AtMost(most), Bound::AtLeast(least)] = bounds[..]
            && most < least
        {
            self.mistake(
                &join(path, "at_most"),
                "no figure can be at most this and at least `at_least`, which is higher",
                "a limit that is not below `at_least`",
            );
        }
        bounds
    }
}

/// Whether the callers of an operation retry.
pub(super) fn retries(file: &WorkloadFile, operation: &str) -> bool {
    let entry = file.traffic.get(operation);
    entry.is_some_and(|entry| entry.retry.is_some())
}

/// Traffic entries, and the steps of those that are sessions.
pub(super) fn operations(file: &WorkloadFile) -> Vec<String> {
    let entries = file.traffic.iter();
    entries
        .flat_map(|(name, entry)| {
            let steps = entry.steps.iter().flatten().filter_map(|step| step.name.as_ref());
            let steps = steps.map(move |step| format!("{name}.{step}"));
            std::iter::once(name.clone()).chain(steps)
        })
        .chain(file.target.hosts.iter().map(|host| format!("{HOST}.{}", host.name)))
        .collect()
}

/// A limit in the metric's unit, or the form that it should have.
pub(super) fn limit_in(unit: Unit, limit: &Limit) -> Result<f64, String> {
    let strip = |expected: String| expected.trim_start_matches("expected ").to_owned();
    match (unit, limit) {
        (Unit::Number | Unit::Ratio | Unit::Seconds | Unit::Own, Limit::Number(number)) => Ok(*number),
        (Unit::Number | Unit::Ratio, Limit::Quantity(_)) => Err("a plain number".to_owned()),
        (Unit::Seconds | Unit::Own, Limit::Quantity(text)) => {
            text.parse::<Span>().map(|span| span.0.as_secs_f64()).map_err(strip)
        }
        (Unit::Time, Limit::Quantity(text)) => text
            .parse::<Span>()
            .map(|span| span.0.as_secs_f64() * 1e6)
            .map_err(strip),
        (Unit::Rate, Limit::Quantity(text)) => text.parse::<Rate>().map(|rate| rate.0).map_err(strip),
        (Unit::Share, Limit::Quantity(text)) => text.parse::<Share>().map(|share| share.0).map_err(strip),
        (Unit::Time, Limit::Number(_)) => Err("a time with its unit, such as 50ms".to_owned()),
        (Unit::Rate, Limit::Number(_)) => Err("a rate with its unit, such as 2000/s".to_owned()),
        (Unit::Share, Limit::Number(_)) => Err("a percentage, such as 1%".to_owned()),
    }
}
