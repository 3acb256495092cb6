//! Every phase of a cell.

use super::{Table, cell_name};
use crate::analyze::figure::error_share;
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Run};
use crate::report::words::{ms, number, percent};

/// One row for each phase and operation.
pub(in crate::report) fn phases(run: &Run, cell: &Cell) -> Table {
    let rows = cell
        .phases
        .iter()
        .flat_map(|phase| {
            phase
                .operations
                .iter()
                .map(move |(name, operation)| phase_row(phase, name, operation))
        })
        .collect();
    Table {
        title: cell_name(run, cell),
        legend: "response times of ok answers in ms",
        headers: vec![
            "phase",
            "operation",
            "scheduled",
            "goodput /s",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "service p99 ms",
            "not ok",
            "outcomes",
        ],
        rows,
    }
}

fn phase_row(phase: &PhaseResult, name: &str, operation: &OperationResult) -> Vec<String> {
    let ok = operation.response_us.get(Outcome::Ok.name());
    let service = operation.service_us.get(Outcome::Ok.name());
    let us = |value: Option<u64>| ms(value.map(|us| us as f64));
    let mut outcomes: Vec<String> = operation
        .outcomes
        .iter()
        .map(|(outcome, count)| format!("{} {count}", outcome.name()))
        .collect();
    if operation.unsent > 0 {
        outcomes.push(format!("unsent {}", operation.unsent));
    }
    vec![
        phase.name.clone(),
        name.to_owned(),
        operation.scheduled.to_string(),
        number(Some(operation.goodput_rate), 0),
        us(ok.and_then(|ok| ok.p50)),
        us(ok.and_then(|ok| ok.p99)),
        us(ok.and_then(|ok| ok.p999)),
        us(service.and_then(|service| service.p99)),
        percent(error_share(operation)),
        outcomes.join(", "),
    ]
}
