//! Guards: rules that can be judged while a cell runs.

use std::time::Duration;

use super::domain::{Bound, Guard};
use super::file::{GuardAction, GuardFile, Limit, ProfileFile, WorkloadFile};
use super::gate::{limit_in, operations, retries};
use super::judge::Judge;
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};
use crate::metric::{Metric, Scope};

/// The longest window: every second of it is kept in memory.
const OVER_MAX_S: u32 = 60;
/// The shortest and the longest time after which the profile's rate is tried again.
const AGAIN_AFTER_S: std::ops::RangeInclusive<u32> = 1..=86_400;

impl Judge<'_> {
    /// The rules of `guard`.
    pub(super) fn guards(&mut self, file: &WorkloadFile, profile: &Profile) -> Vec<Guard> {
        let rules = file.guard.iter().enumerate();
        rules
            .map(|(index, rule)| self.guard(&join("guard", &index.to_string()), rule, file, profile))
            .collect()
    }

    fn guard(&mut self, path: &str, rule: &GuardFile, file: &WorkloadFile, profile: &Profile) -> Guard {
        self.guard_figure(&join(path, "when"), rule, file);
        self.guard_action(path, rule, file);
        let over_s = self.guard_window(&join(path, "for"), rule, profile);
        let again_after_s = rule.again_after.and_then(|span| {
            let seconds = whole_seconds(span.0).filter(|seconds| AGAIN_AFTER_S.contains(seconds));
            if seconds.is_none() {
                let at = join(path, "again_after");
                self.mistake(
                    &at,
                    format!("`{span}` is not a number of seconds"),
                    "whole seconds, from 1s to 24h",
                );
            }
            seconds
        });
        Guard {
            because: rule.because.clone(),
            figure: rule.when.clone(),
            bound: self.guard_bound(path, rule),
            over_s,
            action: rule.then,
            again_after_s,
            base_rate: base_rate(&file.profile).unwrap_or(0.0),
        }
    }

    /// The figure exists, and a few seconds give it.
    fn guard_figure(&mut self, at: &str, rule: &GuardFile, file: &WorkloadFile) {
        let metric = rule.when.metric;
        if !metric.is_windowed() {
            let windowed = Metric::ALL.iter().filter(|metric| metric.is_windowed());
            let windowed: Vec<&str> = windowed.map(|metric| metric.name()).collect();
            let problem = format!(
                "`{}` cannot be judged while the run goes on: {}",
                metric.name(),
                why_not(metric)
            );
            self.mistake(at, problem, windowed.join(", "));
            return;
        }
        let operations = operations(file);
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        match (&rule.when.of, metric.is_of_an_operation()) {
            (Some(name), true) => {
                if !self.known(at, name, "traffic entry", &operations) {
                    return;
                }
                let entry = file.traffic.get(name);
                if entry.is_some_and(|entry| entry.websocket.is_some() && entry.send.is_none()) {
                    let problem = format!("`{name}` sends nothing that could be judged");
                    self.mistake(at, problem, "an entry with `send`");
                }
                if metric.scope() == Scope::Retries && !retries(file, name) {
                    self.mistake(
                        at,
                        "the metric is of retries, and callers of the operation do not retry",
                        "another metric, or an operation with `retry`",
                    );
                }
            }
            (None, true) => {
                let named = operations.iter().map(|name| format!("{name}.{}", metric.name()));
                let named: Vec<String> = named.collect();
                self.mistake(
                    at,
                    "the metric is an operation's, but no operation is given",
                    named.join(", "),
                );
            }
            (Some(_), false) => self.mistake(at, format!("`{}` is of no operation", metric.name()), metric.name()),
            (None, false) => {}
        }
    }

    /// What the rule does can be done.
    fn guard_action(&mut self, path: &str, rule: &GuardFile, file: &WorkloadFile) {
        let at = join(path, "then");
        if rule.again_after.is_some() && rule.then != GuardAction::BackOff {
            self.mistake(
                &join(path, "again_after"),
                "only a back-off is tried again",
                "`then: back_off`, or no `again_after`",
            );
        }
        if rule.then == GuardAction::Abort {
            return;
        }
        if !self.takes_profile {
            self.mistake(
                &at,
                "only the profile's rate can be lowered, and no entry takes a share of it",
                "an entry with `share`, or `abort`",
            );
        } else if base_rate(&file.profile).is_none() {
            self.mistake(
                &at,
                "the profile has one rate, and none below it that could be offered instead",
                "a profile with a `base`, or `abort`",
            );
        }
    }

    /// How many seconds the figure is made of. There has to be time for them.
    fn guard_window(&mut self, at: &str, rule: &GuardFile, profile: &Profile) -> u32 {
        let over = rule.over;
        let seconds = whole_seconds(over.0).filter(|seconds| (1..=OVER_MAX_S).contains(seconds));
        let Some(seconds) = seconds else {
            self.mistake(
                at,
                format!("`{over}` is not a number of seconds that a window can have"),
                "whole seconds, from 1s to 60s",
            );
            return 1;
        };
        let judged = profile
            .phases()
            .iter()
            .filter(|phase| !matches!(phase.kind, PhaseKind::WarmUp | PhaseKind::Settle));
        let length: Duration = judged.map(|phase| phase.end - phase.start).sum();
        if !length.is_zero() && length < over.0 {
            self.mistake(
                at,
                format!("the profile is over before `{over}` have passed after its warm-up"),
                "a shorter time, or a longer profile",
            );
        }
        seconds
    }

    fn guard_bound(&mut self, path: &str, rule: &GuardFile) -> Bound {
        let (key, limit, bound): (_, &Limit, fn(f64) -> Bound) = match (&rule.above, &rule.below) {
            (Some(limit), None) => ("above", limit, Bound::AtMost),
            (None, Some(limit)) => ("below", limit, Bound::AtLeast),
            (Some(_), Some(_)) => {
                self.mistake(
                    &join(path, "below"),
                    "a rule has one limit",
                    "either `above` or `below`, and another rule for the other",
                );
                return Bound::AtMost(0.0);
            }
            (None, None) => {
                self.mistake(path, "the rule has no limit", "above or below");
                return Bound::AtMost(0.0);
            }
        };
        let at = join(path, key);
        match limit_in(rule.when.metric.unit(), limit) {
            Ok(value) if value.is_finite() && value >= 0.0 => bound(value),
            Ok(value) => {
                let problem = format!("no figure can be as low as {value}, so the limit decides nothing");
                self.mistake(&at, problem, "0 or more");
                bound(0.0)
            }
            Err(expected) => {
                self.mistake(&at, "the limit does not fit the metric", expected);
                bound(0.0)
            }
        }
    }
}

