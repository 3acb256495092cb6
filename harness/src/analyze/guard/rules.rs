//! The rules of a cell, and what each second makes of them.

use std::collections::VecDeque;
use std::time::Duration;

use super::ended::{Ended, NoFigure, Source};
use super::reports::Reports;
use crate::arrival::{Phase, PhaseKind};
use crate::metric::{Metric, Unit};
use crate::record::{BoundKind, CellHeader, GuardAction, GuardCount, GuardResult, GuardSnapshot, Interval, Snapshot};

/// What is to be done. `cap` is the profile's highest rate from then on; `None` is what the profile says.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A rule acts.
    Now {
        /// What it does, as if that took no time.
        result: Box<GuardResult>,
        /// The cap.
        cap: Option<f64>,
    },
    /// What a rule did is undone.
    Undo {
        /// Place of the rule, from 1.
        rule: usize,
        /// The cap.
        cap: Option<f64>,
    },
}

/// The rules of a cell while it runs.
#[derive(Debug)]
pub struct Guard {
    rules: Vec<Rule>,
    phases: Vec<Phase>,
    reports: Reports,
    /// The first second that was not touched by the last act.
    clean_from: u64,
    back_off: Option<BackOff>,
    hold: Option<f64>,
    is_aborted: bool,
    /// The load has ended: what comes in says nothing of the profile any more.
    is_over: bool,
}

#[derive(Debug)]
struct Rule {
    snapshot: GuardSnapshot,
    metric: Option<Metric>,
    /// What ended in the last seconds, at most as many as it judges.
    window: VecDeque<Ended>,
    is_spent: bool,
    count: GuardCount,
}

#[derive(Debug, Clone, Copy)]
struct BackOff {
    rule: usize,
    rate: f64,
    /// When the profile's rate is tried again.
    until_s: Option<u64>,
}

impl Rule {
    fn new(snapshot: &GuardSnapshot) -> Self {
        Self {
            metric: Metric::from_name(&snapshot.metric),
            window: VecDeque::new(),
            is_spent: false,
            count: GuardCount {
                name: snapshot.name(),
                judged: 0,
                without_figure: 0,
                reason: None,
            },
            snapshot: snapshot.clone(),
        }
    }

    fn push(&mut self, ended: Ended) {
        if self.window.len() >= self.snapshot.over_s as usize {
            self.window.pop_front();
        }
        self.window.push_back(ended);
    }

    fn is_full(&self) -> bool {
        self.window.len() >= self.snapshot.over_s as usize
    }

    fn figure(&self) -> Result<f64, NoFigure> {
        let metric = self
            .metric
            .ok_or_else(|| format!("this bmt has no metric `{}`", self.snapshot.metric))?;
        Ended::of_all(&self.window).figure(metric, self.snapshot.over_s)
    }

    /// The figure, where the rule's seconds are full and it does not keep the limit.
    fn broken(&mut self) -> Option<f64> {
        if !self.is_full() {
            return None;
        }
        match self.figure() {
            Ok(figure) => {
                self.count.judged += 1;
                let (bound, limit) = self.snapshot.bound;
                let keeps = match bound {
                    BoundKind::AtMost => figure <= limit,
                    BoundKind::AtLeast => figure >= limit,
                };
                (!keeps).then_some(figure)
            }
            Err(reason) => {
                self.count.without_figure += 1;
                self.count.reason = Some(reason);
                None
            }
        }
    }

    /// Of rules that act in the same second the strongest does.
    fn strength(&self) -> u8 {
        match self.snapshot.action {
            GuardAction::Abort => 2,
            GuardAction::BackOff => 1,
            GuardAction::Hold => 0,
        }
    }
}

impl Guard {
    /// The rules of the workload in a cell of so many workers; `None` where there are none.
    #[must_use]
    pub fn new(workload: &Snapshot, header: &CellHeader, workers: usize) -> Option<Self> {
        let rules = &workload.guards;
        let sources = rules.iter().map(|rule| Source::of(rule, workload, header)).collect();
        (!rules.is_empty()).then(|| Self {
            rules: rules.iter().map(Rule::new).collect(),
            phases: workload.phases.clone(),
            reports: Reports::new(sources, workers),
            clean_from: 0,
            back_off: None,
            hold: None,
            is_aborted: false,
            is_over: false,
        })
    }

    /// Takes in what a worker has measured.
    pub fn take(&mut self, interval: &Interval) {
        let counts = self.phases.get(interval.phase).is_some_and(is_judged);
        self.reports.take(interval, counts);
    }

    /// A worker has reported everything that happened before `ns`; returns what is to be done.
    pub fn until(&mut self, worker: u32, ns: u64) -> Option<Act> {
        self.reports.until(worker, ns);
        let mut act = None;
        while let Some((second, ended)) = self.reports.next_second() {
            match act {
                None => act = self.second(second, ended),
                // It was over before anything could be done about the one before it.
                Some(_) => self.passed(second),
            }
        }
        act
    }

    /// The load has ended: from now on nothing is judged.
    pub fn close(&mut self) {
        self.is_over = true;
    }

    /// How often each rule could be judged so far.
    #[must_use]
    pub fn counts(&self) -> Vec<GuardCount> {
        self.rules.iter().map(|rule| rule.count.clone()).collect()
    }

