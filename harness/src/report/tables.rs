//! The tables of a result, as text cells; terminal and Markdown draw them.

use super::words::{ms, number, percent};
use crate::analyze::bystanders::{self, Bystander};
use crate::analyze::figure::{Of, error_share, figure, median_over_repetitions, operation, phase};
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Run};
use crate::workload::{Metric, Placement};

/// A table with a title.
pub(super) struct Table {
    pub(super) title: String,
    /// What the columns mean, where their names do not say.
    pub(super) legend: &'static str,
    pub(super) headers: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// One row a variant: the operation that the profile drives, in the phase that matters.
pub(super) fn headline(run: &Run) -> Option<Table> {
    let shown = bystanders::headline_phase(run)?;
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
        placement: None,
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

/// One row for each variant, bystander and placement.
pub(super) fn bystanders(run: &Run) -> Option<Table> {
    let rows: Vec<Vec<String>> = variants(run)
        .into_iter()
        .flat_map(|variant| {
            bystanders::of_variant(run, variant)
                .into_iter()
                .map(move |bystander| bystander_row(variant, &bystander))
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "bystanders, before the spike → during it".to_owned(),
        legend: "p99: response time of ok answers in ms · not ok: refused, failed or unsent",
        headers: vec!["variant", "operation", "lives on", "p99", "not ok", ""],
        rows,
    })
}

fn bystander_row(variant: &str, bystander: &Bystander) -> Vec<String> {
    let us = |value: Option<u64>| ms(value.map(|us| us as f64));
    vec![
        variant.to_owned(),
        bystander.operation.clone(),
        placement(bystander.placement).to_owned(),
        format!("{} → {}", us(bystander.p99_before_us), us(bystander.p99_during_us)),
        format!(
            "{} → {}",
            percent(bystander.errors_before),
            percent(bystander.errors_during)
        ),
        if bystander.suffered { "SUFFERED" } else { "unharmed" }.to_owned(),
    ]
}

/// Every phase of every cell, for `report.md`.
pub(super) fn phases(run: &Run, cell: &Cell) -> Table {
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
        title: format!(
            "{}{}",
            cell.variant,
            if run.workload.repetitions > 1 {
                format!(", run {}", cell.repetition)
            } else {
                String::new()
            }
        ),
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

/// The variants that were run, in the workload's order.
pub(super) fn variants(run: &Run) -> Vec<&str> {
    let ran = |name: &&str| {
        run.cells
            .iter()
            .any(|cell| cell.variant == **name && !cell.phases.is_empty())
    };
    run.workload
        .variants
        .iter()
        .map(|variant| variant.name.as_str())
        .filter(ran)
        .collect()
}

fn placement(placement: Option<Placement>) -> &'static str {
    match placement {
        None => "–",
        Some(Placement::HotShard) => "hot shard",
        Some(Placement::OtherShards) => "other shards",
    }
}
