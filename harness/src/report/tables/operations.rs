//! Everything that was offered in the phase that matters.

use crate::analyze::figure::{Of, error_share, figure, median_over_blocks, operation, phase};
use crate::metric::Metric;
use crate::record::Run;
use crate::report::shown::{self, OverBlocks, QUANTILES, Quantile};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row for each operation and variant; `None` where the headline says it all.
pub(super) fn operations(run: &Run) -> Option<Table> {
    let (shown_phase, _) = shown::headline(run)?;
    let entries: Vec<&str> = run
        .header
        .workload
        .traffic
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    if entries.len() < 2 {
        return None;
    }
    let mut footnotes = Vec::new();
    let mut rows = Vec::new();
    for name in entries {
        for variant in shown::variants(run) {
            rows.push(row(run, variant, name, &shown_phase.name, &mut footnotes));
        }
    }
    let mut table = Table::new(format!("Everything in phase `{}`", shown_phase.name))
        .legend("p50, p99: response times of ok answers in ms · not ok: rejected, failed or unsent")
        .columns(Kind::Key, ["operation", "variant"])
        .columns(Kind::Figure, ["scheduled", "ok/s", "p50", "p99", "not ok"])
        .rows(rows);
    table.footnotes = footnotes;
    table.unless_empty()
}

fn row(run: &Run, variant: &str, name: &str, phase_name: &str, footnotes: &mut Vec<String>) -> Vec<String> {
    let of = Of {
        operation: Some(name),
        ..Of::default()
    };
    let metric = |metric: Metric| median_over_blocks(run, variant, |cell| figure(phase(cell, phase_name)?, metric, of));
    let scheduled = median_over_blocks(run, variant, |cell| {
        Some(operation(phase(cell, phase_name)?, of)?.scheduled as f64)
    });
    let not_ok = median_over_blocks(run, variant, |cell| {
        operation(phase(cell, phase_name)?, of).map(error_share)
    });
    let mut quantile = |quantile: &Quantile| {
        let mut cell = ms(metric(quantile.metric));
        let median: OverBlocks = |run, variant, figure| median_over_blocks(run, variant, figure);
        if let Some(net) = shown::marked_net(run, variant, phase_name, of, quantile, median) {
            cell.push('*');
            footnotes.push(format!("* {name}, {variant}: {net}"));
        }
        cell
    };
    let [p50, p99, _] = QUANTILES;
    let (p50, p99) = (quantile(&p50), quantile(&p99));
    let is_disturbed = !shown::disturbed(run, variant, phase_name).is_empty();
    vec![
        name.to_owned(),
        format!("{variant}{}", if is_disturbed { "†" } else { "" }),
        number(scheduled, 0),
        number(metric(Metric::GoodputRate), 0),
        p50,
        p99,
        not_ok.map_or(NONE.to_owned(), percent),
    ]
}