    /// A second is over.
    fn second(&mut self, second: u64, ended: Vec<Ended>) -> Option<Act> {
        if self.is_aborted || self.is_over {
            return None;
        }
        if let Some(undone) = self.undo(second) {
            return Some(undone);
        }
        if second < self.clean_from || !self.is_judged(second) {
            return None;
        }
        for (rule, ended) in self.rules.iter_mut().zip(ended) {
            rule.push(ended);
        }
        let mut strongest: Option<(usize, f64)> = None;
        for index in 0..self.rules.len() {
            if !self.may_act(index, second) {
                continue;
            }
            let Some(figure) = self.rules[index].broken() else {
                continue;
            };
            let is_stronger = |(other, _): (usize, f64)| self.rules[index].strength() > self.rules[other].strength();
            if strongest.is_none_or(is_stronger) {
                strongest = Some((index, figure));
            }
        }
        strongest.map(|(index, figure)| self.act(index, figure, second))
    }

    /// A second passed before an act could take effect: it is of the rate before, and the act lasts no shorter.
    fn passed(&mut self, second: u64) {
        self.clean_from = second + 2;
        let until_s = self.back_off.as_mut().and_then(|back_off| back_off.until_s.as_mut());
        until_s.into_iter().for_each(|until_s| *until_s += 1);
    }

    /// Tries the profile's rate again, if it is time and the profile goes on.
    fn undo(&mut self, second: u64) -> Option<Act> {
        if !self.goes_on(second) {
            return None;
        }
        let over = self
            .back_off
            .filter(|back_off| back_off.until_s.is_some_and(|until_s| until_s <= second + 1))?;
        self.back_off = None;
        let again = self
            .rules
            .iter_mut()
            .filter(|rule| rule.snapshot.again_after_s.is_some());
        again.for_each(|rule| rule.is_spent = false);
        self.start_afresh(second);
        Some(Act::Undo {
            rule: over.rule + 1,
            cap: self.cap(),
        })
    }

    /// Whether all of the second is of phases that are judged.
    fn is_judged(&self, second: u64) -> bool {
        let (from, until) = (Duration::from_secs(second), Duration::from_secs(second + 1));
        let is_within = |phase: &&Phase| phase.start < until && from < phase.end;
        let end = self.phases.last().map_or(Duration::ZERO, |phase| phase.end);
        until <= end && self.phases.iter().filter(is_within).all(is_judged)
    }

    /// Whether load that is judged follows on a second.
    fn goes_on(&self, second: u64) -> bool {
        let end = Duration::from_secs(second + 1);
        self.phases.iter().any(|phase| is_judged(phase) && end < phase.end)
    }

    /// Whether the rule could do anything that is not done already.
    fn may_act(&self, index: usize, second: u64) -> bool {
        let rule = &self.rules[index];
        let is_lower = match (rule.snapshot.action, self.back_off) {
            (GuardAction::Abort, _) | (GuardAction::BackOff, None) => true,
            (GuardAction::BackOff, Some(held)) => held.until_s.is_some() && rule.snapshot.again_after_s.is_none(),
            (GuardAction::Hold, None) => self.hold.is_none_or(|hold| self.rate_of(second) < hold),
            (GuardAction::Hold, Some(_)) => false,
        };
        let can_lower = rule.snapshot.action == GuardAction::Abort || self.goes_on(second);
        !rule.is_spent && is_lower && can_lower
    }

    fn act(&mut self, index: usize, figure: f64, second: u64) -> Act {
        let end_s = second + 1;
        let rate_before = self.offered_at(end_s);
        let rate = self.rate_of(second);
        let rule = &mut self.rules[index];
        rule.is_spent = true;
        let snapshot = rule.snapshot.clone();
        let unit = rule.metric.map_or(Unit::Number, Metric::unit);
        match snapshot.action {
            GuardAction::BackOff => {
                self.back_off = Some(BackOff {
                    rule: index,
                    rate: snapshot.base_rate,
                    until_s: snapshot.again_after_s.map(|seconds| end_s + u64::from(seconds)),
                });
            }
            GuardAction::Hold => self.hold = Some(self.hold.map_or(rate, |hold| hold.min(rate))),
            GuardAction::Abort => self.is_aborted = true,
        }
        self.start_afresh(second);
        let result = GuardResult {
            rule: index + 1,
            because: snapshot.because.clone(),
            name: snapshot.name(),
            figure,
            bound: snapshot.bound.0,
            limit: snapshot.bound.1,
            unit: unit.name().to_owned(),
            over_s: snapshot.over_s,
            since_s: end_s as f64,
            action: snapshot.action,
            at_s: end_s as f64,
            reaction_s: 0.0,
            rate_before,
            rate_after: if self.is_aborted { 0.0 } else { self.offered_at(end_s) },
            until_s: None,
        };
        Act::Now {
            result: Box::new(result),
            cap: self.cap(),
        }
    }

    /// An act takes effect within the next second, so that one is of neither rate.
    fn start_afresh(&mut self, second: u64) {
        self.clean_from = second + 2;
        self.rules.iter_mut().for_each(|rule| rule.window.clear());
    }

    fn cap(&self) -> Option<f64> {
        let base = self.back_off.map(|back_off| back_off.rate);
        base.into_iter().chain(self.hold).min_by(f64::total_cmp)
    }

    /// The profile's rate at the end of a second, that of the phase which ends there.
    fn rate_of(&self, second: u64) -> f64 {
        let end = Duration::from_secs(second + 1);
        let place = self.phases.partition_point(|phase| phase.end < end);
        self.phases.get(place).map_or(0.0, |phase| phase.rate)
    }

    /// What the profile offers at that time.
    fn offered_at(&self, s: u64) -> f64 {
        let at = Duration::from_secs(s);
        let place = self.phases.partition_point(|phase| phase.end <= at);
        let rate = self.phases.get(place).map_or(0.0, |phase| phase.rate);
        self.cap().map_or(rate, |cap| rate.min(cap))
    }
}

/// Neither before nor after the load that is measured.
fn is_judged(phase: &Phase) -> bool {
    !matches!(phase.kind, PhaseKind::WarmUp | PhaseKind::Settle)
}

#[cfg(test)]
mod tests;
