//! Whether the build may ship: each gate on each variant in each phase, and with the same rules each expectation.
//!
//! A gate has three answers. It passes where the whole interval of its figure keeps the limit, fails where none of it
//! does, and is inconclusive where the blocks do not decide. Counts, shares, maxima and figures of nothing have no
//! logarithm: there every block is judged by itself, and one that violates the limit fails the gate. No data fails a
//! gate; too little does not decide one.

mod draw;

use std::collections::BTreeMap;

use self::draw::{Draw, net_of, value_of};
use super::estimate::{self, Estimate, Method};
use super::validity::{MARKED_SHARE, MARKED_US};
use crate::metric::{Compare, Metric, Placement, Unit};
use crate::record::{Answer, BoundKind, GateResult, GateSnapshot, Run};

/// Judges gates or expectations.
#[must_use]
pub(super) fn judge(gates: &[GateSnapshot], run: &Run) -> Vec<GateResult> {
    gates.iter().flat_map(|gate| judge_one(gate, run)).collect()
}

fn judge_one(gate: &GateSnapshot, run: &Run) -> Vec<GateResult> {
    let was_run = |name: &&String| run.header.workload.variants.contains(name);
    let mut results = Vec::new();
    for variant in gate.variants.iter().filter(was_run) {
        for phase in &gate.phases {
            let judged = Judged::new(gate, run, variant, phase);
            results.extend(gate.bounds.iter().map(|bound| judged.result(*bound)));
        }
    }
    results
}

/// A gate on one variant in one phase, with what its blocks say.
struct Judged<'a> {
    gate: &'a GateSnapshot,
    variant: &'a str,
    phase: &'a str,
    metric: Option<Metric>,
    draws: BTreeMap<u32, Draw>,
}

impl<'a> Judged<'a> {
    fn new(gate: &'a GateSnapshot, run: &'a Run, variant: &'a str, phase: &'a str) -> Self {
        let metric = Metric::from_name(&gate.metric);
        let cell_of = |variant: &str, block: u32| {
            let mut cells = run.cells.iter();
            cells.find(|cell| cell.header.variant == variant && cell.header.block == block)
        };
        let draw = |block: u32| {
            let Some(metric) = metric else {
                return Draw::LeftOut(format!("this bmt has no metric `{}`", gate.metric));
            };
            let Some(cell) = cell_of(variant, block) else {
                return Draw::LeftOut(format!("block {block} was not run"));
            };
            let base = match &gate.relative_to {
                None => gate.relative_to_phase.as_ref().map(|_| cell),
                Some(other) if !run.header.workload.variants.contains(other) => {
                    return Draw::LeftOut(format!("`{other}` was left out by --variant"));
                }
                Some(other) => match cell_of(other, block) {
                    Some(base) => Some(base),
                    None => return Draw::LeftOut(format!("block {block} of `{other}` was not run")),
                },
            };
            let base_phase = gate.relative_to_phase.as_deref().unwrap_or(phase);
            draw::draw(gate, metric, (cell, phase), base.map(|base| (base, base_phase)))
        };
        let draws = run.blocks().map(|block| (block, draw(block)));
        Self {
            gate,
            variant,
            phase,
            metric,
            draws: draws.collect(),
        }
    }

    fn result(&self, (bound, limit): (BoundKind, f64)) -> GateResult {
        let unit = self
            .metric
            .map_or(Unit::Number, |metric| metric.gate_unit(self.gate.is_relative()));
        let decided = self.decided(bound, limit);
        let (answer, reason) = match (decided.answer, self.gate.inconclusive) {
            (Answer::Inconclusive, Some(counts_as)) if !decided.undecidable => {
                let reason = decided.reason.unwrap_or_default();
                (
                    counts_as,
                    Some(format!("inconclusive, which the gate lets count as this: {reason}")),
                )
            }
            (answer, _) => (answer, decided.reason),
        };
        GateResult {
            name: name(self.gate),
            because: self.gate.because.clone(),
            variant: self.variant.to_owned(),
            phase: self.phase.to_owned(),
            metric: self.gate.metric.clone(),
            actual: decided.estimate.map(|estimate| estimate.centre),
            low: decided.estimate.map(|estimate| estimate.low),
            high: decided.estimate.map(|estimate| estimate.high),
            bound,
            limit,
            unit: unit.name().to_owned(),
            method: decided.estimate.map(|estimate| estimate.method.name().to_owned()),
            n: u32::try_from(decided.values).unwrap_or(u32::MAX),
            blocks: self.draws.values().map(value_of).collect(),
            answer,
            reason,
            undecidable: decided.undecidable,
        }
    }

