//! Whether the target came back when an overload was over.

use crate::analyze::figure::{Of, operation, phase};
use crate::record::{Recovery, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row for each variant, operation and spike that more arrivals follow; `None` where none does.
pub(super) fn recovery(run: &Run) -> Option<Table> {
    let operations = run.header.workload.traffic.iter();
    let spikes = shown::phases(run, |phase| {
        phase.operations.values().any(|operation| operation.recovery.is_some())
    });
    let places = operations.flat_map(|entry| spikes.iter().map(move |spike| (entry.name.as_str(), *spike)));
    let rows = places.flat_map(|(name, spike)| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, name, spike))
    });
    Table::new("After the overload")
        .legend(
            "recovered: seconds from the end of the spike until for 3 s at least 95 % of the callers are answered ok at their first attempt, and the p99 \
             of ok answers is at most 1.1 × that of the base phase or 5 ms above it; the median block's, and in how many blocks that never was · \
             collapsed: seconds from the end of the spike on in which less than half were · at the end: the same part and p99 in the last 3 s · \
             p99: ms",
        )
        .columns(Kind::Key, ["variant", "operation", "spike"])
        .columns(
            Kind::Figure,
            ["recovered", "never", "collapsed", "base p99", "ok at the end", "p99 at the end"],
        )
        .rows(rows)
        .unless_empty()
}

/// `None` where nothing follows the spike.
fn row(run: &Run, variant: &str, name: &str, spike: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(name),
        ..Of::default()
    };
    let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
    let blocks: Vec<&Recovery> = cells
        .filter_map(|cell| operation(phase(cell, spike)?, of)?.recovery.as_ref())
        .collect();
    let median = |value: &dyn Fn(&Recovery) -> Option<f64>| {
        // A block in which it never recovered is later than any in which it did.
        let mut values: Vec<f64> = blocks
            .iter()
            .map(|block| value(block).unwrap_or(f64::INFINITY))
            .collect();
        values.sort_by(f64::total_cmp);
        let middle = values.get(values.len().checked_sub(1)? / 2)?;
        middle.is_finite().then_some(*middle)
    };
    let never = blocks.iter().filter(|block| block.recovered_s.is_none()).count();
    let recovered = match median(&|block| block.recovered_s) {
        Some(seconds) => format!("{seconds:.1} s"),
        None => "does not recover".to_owned(),
    };
    (!blocks.is_empty()).then(|| {
        vec![
            variant.to_owned(),
            name.to_owned(),
            spike.to_owned(),
            recovered,
            format!("{never} of {}", blocks.len()),
            number(median(&|block| Some(block.collapsed_s)), 0),
            ms(median(&|block| block.base_p99_us.map(|us| us as f64))),
            median(&|block| block.goodput_share_end).map_or(NONE.to_owned(), percent),
            ms(median(&|block| block.p99_us_end.map(|us| us as f64))),
        ]
    })
}
