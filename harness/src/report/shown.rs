//! What of a run is shown: its variants, their cells, the figures over their blocks.

use super::words::{Spread, ms};
use crate::analyze::bystanders::headline_phase;
use crate::analyze::compare::headline_operation;
use crate::analyze::estimate::{self, Method};
use crate::analyze::figure::{Of, by_block, figure, median_over_blocks, operation, phase};
use crate::analyze::validity;
use crate::metric::{Metric, Placement};
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Quantiles, Run, TrafficSnapshot};

/// A quantile of response times.
pub(super) struct Quantile {
    pub(super) name: &'static str,
    pub(super) metric: Metric,
    pub(super) of: fn(&Quantiles) -> Option<u64>,
}

/// The quantiles that the headline shows.
pub(super) const QUANTILES: [Quantile; 3] = [
    Quantile {
        name: "p50",
        metric: Metric::ResponseP50,
        of: |of| of.p50,
    },
    Quantile {
        name: "p99",
        metric: Metric::ResponseP99,
        of: |of| of.p99,
    },
    Quantile {
        name: "p99.9",
        metric: Metric::ResponseP999,
        of: |of| of.p999,
    },
];

/// The variants that were run, in the workload's order.
pub(super) fn variants(run: &Run) -> Vec<&str> {
    let ran = |name: &&str| {
        let mut cells = run.cells.iter();
        cells.any(|cell| cell.header.variant == **name && !cell.phases.is_empty())
    };
    run.header
        .workload
        .variants
        .iter()
        .map(String::as_str)
        .filter(ran)
        .collect()
}

/// The variant of a cell, and its block where there are several.
pub(super) fn cell_name(run: &Run, cell: &Cell) -> String {
    if run.header.workload.blocks > 1 {
        format!("{}, block {}", cell.header.variant, cell.header.block)
    } else {
        cell.header.variant.clone()
    }
}

/// The first block of a variant that was run.
pub(super) fn first_cell<'a>(run: &'a Run, variant: &str) -> Option<&'a Cell> {
    let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
    cells.min_by_key(|cell| cell.header.block)
}

/// The figure of a variant with its 95 % interval over the blocks, where there are enough of them; else the median.
pub(super) fn over_blocks(run: &Run, variant: &str, figure: impl Fn(&Cell) -> Option<f64>) -> Option<Spread> {
    let values: Vec<f64> = by_block(run, variant, &figure).into_values().collect::<Option<_>>()?;
    match estimate::of_positive(&values).filter(|estimate| estimate.method == Method::T95Log) {
        Some(estimate) => Some(Spread {
            centre: estimate.centre,
            ends: Some((estimate.low, estimate.high)),
        }),
        None => median_over_blocks(run, variant, figure).map(|centre| Spread { centre, ends: None }),
    }
}

/// Names of the phases that any cell has and `wanted` picks, in order.
pub(super) fn phases(run: &Run, wanted: impl Fn(&PhaseResult) -> bool) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for phase in run.cells.iter().flat_map(|cell| &cell.phases) {
        if wanted(phase) && !names.contains(&phase.name.as_str()) {
            names.push(&phase.name);
        }
    }
    names
}

/// The phase and the traffic entry that the report is mainly about.
pub(super) fn headline(run: &Run) -> Option<(&PhaseResult, &TrafficSnapshot)> {
    let (phase, name) = (headline_phase(run)?, headline_operation(run)?);
    let mut entries = run.header.workload.traffic.iter();
    Some((phase, entries.find(|entry| entry.name == name)?))
}

/// The blocks of a variant in which others disturbed a phase, and how much.
pub(super) fn disturbed(run: &Run, variant: &str, phase_name: &str) -> Vec<(u32, String)> {
    let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
    let disturbed = cells.filter_map(|cell| {
        let by = validity::disturbed(phase(cell, phase_name)?)?;
        Some((cell.header.block, by))
    });
    disturbed.collect()
}

/// How a table makes one figure of those of a variant's blocks.
pub(super) type OverBlocks = fn(&Run, &str, &dyn Fn(&Cell) -> Option<f64>) -> Option<f64>;

/// The quantile without the generator's own lateness, in words, where that makes a difference in any block; `over` is
/// what the table does with the quantile itself.
pub(super) fn marked_net(
    run: &Run,
    variant: &str,
    phase_name: &str,
    of: Of<'_>,
    quantile: &Quantile,
    over: OverBlocks,
) -> Option<String> {
    let cells = || run.cells.iter().filter(|cell| cell.header.variant == variant);
    let mut operations = cells().filter_map(|cell| operation(phase(cell, phase_name)?, of));
    operations.find_map(|operation| validity::marked(operation, quantile.of))?;
    let of = Of { net: true, ..of };
    let net = over(run, variant, &|cell| {
        figure(phase(cell, phase_name)?, quantile.metric, of)
    });
    Some(format!(
        "{} is {} ms without the generator's own lateness",
        quantile.name,
        ms(net)
    ))
}

/// What an entry offers in a phase, per second: by the phase's mix where it has one.
pub(super) fn offered(run: &Run, entry: &TrafficSnapshot, phase: &PhaseResult) -> f64 {
    let workload = &run.header.workload;
    let place = workload.traffic.iter().position(|other| other.name == entry.name);
    let planned = workload.phases.iter().find(|planned| planned.name == phase.name);
    let part = place.zip(planned).and_then(|(place, planned)| planned.mix.get(place));
    phase.target_rate * part.unwrap_or(&entry.share) + entry.rate
}

/// Part of what was scheduled that the target rejected to protect itself.
pub(super) fn rejected_share(operation: &OperationResult) -> f64 {
    share(operation, Outcome::is_rejection)
}

/// Part of what was scheduled that ended neither `ok` nor rejected, what was never sent included.
pub(super) fn failed_share(operation: &OperationResult) -> f64 {
    if operation.scheduled == 0 {
        return 0.0;
    }
    let ended: u64 = count(operation, |outcome| outcome == Outcome::Ok || outcome.is_rejection());
    operation.scheduled.saturating_sub(ended) as f64 / operation.scheduled as f64
}

fn share(operation: &OperationResult, of: impl Fn(Outcome) -> bool) -> f64 {
    count(operation, of) as f64 / operation.scheduled.max(1) as f64
}

fn count(operation: &OperationResult, of: impl Fn(Outcome) -> bool) -> u64 {
    let outcomes = operation.outcomes.iter().filter(|(outcome, _)| of(**outcome));
    outcomes.map(|(_, count)| count).sum()
}

/// Where chats live, in words.
pub(super) fn placement(placement: Option<Placement>) -> &'static str {
    match placement {
        None => "–",
        Some(Placement::HotShard) => "hot shard",
        Some(Placement::OtherShards) => "other shards",
    }
}