/// Why a few seconds do not give the figure.
fn why_not(metric: Metric) -> &'static str {
    match metric.scope() {
        Scope::Fault => "it is of a fault, which has to be over",
        Scope::Series | Scope::Joins | Scope::Push => {
            "it is observed, and guards judge what the generator measures itself"
        }
        Scope::Members => "an event has to have time to reach its members",
        Scope::Operation | Scope::Retries => "it needs to know of the whole phase",
        Scope::Phase => "it is observed, or of the whole phase",
    }
}

/// `None` where it is not whole.
fn whole_seconds(span: Duration) -> Option<u32> {
    let is_whole = span.subsec_nanos() == 0;
    is_whole.then(|| u32::try_from(span.as_secs()).ok()).flatten()
}

/// The everyday rate of the profile, where it has one.
fn base_rate(profile: &ProfileFile) -> Option<f64> {
    match profile {
        ProfileFile::Steps { base, .. }
        | ProfileFile::Spike { base, .. }
        | ProfileFile::Bmt { base, .. }
        | ProfileFile::Sawtooth { base, .. }
        | ProfileFile::Midnights { base, .. } => Some(base.0),
        ProfileFile::Constant { .. }
        | ProfileFile::Shift { .. }
        | ProfileFile::Soak { .. }
        | ProfileFile::Trace { .. } => None,
    }
}
