//! What the server's throttle of joins let in, and how late it was.

use crate::analyze::figure::{median_over_blocks, phase};
use crate::record::{JoinSide, PhaseResult, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::number;

/// One row a variant and judged phase; `None` where nothing was throttled.
pub(super) fn joins(run: &Run) -> Option<Table> {
    let names = shown::phases(run, |phase| phase.join_throttle.is_some() && phase.kind.is_judged());
    let rows = names.iter().flat_map(|name| {
        let throttles = |variant: &&str| median(run, variant, name, |_, _| Some(0.0)).is_some();
        let row = move |variant| row(run, variant, name);
        variants(run).into_iter().filter(throttles).map(row).collect::<Vec<_>>()
    });
    Table::new("Throttle of joins")
        .legend(
            "admitted, rejected: joins of all chats, per second · unknown: joins that the setting decided, because nobody could tell · \
             Redis/s: commands for the throttle · lag: age of the oldest record that a throttle that follows the bus had not counted, s",
        )
        .columns(Kind::Key, ["variant", "phase"])
        .columns(Kind::Figure, ["admitted", "rejected", "unknown", "Redis/s", "lag"])
        .rows(rows)
        .unless_empty()
}

fn median(run: &Run, variant: &str, name: &str, value: impl Fn(&PhaseResult, &JoinSide) -> Option<f64>) -> Option<f64> {
    median_over_blocks(run, variant, |cell| {
        let phase = phase(cell, name)?;
        value(phase, phase.join_throttle.as_ref()?)
    })
}

fn row(run: &Run, variant: &str, name: &str) -> Vec<String> {
    let rate = |count: fn(&JoinSide) -> u64| {
        let per_second =
            |phase: &PhaseResult, side: &JoinSide| Some(count(side) as f64 / (phase.end_s - phase.start_s));
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
