//! The operation that the profile drives, in the phase that matters.

use super::{Table, variants};
use crate::analyze::bystanders::headline_phase;
use crate::analyze::figure::{Of, figure, median_over_repetitions, operation, phase};
use crate::record::{OperationResult, Outcome, PhaseResult, Run};
use crate::report::words::{ms, number, percent};
use crate::workload::Metric;

/// One row a variant.
pub(super) fn headline(run: &Run) -> Option<Table> {
    let shown = headline_phase(run)?;
    let (name, _) = run
        .workload
        .traffic
        .iter()
        .max_by(|a, b| a.1.share.unwrap_or(0.0).total_cmp(&b.1.share.unwrap_or(0.0)))?;
    let rows = variants(run)
        .into_iter()
        .map(|variant| headline_row(run, variant, &shown.name, name))
        .collect();
    Some(Table {
        title: format!(
            "{name} in phase `{}` ({:.0} s, {:.0}/s offered)",
            shown.name,
            shown.end_s - shown.start_s,
            shown.target_rate
        ),
        legend: "p50 to p99.9: response times of ok answers in ms · conns: most open at once, client/database · \
                 AUTO-INC, row lock: seconds waited, all statements of all shards · q-cache: threads waiting for the query cache · \
                 DB CPU: cores",
        headers: vec![
            "variant", "ok/s", "p50", "p99", "p99.9", "refused", "failed", "conns", "AUTO-INC", "row lock", "q-cache",
            "DB CPU",
        ],
        rows,
    })
}

fn headline_row(run: &Run, variant: &str, phase_name: &str, name: &str) -> Vec<String> {
    let of = Of {
        operation: Some(name),
        ..Of::default()
    };
    let median = |value: &dyn Fn(&PhaseResult) -> Option<f64>| {
        median_over_repetitions(run, variant, |cell| value(phase(cell, phase_name)?))
    };
    let metric = |metric: Metric| median(&|phase| figure(phase, metric, of));
    let share = |part: fn(&OperationResult) -> f64| {
        median(&|phase| operation(phase, of).map(part)).map_or("–".to_owned(), percent)
    };
    let query_cache = median(&|phase| {
        phase
            .contention
            .as_ref()
            .map(|contention| contention.query_cache_waiters_avg)
    });
    let database_connections = median(&|phase| {
        phase
            .connections
            .database
            .as_ref()
            .map(|database| database.open_max as f64)
    });
    vec![
        variant.to_owned(),
        number(metric(Metric::GoodputRate), 0),
        ms(metric(Metric::ResponseP50)),
        ms(metric(Metric::ResponseP99)),
        ms(metric(Metric::ResponseP999)),
        share(refused),
        share(failed),
        format!(
            "{}/{}",
            number(metric(Metric::ConnectionsOpenMax), 0),
            number(database_connections, 0)
        ),
        number(metric(Metric::AutoincWaitS), 1),
        number(metric(Metric::RowLockWaitS), 1),
        number(query_cache, 1),
        number(metric(Metric::DatabaseCpu), 2),
    ]
}

fn refused(operation: &OperationResult) -> f64 {
    let refused: u64 = operation
        .outcomes
        .iter()
        .filter(|(outcome, _)| outcome.is_refusal())
        .map(|(_, count)| count)
        .sum();
    part(refused, operation)
}

fn failed(operation: &OperationResult) -> f64 {
    let ended: u64 = operation
        .outcomes
        .iter()
        .filter(|(outcome, _)| **outcome == Outcome::Ok || outcome.is_refusal())
        .map(|(_, count)| count)
        .sum();
    part(operation.scheduled.saturating_sub(ended), operation)
}

fn part(count: u64, operation: &OperationResult) -> f64 {
    if operation.scheduled == 0 {
        0.0
    } else {
        count as f64 / operation.scheduled as f64
    }
}
