//! What the server's throttle of joins let in, and how late it was.

use super::{Table, variants};
use crate::analyze::figure::{median_over_repetitions, phase};
use crate::record::{JoinSide, PhaseResult, Run};
use crate::report::words::number;

/// One row a variant and judged phase; `None` where nothing was throttled.
pub(super) fn joins(run: &Run) -> Option<Table> {
    let mut names: Vec<&str> = Vec::new();
    for phase in run.cells.iter().flat_map(|cell| &cell.phases) {
        if phase.join_throttle.is_some() && phase.kind.is_judged() && !names.contains(&phase.name.as_str()) {
            names.push(&phase.name);
        }
    }
    let rows = names.iter().flat_map(|name| {
        let throttles = |variant: &&str| median(run, variant, name, |_, _| 0.0).is_some();
        let row = move |variant| row(run, variant, name);
        variants(run).into_iter().filter(throttles).map(row).collect::<Vec<_>>()
    });
    (!names.is_empty()).then(|| Table {
        title: "Throttle of joins".to_owned(),
        legend: "admitted, refused: joins of all chats, per second · unknown: joins that the setting decided, because nobody could tell · Redis/s: \
                 commands for the throttle · lag: age of the oldest record that a throttle that follows the bus had not counted, s",
        headers: vec!["variant", "phase", "admitted", "refused", "unknown", "Redis/s", "lag"],
        rows: rows.collect(),
    })
}

fn median(run: &Run, variant: &str, name: &str, value: impl Fn(&PhaseResult, &JoinSide) -> f64) -> Option<f64> {
    median_over_repetitions(run, variant, |cell| {
        let phase = phase(cell, name)?;
        Some(value(phase, phase.join_throttle.as_ref()?))
    })
}

fn row(run: &Run, variant: &str, name: &str) -> Vec<String> {
    let rate = |count: fn(&JoinSide) -> u64| {
        let per_second = |phase: &PhaseResult, side: &JoinSide| count(side) as f64 / (phase.end_s - phase.start_s);
        number(median(run, variant, name, per_second), 0)
    };
    vec![
        variant.to_owned(),
        name.to_owned(),
        rate(|side| side.admitted),
        rate(|side| side.refused),
        rate(|side| side.open + side.closed),
        rate(|side| side.redis_calls),
        number(median(run, variant, name, |_, side| side.lag_s_max), 2),
    ]
}
