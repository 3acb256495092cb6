//! What the workload asks to have observed of somebody else's server: its processes, and series of its metrics.

use std::collections::BTreeMap;

use crate::analyze::figure::{median_over_blocks, phase};
use crate::record::{ObservedSide, PhaseResult, Resources, Run, SeriesResult};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, number, own};

/// One row a variant and judged phase; `None` where no processes were seen.
pub(super) fn server(run: &Run) -> Option<Table> {
    let names = shown::phases(run, |phase| phase.kind.is_judged() && named(phase).is_some());
    let rows = names.iter().flat_map(|name| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| server_row(run, variant, name))
    });
    Table::new("Observed processes")
        .legend(
            "CPU: cores, mean · memory: resident, most at once, what processes share counted for each · sockets: TCP, most at once in each \
             state",
        )
        .columns(Kind::Key, ["variant", "phase"])
        .columns(Kind::Figure, ["CPU", "memory MiB"])
        .columns(Kind::Text, ["sockets"])
        .rows(rows)
        .unless_empty()
}

/// What the processes used, where the workload names them: of a server that bmt started, sockets are not looked at.
fn named(phase: &PhaseResult) -> Option<(&Resources, &BTreeMap<String, u64>)> {
    phase.resources.get("server").zip(sockets(phase))
}

fn sockets(phase: &PhaseResult) -> Option<&BTreeMap<String, u64>> {
    phase.observed.as_ref()?.sockets_max.as_ref()
}

fn server_row(run: &Run, variant: &str, name: &str) -> Option<Vec<String>> {
    let median = |value: &dyn Fn(&PhaseResult) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| value(phase(cell, name)?))
    };
    let used = |phase: &PhaseResult| Some(named(phase)?.0.clone());
    let cpu = median(&|phase| Some(used(phase)?.cpu_s / (phase.end_s - phase.start_s)))?;
    let memory = median(&|phase| {
        used(phase)?
            .rss_max_bytes
            .map(|bytes| bytes as f64 / f64::from(1 << 20))
    });
    let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
    let seen = cells.filter_map(|cell| sockets(phase(cell, name)?));
    let mut states: Vec<&str> = seen.flat_map(|sockets| sockets.keys().map(String::as_str)).collect();
    states.sort_unstable();
    states.dedup();
    let states = states.into_iter().map(|state| {
        let count = median(&|phase| sockets(phase).map(|sockets| sockets.get(state).copied().unwrap_or(0) as f64));
        format!("{state} {}", number(count, 0))
    });
    Some(vec![
        variant.to_owned(),
        name.to_owned(),
        number(Some(cpu), 2),
        number(memory, 1),
        states.collect::<Vec<_>>().join(", "),
    ])
}

/// What a column shows of a series.
type Shown = fn(&SeriesResult) -> Option<f64>;

/// All that may be shown of series; columns without a figure are left out.
const COLUMNS: [(&str, Shown); 6] = [
    ("per s", |series| match series {
        SeriesResult::Counter { rate, .. } => Some(*rate),
        _ => None,
    }),
    ("max", |series| match series {
        SeriesResult::Gauge { max, .. } => Some(*max),
        _ => None,
    }),
    ("values", |series| match series {
        SeriesResult::Histogram { count, .. } => Some(*count as f64),
        _ => None,
    }),
    ("p50", |series| match series {
        SeriesResult::Histogram { p50, .. } => *p50,
        _ => None,
    }),
    ("p99", |series| match series {
        SeriesResult::Histogram { p99, .. } => *p99,
        _ => None,
    }),
    ("p99.9", |series| match series {
        SeriesResult::Histogram { p999, .. } => *p999,
        _ => None,
    }),
];

