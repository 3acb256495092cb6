//! Whether the build may ship: each gate on each variant in each phase. No data fails a gate.

use super::blast;
use super::figure::{Of, figure, median_over_repetitions, phase};
use crate::record::{GateResult, Run};
use crate::workload::{Bound, Gate, Metric, Placement, Span, Unit, gate_value_unit};

/// Judges every gate.
#[must_use]
pub fn judge(gates: &[Gate], run: &Run) -> Vec<GateResult> {
    gates.iter().flat_map(|gate| judge_one(gate, run)).collect()
}

fn judge_one(gate: &Gate, run: &Run) -> Vec<GateResult> {
    let of = Of {
        operation: gate.operation.as_deref(),
        placement: gate.placement,
        within: gate.within,
    };
    let unit = gate_value_unit(gate.metric, gate.relative_to.is_some());
    let measured = |variant: &str, name: &str| {
        median_over_repetitions(run, variant, |cell| match gate.fault {
            Some(fault) => blast::figure(cell.faults.get(fault)?, gate.metric),
            None => figure(phase(cell, name)?, gate.metric, of),
        })
    };
    let mut results = Vec::new();
    for variant in &gate.variants {
        for phase in &gate.phases {
            let own = measured(variant, phase);
            let value = match &gate.relative_to {
                None => own,
                Some(other) => own
                    .zip(measured(other, phase))
                    .and_then(|(own, other)| ratio(own, other)),
            };
            results.extend(gate.bounds.iter().map(|bound| {
                GateResult {
                    name: name(gate),
                    because: gate.because.clone(),
                    variant: variant.clone(),
                    phase: phase.clone(),
                    actual: value
                        .map(|value| shown(unit, value))
                        .or_else(|| why_none(gate, run, variant)),
                    limit: limit(unit, *bound),
                    passed: value.is_some_and(|value| holds(*bound, value)),
                }
            }));
        }
    }
    results
}

/// Why a fault that happened has no figure, in the first run of the variant that lacks it.
fn why_none(gate: &Gate, run: &Run, variant: &str) -> Option<String> {
    let mut cells = run.cells.iter().filter(|cell| cell.variant == variant);
    cells.find_map(|cell| blast::why_none(cell.faults.get(gate.fault?)?, gate.metric))
}

/// `own / other`; two nothings are equal, something over nothing is unbounded.
fn ratio(own: f64, other: f64) -> Option<f64> {
    match (own, other) {
        (0.0, 0.0) => Some(1.0),
        (_, 0.0) => Some(f64::INFINITY),
        _ => Some(own / other),
    }
}

fn holds(bound: Bound, value: f64) -> bool {
    match bound {
        Bound::AtMost(limit) => value <= limit,
        Bound::AtLeast(limit) => value >= limit,
    }
}

fn name(gate: &Gate) -> String {
    let metric = metric_name(gate.metric);
    let operation = gate
        .operation
        .as_deref()
        .map(|operation| format!("{operation} "))
        .unwrap_or_default();
    let placement = match gate.placement {
        None => "",
        Some(Placement::HotShard) => " on the hot shard",
        Some(Placement::OtherShards) => " on other shards",
    };
    let within = gate
        .within
        .map(|within| format!(" {}", Span(within)))
        .unwrap_or_default();
    let relative = gate
        .relative_to
        .as_deref()
        .map(|other| format!(" relative to {other}"))
        .unwrap_or_default();
    format!("{operation}{metric}{within}{placement}{relative}")
}

/// The metric's name as the workload writes it.
fn metric_name(metric: Metric) -> String {
    serde_json::to_value(metric)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn limit(unit: Unit, bound: Bound) -> String {
    match bound {
        Bound::AtMost(value) => format!("at most {}", shown(unit, value)),
        Bound::AtLeast(value) => format!("at least {}", shown(unit, value)),
    }
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time => format!("{:.2} ms", value / 1e3),
        Unit::Rate => format!("{value:.0}/s"),
        Unit::Share => format!("{:.2} %", value * 100.0),
        Unit::Number => format!("{value:.2}"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Ratio => format!("{value:.2} x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_itself_passes() {
        assert!(holds(Bound::AtMost(5.0), 5.0) && !holds(Bound::AtMost(5.0), 5.1));
        assert!(holds(Bound::AtLeast(5.0), 5.0) && !holds(Bound::AtLeast(5.0), 4.9));
        assert!(!holds(Bound::AtMost(5.0), f64::NAN) && !holds(Bound::AtLeast(5.0), f64::NAN));
    }

    #[test]
    fn a_ratio_to_nothing_is_unbounded_and_nothing_to_nothing_is_one() {
        assert_eq!(ratio(0.0, 0.0), Some(1.0));
        assert_eq!(ratio(3.0, 0.0), Some(f64::INFINITY));
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
    }
}
