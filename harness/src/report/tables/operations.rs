//! Everything that was offered in the phase that matters.

use crate::analyze::figure::{Of, error_share, figure, median_over_blocks, operation, phase};
use crate::metric::Metric;
use crate::record::Run;
use crate::report::shown;
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
    let rows = entries.iter().flat_map(|name| {
        let variants = shown::variants(run).into_iter();
        variants.map(move |variant| row(run, variant, name, &shown_phase.name))
    });
    Table::new(format!("Everything in phase `{}`", shown_phase.name))
        .legend("p50, p99: response times of ok answers in ms · not ok: rejected, failed or unsent")
        .columns(Kind::Key, ["operation", "variant"])
        .columns(Kind::Figure, ["scheduled", "ok/s", "p50", "p99", "not ok"])
        .rows(rows)
        .unless_empty()
}

fn row(run: &Run, variant: &str, name: &str, phase_name: &str) -> Vec<String> {
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
    vec![
        name.to_owned(),
        variant.to_owned(),
        number(scheduled, 0),
        number(metric(Metric::GoodputRate), 0),
        ms(metric(Metric::ResponseP50)),
        ms(metric(Metric::ResponseP99)),
        not_ok.map_or(NONE.to_owned(), percent),
    ]
}