/// One row for each variant, judged phase and series; `None` where nothing was seen.
pub(super) fn series(run: &Run) -> Option<Table> {
    let seen = |phase: &PhaseResult| {
        let mut series = phase
            .observed
            .iter()
            .flat_map(|observed: &ObservedSide| observed.series.values());
        series.any(Option::is_some)
    };
    let phases = shown::phases(run, |phase| phase.kind.is_judged() && seen(phase));
    let mut rows: Vec<([String; 3], [Option<f64>; COLUMNS.len()])> = Vec::new();
    for name in &phases {
        for variant in variants(run) {
            for series in &run.header.workload.series {
                let keys = [variant, *name, series].map(str::to_owned);
                rows.push((
                    keys,
                    COLUMNS.map(|(_, shown)| median(run, variant, name, series, shown)),
                ));
            }
        }
    }
    let is_used = |column: usize| rows.iter().any(|(_, figures)| figures[column].is_some());
    let used: Vec<usize> = (0..COLUMNS.len()).filter(|column| is_used(*column)).collect();
    let cells = rows.iter().map(|(keys, figures)| {
        let figures = used.iter().map(|column| figures[*column].map_or(NONE.to_owned(), own));
        keys.iter().cloned().chain(figures).collect()
    });
    Table::new("Observed")
        .legend(
            "in the unit of each series · per s: of counters · max: of gauges · values and quantiles: of histograms, linear within their \
             buckets",
        )
        .columns(Kind::Key, ["variant", "phase", "series"])
        .columns(Kind::Figure, used.iter().map(|column| COLUMNS[*column].0))
        .rows(cells)
        .unless_empty()
}

fn median(run: &Run, variant: &str, phase_name: &str, name: &str, shown: Shown) -> Option<f64> {
    median_over_blocks(run, variant, |cell| {
        let observed = phase(cell, phase_name)?.observed.as_ref()?;
        shown(observed.series.get(name)?.as_ref()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    /// The storm on somebody else's server, of which these series are observed in the spike.
    fn observing(series: &[(&str, Option<SeriesResult>)], sockets: &[(&str, u64)]) -> Run {
        let mut header = fixture::header(1);
        header.workload.series = series.iter().map(|(name, _)| (*name).to_owned()).collect();
        let cells = ["none", "both"].into_iter().zip(1..).map(|(variant, number)| {
            let mut cell = fixture::storm_cell(variant, 1, number);
            let spike = cell.phases.last_mut().unwrap();
            let series = series.iter().map(|(name, seen)| ((*name).to_owned(), seen.clone()));
            let sockets = sockets.iter().map(|(state, count)| ((*state).to_owned(), *count));
            spike.observed = Some(ObservedSide {
                series: series.collect(),
                sockets_max: Some(sockets.collect()).filter(|sockets: &BTreeMap<_, _>| !sockets.is_empty()),
            });
            cell
        });
        fixture::judged(header, cells.collect())
    }

    fn names(table: &Table) -> Vec<&str> {
        table.columns.iter().map(|column| column.name.as_ref()).collect()
    }

    #[test]
    fn only_columns_that_have_a_figure_are_shown() {
        let counter = SeriesResult::Counter {
            increase: 2469.0,
            rate: 123.45,
        };
        let gauge = SeriesResult::Gauge { max: 37.0, last: 5.0 };
        let run = observing(&[("hits", Some(counter)), ("busy", Some(gauge)), ("gone", None)], &[]);
        let table = series(&run).unwrap();
        assert_eq!(names(&table), ["variant", "phase", "series", "per s", "max"]);
        let rows: Vec<String> = table.rows.iter().map(|row| row.join(" ")).collect();
        assert_eq!(
            rows[..3],
            ["none spike hits 123 –", "none spike busy – 37", "none spike gone – –"]
        );
        assert!(server(&run).is_none(), "nobody looked at sockets");
    }

    #[test]
    fn processes_are_shown_with_their_sockets_by_state() {
        let run = observing(&[], &[("established", 40), ("listen", 1)]);
        let table = server(&run).unwrap();
        assert_eq!(table.rows[0][0..2], ["none", "spike"]);
        assert_eq!(table.rows[0][4], "established 40, listen 1");
        assert!(series(&run).is_none());
        assert!(series(&fixture::run()).is_none() && server(&fixture::run()).is_none());
    }
}
