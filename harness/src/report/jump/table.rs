//! Everyday load, ramp and jump side by side.

use super::compared::{Columns, operation};
use super::sentence::title;
use crate::analyze::validity::{disturbed, marked};
use crate::record::{ClientSide, Onset, OperationResult, Outcome, PhaseResult, Quantiles, Run};
use crate::report::shown::{failed_share, rejected_share};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// A part of the handshake, and its name.
type Part = (&'static str, fn(&ClientSide) -> &Quantiles);

/// One row for each figure.
pub(super) fn table(run: &Run, shown: &Columns<'_>) -> Table {
    let all = shown.all();
    let row = |name: &str, figure: &dyn Fn(&PhaseResult) -> String| {
        let figures = all.map(|phase| phase.map_or(NONE.to_owned(), figure));
        std::iter::once(name.to_owned()).chain(figures).collect::<Vec<_>>()
    };
    let of_operation = |figure: fn(&OperationResult) -> String| {
        move |phase: &PhaseResult| operation(phase).map_or(NONE.to_owned(), figure)
    };
    let client = |figure: fn(&ClientSide) -> String| move |phase: &PhaseResult| figure(&phase.connections.client);
    let mut rows = vec![
        row("offered /s", &|phase| number(Some(offered(phase)), 0)),
        row("sent in the first 100 ms", &|phase| {
            phase.onset.map_or(NONE.to_owned(), onset)
        }),
        row("ok /s", &of_operation(|of| number(Some(of.goodput_rate), 0))),
        row("p50 ms", &of_operation(|of| time(of, |ok| ok.p50))),
        row("p99 ms", &of_operation(|of| time(of, |ok| ok.p99))),
        row("p99.9 ms", &of_operation(|of| time(of, |ok| ok.p999))),
        row("rejected", &of_operation(|of| percent(rejected_share(of)))),
        row("failed", &of_operation(|of| percent(failed_share(of)))),
        row("connections open at once", &client(|of| of.open_max.to_string())),
        row("connections opened", &client(|of| of.opened.to_string())),
        row("handshake p99 ms", &client(|of| quantile(&of.handshake_us))),
    ];
    let parts: [Part; 2] = [
        ("  TLS of it", |of| &of.tls_us),
        ("  HTTP/2 of it", |of| &of.upgrade_us),
    ];
    for (name, part) in parts {
        let is_spoken = |phase: &&PhaseResult| !part(&phase.connections.client).is_empty();
        if all.iter().flatten().any(is_spoken) {
            rows.push(row(name, &|phase| quantile(part(&phase.connections.client))));
        }
    }
    let names = ["everyday", "ramp", "jump"];
    let mark = |phase: Option<&PhaseResult>| if phase.and_then(disturbed).is_some() { "†" } else { "" };
    let headings = names
        .iter()
        .zip(all)
        .map(|(name, phase)| format!("{name}{}", mark(phase)));
    let mut table = Table::new(title(run))
        .legend(
            "ramp: its last step, at the rate of the jump · times: response times of ok answers, from when each request was due · –: too \
             few for the figure",
        )
        .columns(Kind::Key, [""])
        .columns(Kind::Figure, headings)
        .rows(rows);
    for (name, phase) in names.iter().zip(all) {
        let by = phase.and_then(disturbed).map(|by| format!("† {name}: {by}"));
        table.footnotes.extend(by);
    }
    if table.rows.iter().flatten().any(|cell| cell.contains('*')) {
        let told = "*: the time in brackets is without the generator's own lateness";
        table.footnotes.push(told.to_owned());
    }
    table
}

/// `198 of 200`: what was sent in the first tenth of a second of what was due in it.
fn onset(onset: Onset) -> String {
    format!("{} of {}", onset.sent, onset.due)
}

fn offered(phase: &PhaseResult) -> f64 {
    let scheduled = operation(phase).map_or(0, |operation| operation.scheduled);
    let length_s = phase.end_s - phase.start_s;
    if length_s > 0.0 {
        scheduled as f64 / length_s
    } else {
        0.0
    }
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

/// The 99th percentile; of too few for one, the longest.
fn quantile(of: &Quantiles) -> String {
    match (of.p99, of.max) {
        (Some(p99), _) => ms(Some(p99 as f64)),
        (None, Some(max)) => format!("max {}", ms(Some(max as f64))),
        (None, None) => NONE.to_owned(),
    }
}
