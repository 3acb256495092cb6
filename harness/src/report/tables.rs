//! The tables of a result, as text cells; terminal and Markdown draw them.

use super::words::{ms, number, percent};
use crate::analyze::bystanders::{self, Bystander};
use crate::analyze::figure::{Of, error_share, figure, median_over_repetitions, operation, phase};
use crate::record::{Cell, Fanout, OperationResult, Outcome, PhaseResult, Run};
use crate::workload::{Metric, Placement};

/// A table with a title.
pub(super) struct Table {
    pub(super) title: String,
    /// What the columns mean, where their names do not say.
    pub(super) legend: &'static str,
    pub(super) headers: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The tables that every report shows, those that have anything to show.
pub(super) fn all(run: &Run) -> impl Iterator<Item = Table> {
    let tables = [headline(run), fanout(run), bystanders(run), moments(run)];
    tables.into_iter().flatten()
}

/// One row a variant: the operation that the profile drives, in the phase that matters.
fn headline(run: &Run) -> Option<Table> {
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

/// One row a variant and phase: how events reached the members who were online; `None` where nobody was.
fn fanout(run: &Run) -> Option<Table> {
    let mut names: Vec<&str> = Vec::new();
    for phase in run.cells.iter().flat_map(|cell| &cell.phases) {
        if phase.fanout.is_some() && phase.kind.is_judged() && !names.contains(&phase.name.as_str()) {
            names.push(&phase.name);
        }
    }
    let rows = names.iter().flat_map(|name| {
        variants(run)
            .into_iter()
            .map(move |variant| fanout_row(run, variant, name))
    });
    (!names.is_empty()).then(|| Table {
        title: "Fan-out to members who are online".to_owned(),
        legend: "events: messages to the followed chats · fetches/event: 1 for each member would be one fetch a member and event · \
                 pushes: sent and dropped by throttling · fresh: time from an event's intended send until a member has it, ms · \
                 stale: members that lack an old event at the end of the phase · lag: most records that the publish role was behind · \
                 SQL/s, DB CPU: statements and cores of all shards",
        headers: vec![
            "variant", "phase", "events/s", "fetches/event", "fetches/s", "pushes/s", "dropped", "fresh p50", "fresh p99",
            "stale", "lag", "SQL/s", "DB CPU",
        ],
        rows: rows.collect(),
    })
}

fn fanout_row(run: &Run, variant: &str, phase_name: &str) -> Vec<String> {
    let median = |value: &dyn Fn(&PhaseResult, &Fanout) -> Option<f64>| {
        median_over_repetitions(run, variant, |cell| {
            let phase = phase(cell, phase_name)?;
            value(phase, phase.fanout.as_ref()?)
        })
    };
    let rate = |count: fn(&Fanout) -> Option<u64>| {
        median(&|phase, fanout| Some(count(fanout)? as f64 / (phase.end_s - phase.start_s)))
    };
    let dropped = median(&|_, fanout| {
        let server = fanout.server.as_ref()?;
        let all = server.pushes_dropped + server.pushes_sent;
        Some(server.pushes_dropped as f64 / all.max(1) as f64)
    });
    let statements = median(&|phase, _| {
        let statements = phase.contention.as_ref()?.statements;
        Some(statements as f64 / (phase.end_s - phase.start_s))
    });
    vec![
        variant.to_owned(),
        phase_name.to_owned(),
        number(rate(|fanout| Some(fanout.events)), 1),
        number(median(&|_, fanout| fanout.fetches_per_event), 0),
        number(rate(|fanout| Some(fanout.fetches)), 0),
        number(
            rate(|fanout| fanout.server.as_ref().map(|server| server.pushes_sent)),
            0,
        ),
        dropped.map_or("–".to_owned(), percent),
        ms(median(&|_, fanout| fanout.freshness_us.p50.map(|us| us as f64))),
        ms(median(&|_, fanout| fanout.freshness_us.p99.map(|us| us as f64))),
        number(
            median(&|_, fanout| fanout.stale_members_end.map(|members| members as f64)),
            0,
        ),
        number(
            median(&|_, fanout| Some(fanout.server.as_ref()?.lag_records_max as f64)),
            0,
        ),
        number(statements, 0),
        number(median(&|phase, _| figure(phase, Metric::DatabaseCpu, Of::default())), 2),
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
fn bystanders(run: &Run) -> Option<Table> {
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

/// What was changed and what was broken on purpose; `None` where nothing was.
fn moments(run: &Run) -> Option<Table> {
    let changes = run
        .cells
        .iter()
        .flat_map(|cell| cell.changes.iter().map(move |change| (cell, change)));
    let changes = changes.map(|(cell, change)| {
        let done = match (&change.problem, change.revision) {
            (Some(problem), _) => format!("not made: {problem}"),
            (None, revision) => format!("in force as revision {}", revision.unwrap_or(0)),
        };
        let settings = serde_json::to_string(&change.settings).unwrap_or_default();
        (
            cell,
            change.at_s,
            change.applied_s,
            format!("settings {settings}"),
            done,
        )
    });
    let faults = run
        .cells
        .iter()
        .flat_map(|cell| cell.faults.iter().map(move |fault| (cell, fault)));
    let faults = faults.map(|(cell, fault)| {
        let done = match (&fault.problem, fault.end_s) {
            (Some(problem), _) => format!("failed: {problem}"),
            (None, Some(_)) => "undone".to_owned(),
            (None, None) => "undone when the cell ended".to_owned(),
        };
        (
            cell,
            fault.start_s,
            fault.end_s,
            format!("{} ({})", fault.kind, fault.target),
            done,
        )
    });
    let rows: Vec<Vec<String>> = changes
        .chain(faults)
        .map(|(cell, from_s, to_s, what, done)| {
            let phase = cell.phases.iter().rfind(|phase| phase.start_s <= from_s);
            vec![
                cell.variant.clone(),
                phase.map_or("–".to_owned(), |phase| phase.name.clone()),
                number(Some(from_s), 1),
                number(to_s, 1),
                what,
                done,
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Changed and broken on purpose".to_owned(),
        legend: "from, to: seconds of the cell",
        headers: vec!["variant", "phase", "from", "to", "what", "came of it"],
        rows,
    })
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
