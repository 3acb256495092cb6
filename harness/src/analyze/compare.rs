//! Headline figures of each variant against the first, block by block.

use super::bystanders::headline_phase;
use super::estimate::{self, Method};
use super::figure::{Of, by_block, figure, phase};
use super::validity::disturbed;
use crate::metric::{Metric, Scope};
use crate::record::{Comparison, Run};

/// The figures that are compared, and that `bmt run --aa` gives the noise floor of.
pub const HEADLINE: [Metric; 5] = [
    Metric::GoodputRate,
    Metric::ResponseP50,
    Metric::ResponseP99,
    Metric::ServerCpuPerRequest,
    Metric::DatabaseCpu,
];

/// The traffic entry that takes the largest part of the profile's rate; of equals the first.
#[must_use]
pub fn headline_operation(run: &Run) -> Option<&str> {
    // The last of equals is taken, so they are looked at from the end.
    let entries = run.header.workload.traffic.iter().rev();
    let most = entries.max_by(|a, b| a.share.total_cmp(&b.share))?;
    Some(&most.name)
}

/// Each headline figure of each variant against that of the first, in the phase that matters.
#[must_use]
pub(super) fn comparisons(run: &Run) -> Vec<Comparison> {
    let (Some(shown), Some(operation)) = (headline_phase(run), headline_operation(run)) else {
        return Vec::new();
    };
    let Some((first, others)) = run.header.workload.variants.split_first() else {
        return Vec::new();
    };
    let each = others
        .iter()
        .flat_map(|variant| HEADLINE.map(|metric| (variant, metric)));
    each.map(|(variant, metric)| compare(run, (variant, first), metric, operation, &shown.name))
        .collect()
}

fn compare(
    run: &Run,
    (variant, relative_to): (&str, &str),
    metric: Metric,
    operation: &str,
    phase_name: &str,
) -> Comparison {
    let of_operation = matches!(metric.scope(), Scope::Operation | Scope::Retries);
    let of = Of {
        operation: of_operation.then_some(operation),
        ..Of::default()
    };
    let values = |variant: &str| {
        by_block(run, variant, |cell| {
            // The same blocks count as for gates.
            let counts = cell.ended_early.is_none() && cell.not_as_planned().is_none();
            let phase =
                phase(cell, phase_name).filter(|phase| counts && disturbed(phase).is_none() && phase.withdrawn() == 0);
            figure(phase?, metric, of)
        })
    };
    let bases = values(relative_to);
    let ratios: Vec<f64> = values(variant)
        .into_iter()
        .filter_map(|(block, own)| Some(own? / bases.get(&block).copied().flatten()?))
        .collect();
    let estimate = estimate::of_positive(&ratios);
    let interval = estimate.filter(|estimate| estimate.method == Method::T95Log);
    Comparison {
        metric: metric.name().to_owned(),
        operation: of.operation.map(str::to_owned),
        phase: phase_name.to_owned(),
        variant: variant.to_owned(),
        relative_to: relative_to.to_owned(),
        ratio: estimate.map(|estimate| estimate.centre),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        n: estimate.map_or(0, |estimate| u32::try_from(estimate.n).unwrap_or(u32::MAX)),
        method: estimate.map_or("none", |estimate| estimate.method.name()).to_owned(),
    }
}
