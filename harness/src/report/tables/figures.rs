//! Every metric that has a figure, phase by phase: whatever is declared is shown without being asked for.

use crate::analyze::figure::{Of, figure, median_over_blocks, phase};
use crate::metric::{Compare, Metric, Scope};
use crate::record::{Cell, Run};
use crate::report::shown;
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, Spread, bare, value};

/// One row for each figure, one column for each variant; `None` where the phase has none.
pub(in crate::report) fn figures(run: &Run, phase_name: &str) -> Option<Table> {
    let variants = shown::variants(run);
    let entries = run.header.workload.traffic.iter();
    let operations = entries.map(|entry| Some(entry.name.as_str())).chain([None]);
    let rows = operations.flat_map(|operation| {
        let metrics = Metric::ALL
            .iter()
            .filter(move |metric| is_of(**metric, operation.is_some()));
        metrics.map(move |metric| (operation, *metric))
    });
    let rows = rows.filter_map(|(operation, metric)| {
        let of = Of {
            operation,
            ..Of::default()
        };
        let cells: Vec<Option<Spread>> = variants
            .iter()
            .map(|variant| of_variant(run, variant, phase_name, metric, of))
            .collect();
        let any = cells.iter().any(Option::is_some);
        let cells = cells.into_iter().map(|spread| shown_as(spread, metric));
        let keys = [operation.unwrap_or(NONE).to_owned(), metric.name().to_owned()];
        any.then(|| keys.into_iter().chain(cells).collect())
    });
    Table::new(format!("Figures of phase `{phase_name}`"))
        .columns(Kind::Key, ["operation", "metric"])
        .columns(Kind::Figure, variants.iter().map(|variant| (*variant).to_owned()))
        .rows(rows)
        .unless_empty()
}

fn is_of(metric: Metric, an_operation: bool) -> bool {
    metric.scope() != Scope::Fault && metric.is_of_an_operation() == an_operation
}

/// With an interval where the metric's blocks are compared by one; else the median block's.
fn of_variant(run: &Run, variant: &str, phase_name: &str, metric: Metric, of: Of<'_>) -> Option<Spread> {
    let of_cell = |cell: &Cell| figure(phase(cell, phase_name)?, metric, of);
    match metric.compare() {
        Compare::Ratio => shown::over_blocks(run, variant, of_cell),
        Compare::EachBlock => median_over_blocks(run, variant, of_cell).map(|centre| Spread { centre, ends: None }),
    }
}

fn shown_as(spread: Option<Spread>, metric: Metric) -> String {
    let unit = metric.unit().name();
    let Some(Spread { centre, ends }) = spread else {
        return NONE.to_owned();
    };
    let ends = ends.map(|(low, high)| format!(" [{}–{}]", bare(low, unit), bare(high, unit)));
    format!("{}{}", value(centre, unit), ends.unwrap_or_default())
}
