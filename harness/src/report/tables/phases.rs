//! Every phase of a cell.

use crate::analyze::figure::error_share;
use crate::analyze::validity::marked;
use crate::record::{Cell, Neighbours, OperationResult, Outcome, PhaseResult, Quantiles, Run};
use crate::report::shown::cell_name;
use crate::report::table::{Kind, Table};
use crate::report::words::{ms, number, percent};

/// Cores below which a neighbour is not told.
const TOLD_FROM: f64 = 0.05;

/// One row for each phase and operation.
pub(in crate::report) fn phases(run: &Run, cell: &Cell) -> Table {
    let has_neighbours = cell.phases.iter().any(|phase| !neighbours(phase).is_empty());
    let rows = cell.phases.iter().flat_map(|phase| {
        let operations = phase.operations.iter().enumerate();
        operations.map(move |(place, (name, operation))| {
            let mut row = phase_row(phase, name, operation);
            if has_neighbours {
                // It is the phase's, so it is told once.
                row.push(if place == 0 { neighbours(phase) } else { String::new() });
            }
            row
        })
    });
    let texts: &[&str] = if has_neighbours {
        &["outcomes", "other use of the machine"]
    } else {
        &["outcomes"]
    };
    Table::new(cell_name(run, cell))
        .legend(if has_neighbours {
            "response times of ok answers in ms; with *, the time in brackets is without the generator's own lateness · other use of the \
             machine: cores that neither bmt nor its target used"
        } else {
            "response times of ok answers in ms; with *, the time in brackets is without the generator's own lateness"
        })
        .columns(Kind::Key, ["phase", "operation"])
        .columns(
            Kind::Figure,
            ["scheduled", "goodput /s", "p50 ms", "p99 ms", "p99.9 ms", "service p99 ms", "not ok"],
        )
        .columns(Kind::Text, texts.iter().copied())
        .rows(rows)
}

fn phase_row(phase: &PhaseResult, name: &str, operation: &OperationResult) -> Vec<String> {
    let service = operation.service_us.get(Outcome::Ok.name());
    let mut outcomes: Vec<String> = operation
        .outcomes
        .iter()
        .map(|(outcome, count)| format!("{} {count}", outcome.name()))
        .collect();
    let causes = operation.unsent_causes.iter();
    outcomes.extend(causes.map(|(cause, count)| format!("unsent {count} ({})", cause.name())));
    if operation.withdrawn > 0 {
        outcomes.push(format!("withdrawn {}", operation.withdrawn));
    }
    if operation.cut_off > 0 {
        outcomes.push(format!("cut off {}", operation.cut_off));
    }
    vec![
        phase.name.clone(),
        name.to_owned(),
        operation.scheduled.to_string(),
        number(Some(operation.goodput_rate), 0),
        time(operation, |ok| ok.p50),
        time(operation, |ok| ok.p99),
        time(operation, |ok| ok.p999),
        ms(service.and_then(|service| service.p99).map(|us| us as f64)),
        percent(error_share(operation)),
        outcomes.join(", "),
    ]
}

/// `12.3`, or `12.3* (9.8)` where that differs enough from the time without the generator's own lateness.
fn time(operation: &OperationResult, quantile: fn(&Quantiles) -> Option<u64>) -> String {
    let ok = operation.response_us.get(Outcome::Ok.name());
    let shown = ms(ok.and_then(quantile).map(|us| us as f64));
    match marked(operation, quantile) {
        Some((_, net)) => format!("{shown}* ({})", ms(Some(net as f64))),
        None => shown,
    }
}

/// Who else used the machine, in cores; empty where that is not worth telling.
fn neighbours(phase: &PhaseResult) -> String {
    let Some(neighbours) = &phase.neighbours else {
        return String::new();
    };
    let Neighbours {
        foreign_cpu,
        steal,
        softirq_cpu,
        ..
    } = neighbours;
    let parts = [
        ("others", *foreign_cpu),
        ("steal", Some(*steal)),
        ("softirq", Some(*softirq_cpu)),
    ];
    let told = parts.into_iter().filter_map(|(name, cores)| {
        let cores = cores.filter(|cores| *cores > TOLD_FROM)?;
        Some(format!("{name} {cores:.2}"))
    });
    told.collect::<Vec<_>>().join(", ")
}
