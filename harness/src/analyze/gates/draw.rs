//! What one block says of a gate: a figure, nothing, or that it does not count.

use std::time::Duration;

use crate::analyze::figure::{Of, figure, phase, samples};
use crate::analyze::{blast, guard, validity};
use crate::arrival::PhaseKind;
use crate::metric::Metric;
use crate::record::{Cell, GateSnapshot, PhaseResult};

/// Part of a phase that may pass unobserved before its sums are lower bounds.
const UNSEEN_SHARE: f64 = 0.01;

/// What one block says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Draw {
    /// The figure, and the same without the generator's own lateness.
    Value {
        whole: f64,
        net: f64,
        own_us: f64,
        /// Why the figure may really be higher, where it may.
        at_least: Option<String>,
    },
    /// The block should have a figure and has none.
    Missing(String),
    /// The block does not count.
    LeftOut(String),
}

pub(super) fn value_of(draw: &Draw) -> Option<f64> {
    match draw {
        Draw::Value { whole, .. } => Some(*whole),
        _ => None,
    }
}

pub(super) fn net_of(draw: &Draw) -> Option<f64> {
    match draw {
        Draw::Value { net, .. } => Some(*net),
        _ => None,
    }
}

/// A phase of a cell, by name.
type Place<'a> = (&'a Cell, &'a str);

/// What one block says of the figure at a place, over that at `base` where there is one.
pub(super) fn draw(gate: &GateSnapshot, metric: Metric, own: Place<'_>, base: Option<Place<'_>>) -> Draw {
    let (cell, phase_name) = own;
    for (cell, phase_name) in std::iter::once(own).chain(base) {
        if let Some(why) = why_left_out(gate, metric, phase_name, cell) {
            return Draw::LeftOut(why);
        }
    }
    let own = match value(gate, metric, phase_name, cell) {
        Ok(own) => own,
        Err(draw) => return draw,
    };
    let at_least = phase(cell, phase_name).and_then(|phase| unseen(phase, metric));
    let Some((base, base_phase)) = base else {
        return Draw::Value {
            whole: own.0,
            net: own.1,
            own_us: (own.0 - own.1).abs(),
            at_least,
        };
    };
    let base = match value(gate, metric, base_phase, base) {
        Ok(base) => base,
        // The judged place has its figure; what it would be compared with is missing.
        Err(Draw::Missing(why) | Draw::LeftOut(why)) => {
            return Draw::LeftOut(format!("nothing to compare with: {why}"));
        }
        Err(draw) => return draw,
    };
    if base.0 <= 0.0 || base.1 <= 0.0 {
        return Draw::LeftOut("nothing to compare with: the other figure is 0".to_owned());
    }
    Draw::Value {
        whole: own.0 / base.0,
        net: own.1 / base.1,
        own_us: (own.0 - own.1).abs().max((base.0 - base.1).abs()),
        at_least,
    }
}

/// Why a cell does not count for a gate.
fn why_left_out(gate: &GateSnapshot, metric: Metric, phase_name: &str, cell: &Cell) -> Option<String> {
    if let Some(reason) = &cell.ended_early {
        return Some(format!("{} ended early: {reason}", cell.header.variant));
    }
    if let Some(problem) = cell.not_as_planned() {
        return Some(problem);
    }
    // What is lost is lost, whoever used the machine meanwhile.
    if metric == Metric::AcknowledgedLost {
        return None;
    }
    if metric.is_of_what_follows() {
        let from = cell.phases.iter().skip_while(|phase| phase.name != phase_name);
        let following = from.skip(1).take_while(|phase| phase.kind != PhaseKind::Spike);
        return following.into_iter().find_map(validity::disturbed);
    }
    let judged = match gate.fault {
        // What it did is measured against the phase in which it began.
        Some(fault) => {
            let begun_s = cell.faults.get(fault)?.start_s?;
            cell.phases.iter().rfind(|phase| phase.start_s <= begun_s)
        }
        None => phase(cell, phase_name),
    };
    let judged = judged?;
    guard::withdrew(cell, judged).or_else(|| validity::disturbed(judged))
}

/// The figure of a cell, and the same without the generator's own lateness.
fn value(gate: &GateSnapshot, metric: Metric, phase_name: &str, cell: &Cell) -> Result<(f64, f64), Draw> {
    let missing = |why: &str| Draw::Missing(why.to_owned());
    if let Some(fault) = gate.fault {
        let fault = cell
            .faults
            .get(fault)
            .ok_or_else(|| missing("the fault was not injected"))?;
        return match blast::figure(fault, metric) {
            Some(value) => Ok((value, value)),
            None => Err(match blast::why_none(fault, metric) {
                Some(blast::NoFigure::Cannot(why)) => Draw::LeftOut(why),
                Some(blast::NoFigure::Bad(why)) => Draw::Missing(why),
                None => missing("no data"),
            }),
        };
    }
    let of = Of {
        operation: gate.operation.as_deref(),
        placement: gate.placement,
        series: gate.series.as_deref(),
        within: gate.within_s.map(Duration::from_secs),
        net: false,
    };
    let phase = phase(cell, phase_name).ok_or_else(|| missing("no such phase was run"))?;
    if let Some(count) = samples(phase, metric, of).filter(|count| *count < metric.min_samples()) {
        let least = metric.min_samples();
        let why = format!("{count} samples are too few for {}: at least {least}", metric.name());
        // None at all is no data: everything failed.
        return Err(if count == 0 {
            missing("no data")
        } else {
            Draw::LeftOut(why)
        });
    }
    let whole = figure(phase, metric, of).ok_or_else(|| missing(&why_absent(phase, metric)))?;
    let net = figure(phase, metric, Of { net: true, ..of }).unwrap_or(whole);
    Ok((whole, net))
}

/// Why the figure of a phase may really be higher: of waits, there may have been some while nobody looked.
fn unseen(phase: &PhaseResult, metric: Metric) -> Option<String> {
    let contention = phase.contention.as_ref().filter(|_| metric == Metric::AutoincWaitS)?;
    let (silent_s, length_s) = (contention.unobserved_s, phase.end_s - phase.start_s);
    (silent_s > length_s * UNSEEN_SHARE)
        .then(|| format!("databases could not be observed for {silent_s:.1} s, so there may have been more"))
}

/// Why a phase has no such figure.
fn why_absent(phase: &PhaseResult, metric: Metric) -> String {
    let missing = phase.fanout.as_ref().filter(|fanout| fanout.missing > 0);
    match (metric, missing.and_then(|fanout| fanout.missing_share)) {
        (Metric::FreshnessP50 | Metric::FreshnessP99, Some(share)) => {
            format!(
                "{:.1} % of the events never reached a member who was online",
                share * 100.0
            )
        }
        _ => metric.absent().unwrap_or("no data").to_owned(),
    }
}