    fn decided(&self, bound: BoundKind, limit: f64) -> Decided {
        let missing = self.draws.values().find_map(|draw| match draw {
            Draw::Missing(why) => Some(why.clone()),
            _ => None,
        });
        let values: Vec<f64> = self.draws.values().filter_map(value_of).collect();
        if let Some(why) = missing {
            return Decided::without(Answer::Fail, values.len(), why);
        }
        let left_out = self.draws.values().find_map(|draw| match draw {
            Draw::LeftOut(why) => Some(why.clone()),
            _ => None,
        });
        let wanted = self.draws.len().min(estimate::BLOCKS_MIN);
        if values.len() < wanted || values.is_empty() {
            let why = left_out.unwrap_or_else(|| "no block was run".to_owned());
            return Decided::without(Answer::Inconclusive, values.len(), why);
        }
        let each_block =
            self.metric.is_some_and(|metric| metric.compare() == Compare::EachBlock) && !self.gate.is_relative();
        let whole = decide(&values, bound, limit, each_block);
        let nets: Vec<f64> = self.draws.values().filter_map(net_of).collect();
        let net = decide(&nets, bound, limit, each_block);
        if whole.answer != net.answer && self.is_material() {
            return Decided {
                answer: Answer::Inconclusive,
                undecidable: true,
                reason: Some(format!(
                    "undecidable: with the generator's own lateness it would be {}, without it {}",
                    word(whole.answer),
                    word(net.answer)
                )),
                ..whole
            };
        }
        match self
            .may_be_higher()
            .filter(|_| bound == BoundKind::AtMost && whole.answer == Answer::Pass)
        {
            Some(why) => Decided {
                answer: Answer::Inconclusive,
                reason: Some(why),
                ..whole
            },
            None => whole,
        }
    }

    /// Why the figure of some block may really be higher, where it may.
    fn may_be_higher(&self) -> Option<String> {
        self.draws.values().find_map(|draw| match draw {
            Draw::Value { at_least, .. } => at_least.clone(),
            _ => None,
        })
    }

    /// Whether the generator's own lateness makes a difference in any block.
    fn is_material(&self) -> bool {
        self.draws.values().any(|draw| match draw {
            Draw::Value { whole, net, own_us, .. } => {
                *own_us > MARKED_US && (whole - net).abs() > whole.abs() * MARKED_SHARE
            }
            _ => false,
        })
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "a pass",
        Answer::Fail => "a failure",
        Answer::Inconclusive => "inconclusive",
    }
}

/// What the blocks decide.
#[derive(Debug, Clone, PartialEq)]
struct Decided {
    answer: Answer,
    estimate: Option<Estimate>,
    values: usize,
    reason: Option<String>,
    undecidable: bool,
}

impl Decided {
    fn without(answer: Answer, values: usize, reason: String) -> Self {
        Self {
            answer,
            estimate: None,
            values,
            reason: Some(reason),
            undecidable: false,
        }
    }
}

/// `values` is not empty.
fn decide(values: &[f64], bound: BoundKind, limit: f64, each_block: bool) -> Decided {
    let logarithmic = if each_block || limit <= 0.0 {
        None
    } else {
        estimate::of_positive(values)
    };
    let (estimate, answer) = match logarithmic {
        Some(estimate) => (estimate, by_interval(&estimate, bound, limit)),
        None => (range(values), by_block(values, bound, limit)),
    };
    let reason = match (answer, estimate.method) {
        (_, Method::OneDraw) => Some("one draw".to_owned()),
        (Answer::Inconclusive, Method::TwoDraws) => Some("two draws that disagree".to_owned()),
        (Answer::Inconclusive, Method::T95Log) => Some("its interval holds the limit".to_owned()),
        (Answer::Fail, _) if logarithmic.is_none() => {
            let worse = values.iter().filter(|value| !keeps(**value, bound, limit)).count();
            Some(format!("in {worse} of {} blocks", values.len()))
        }
        _ => None,
    };
    Decided {
        answer,
        estimate: Some(estimate),
        values: values.len(),
        reason,
        undecidable: false,
    }
}

fn by_interval(estimate: &Estimate, bound: BoundKind, limit: f64) -> Answer {
    match (keeps(estimate.low, bound, limit), keeps(estimate.high, bound, limit)) {
        (true, true) => Answer::Pass,
        (false, false) => Answer::Fail,
        _ => Answer::Inconclusive,
    }
}

fn by_block(values: &[f64], bound: BoundKind, limit: f64) -> Answer {
    if values.iter().all(|value| keeps(*value, bound, limit)) {
        Answer::Pass
    } else {
        Answer::Fail
    }
}

/// Mean and ends of figures that have no logarithm.
fn range(values: &[f64]) -> Estimate {
    let n = values.len();
    Estimate {
        centre: values.iter().sum::<f64>() / n as f64,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        n,
        method: if n == 1 { Method::OneDraw } else { Method::EachBlock },
    }
}

fn keeps(value: f64, bound: BoundKind, limit: f64) -> bool {
    match bound {
        BoundKind::AtMost => value <= limit,
        BoundKind::AtLeast => value >= limit,
    }
}

fn name(gate: &GateSnapshot) -> String {
    let operation = gate.operation.iter().map(|operation| format!("{operation} "));
    let placement = match gate.placement {
        None => "",
        Some(Placement::HotShard) => " on the hot shard",
        Some(Placement::OtherShards) => " on other shards",
    };
    let within = gate.within_s.iter().map(|seconds| format!(" {seconds}s"));
    let other = gate.relative_to.iter().chain(&gate.relative_to_phase);
    let relative = other.map(|other| format!(" relative to {other}"));
    let series = gate.series.iter().map(|series| format!("{series} "));
    let parts = operation
        .chain(series)
        .chain([gate.metric.clone()])
        .chain(within)
        .chain([placement.to_owned()])
        .chain(relative);
    parts.collect()
}

#[cfg(test)]
mod tests;
