//! The operation that the profile drives, in the phase that matters.

use crate::analyze::figure::{Of, figure, median_over_blocks, operation, phase};
use crate::metric::Metric;
use crate::record::{Cell, OperationResult, PhaseResult, Run};
use crate::report::shown::{self, OverBlocks, QUANTILES, failed_share, over_blocks, rejected_share};
use crate::report::table::{Kind, Table};
use crate::report::words::{Form, NONE, number, percent, spread};

/// What there is to say of the locks of databases, where they were observed.
const OF_LOCKS: [&str; 3] = ["AUTO-INC", "row lock", "q-cache"];

/// Which columns have anything to show: none is there that could have no figure.
struct Columns {
    server_cpu: bool,
    pools: bool,
    locks: bool,
    database_cpu: bool,
}

/// One row a variant.
pub(super) fn headline(run: &Run) -> Option<Table> {
    let (shown_phase, entry) = shown::headline(run)?;
    let headline = Headline {
        run,
        phase: &shown_phase.name,
        operation: &entry.name,
    };
    let of_cells = || run.cells.iter().filter_map(|cell| phase(cell, &shown_phase.name));
    let has = |metric: Metric| of_cells().any(|phase| figure(phase, metric, Of::default()).is_some());
    let pools = |phase: &PhaseResult| phase.connections.database.as_ref()?.open_max;
    let shown = Columns {
        server_cpu: has(Metric::ServerCpuPerRequest),
        pools: of_cells().any(|phase| pools(phase).is_some()),
        locks: of_cells().any(|phase| phase.contention.is_some()),
        database_cpu: has(Metric::DatabaseCpu),
    };
    let mut columns = vec!["ok/s", "p50", "p99", "p99.9", "rejected", "failed", "conns"];
    columns.extend(shown.server_cpu.then_some("CPU/answer"));
    columns.extend(OF_LOCKS.into_iter().filter(|_| shown.locks));
    columns.extend(shown.database_cpu.then_some("DB CPU"));
    let mut footnotes = Vec::new();
    let mut rows = Vec::new();
    for variant in shown::variants(run) {
        let mut row = headline.row(variant, &mut footnotes);
        if shown.server_cpu {
            row.push(headline.spread(variant, Metric::ServerCpuPerRequest, Form::Plain));
        }
        if shown.locks {
            row.extend(headline.of_locks(variant));
        }
        if shown.database_cpu {
            row.push(headline.spread(variant, Metric::DatabaseCpu, Form::Digits(2)));
        }
        rows.push(row);
    }
    let mut table = Table::new(format!(
        "{} in phase `{}` ({:.0} s, {:.0}/s offered)",
        entry.name,
        shown_phase.name,
        shown_phase.end_s - shown_phase.start_s,
        shown::offered(run, entry, shown_phase)
    ))
    .legend(legend(run, &shown))
    .columns(Kind::Key, ["variant"])
    .columns(Kind::Figure, columns)
    .rows(rows);
    table.footnotes = footnotes;
    Some(table)
}

fn legend(run: &Run, shown: &Columns) -> String {
    let mut parts = vec![
        "p50 to p99.9: response times of ok answers in ms",
        "conns: most open at once, client/database",
    ];
    if !shown.pools {
        parts[1] = "conns: most open at once";
    }
    if shown.server_cpu {
        parts.push(match shown.database_cpu {
            true => "CPU/answer: of server and databases, µs",
            false => "CPU/answer: of the server, µs",
        });
    }
    if shown.locks {
        parts.push("AUTO-INC, row lock: seconds waited, all statements of all shards");
        parts.push("q-cache: threads waiting for the query cache");
    }
    if shown.database_cpu {
        parts.push("DB CPU: cores");
    }
    match run.header.workload.blocks {
        0 | 1 => {}
        2 => parts.push("each figure: mean of two blocks"),
        _ => parts.push("[ ]: 95 % t interval over the blocks; where there is none, the median block"),
    }
    parts.join(" · ")
}

/// What the table is of.
struct Headline<'a> {
    run: &'a Run,
    phase: &'a str,
    operation: &'a str,
}

impl Headline<'_> {
    fn of(&self) -> Of<'_> {
        Of {
            operation: Some(self.operation),
            ..Of::default()
        }
    }

    fn row(&self, variant: &str, footnotes: &mut Vec<String>) -> Vec<String> {
        let share = |part: fn(&OperationResult) -> f64| {
            let share = self.median(variant, |phase| operation(phase, self.of()).map(part));
            share.map_or(NONE.to_owned(), percent)
        };
        let client = self.median(variant, |phase| {
            figure(phase, Metric::ConnectionsOpenMax, Of::default())
        });
        let database = self.median(variant, |phase| {
            Some(phase.connections.database.as_ref()?.open_max? as f64)
        });
        let mut name = variant.to_owned();
        if let Some(by) = self.disturbed(variant) {
            name.push('†');
            footnotes.push(format!("† {variant}: {by}"));
        }
        let mut row = vec![name, self.spread(variant, Metric::GoodputRate, Form::Plain)];
        for quantile in QUANTILES {
            let mut cell = self.spread(variant, quantile.metric, Form::Ms);
            let centre: OverBlocks = |run, variant, figure| over_blocks(run, variant, figure).map(|net| net.centre);
            if let Some(net) = shown::marked_net(self.run, variant, self.phase, self.of(), &quantile, centre) {
                cell.push('*');
                footnotes.push(format!("* {variant}: {net}"));
            }
            row.push(cell);
        }
        row.push(share(rejected_share));
        row.push(share(failed_share));
        row.push(match database {
            None => number(client, 0),
            Some(_) => format!("{}/{}", number(client, 0), number(database, 0)),
        });
        row
    }

    /// Which of its blocks others disturbed, and how much.
    fn disturbed(&self, variant: &str) -> Option<String> {
        let told: Vec<String> = shown::disturbed(self.run, variant, self.phase)
            .into_iter()
            .map(|(block, by)| format!("in block {block} {by}"))
            .collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    fn of_locks(&self, variant: &str) -> [String; 3] {
        let median = |metric: Metric| self.median(variant, |phase| figure(phase, metric, Of::default()));
        let query_cache = self.median(variant, |phase| {
            Some(phase.contention.as_ref()?.query_cache_waiters_avg)
        });
        [
            number(median(Metric::AutoincWaitS), 1),
            number(median(Metric::RowLockWaitS), 1),
            number(query_cache, 1),
        ]
    }

    fn spread(&self, variant: &str, metric: Metric, form: Form) -> String {
        let value = |cell: &Cell| figure(phase(cell, self.phase)?, metric, self.of());
        spread(over_blocks(self.run, variant, value), form)
    }

    fn median(&self, variant: &str, value: impl Fn(&PhaseResult) -> Option<f64>) -> Option<f64> {
        median_over_blocks(self.run, variant, |cell| value(phase(cell, self.phase)?))
    }
}
