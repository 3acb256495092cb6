//! What became of WebSocket connections.

use crate::analyze::figure::{Of, median_over_blocks, operation, phase};
use crate::arrival::PhaseKind;
use crate::record::{PhaseResult, Quantiles, Run, WebsocketsResult};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number};

/// One row for each variant, entry and phase; `None` where none are held.
pub(super) fn websockets(run: &Run) -> Option<Table> {
    let entries = run
        .header
        .workload
        .traffic
        .iter()
        .filter(|entry| entry.websocket.is_some());
    let phases = shown::phases(run, |phase| phase.kind != PhaseKind::Settle);
    let places = entries.flat_map(|entry| phases.iter().map(move |phase| (entry.name.as_str(), *phase)));
    let rows = places.flat_map(|(entry, phase)| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, entry, phase))
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    // Where none ended, there is nothing to say of it.
    let has_ends = rows.iter().any(|row| row.last().is_some_and(|ends| ends != NONE));
    rows.iter_mut()
        .for_each(|row| row.truncate(row.len() - usize::from(!has_ends)));
    Table::new("WebSockets")
        .legend(
            "open: most at once · opened: those in place of one that had ended included · broken: ended by the target · opening: p50 of its \
             parts in ms, TCP/TLS/upgrade · heard/s: messages · pushes/s: those that answered nothing · late: answers to what had been given \
             up · ended: how those that failed or broke did",
        )
        .columns(Kind::Key, ["variant", "operation", "phase"])
        .columns(
            Kind::Figure,
            [
                "open", "opened", "failed", "broken", "opening", "heard/s", "KiB/s", "pushes/s", "late",
            ],
        )
        .columns(Kind::Text, has_ends.then_some("ended"))
        .rows(rows)
        .unless_empty()
}

/// `None` where the phase was not run.
fn row(run: &Run, variant: &str, entry: &str, phase_name: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(entry),
        ..Of::default()
    };
    let median = |value: &dyn Fn(&PhaseResult, &WebsocketsResult) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| {
            let phase = phase(cell, phase_name)?;
            value(phase, operation(phase, of)?.websockets.as_ref()?)
        })
    };
    let count = |count: fn(&WebsocketsResult) -> u64| median(&|_, websockets| Some(count(websockets) as f64));
    let rate = |count: fn(&WebsocketsResult) -> f64| {
        median(&|phase, websockets| Some(count(websockets) / (phase.end_s - phase.start_s)))
    };
    let p50 = |times: fn(&WebsocketsResult) -> &Quantiles| {
        ms(median(&|_, websockets| times(websockets).p50.map(|us| us as f64)))
    };
    let parts = [
        p50(|websockets| &websockets.connect_us),
        p50(|websockets| &websockets.tls_us),
        p50(|websockets| &websockets.upgrade_us),
    ];
    let open = count(|websockets| websockets.open_max)?;
    Some(vec![
        variant.to_owned(),
        entry.to_owned(),
        phase_name.to_owned(),
        number(Some(open), 0),
        number(count(|websockets| websockets.opened), 0),
        number(count(|websockets| websockets.failed), 0),
        number(count(|websockets| websockets.broken), 0),
        parts.join("/"),
        number(rate(|websockets| websockets.messages as f64), 0),
        number(rate(|websockets| websockets.bytes as f64 / 1024.0), 1),
        number(rate(|websockets| websockets.pushes as f64), 0),
        number(count(|websockets| websockets.late), 0),
        ends(run, variant, of, phase_name),
    ])
}

/// In all blocks of the variant together: a rare end is not lost in a median.
fn ends(run: &Run, variant: &str, of: Of<'_>, phase_name: &str) -> String {
    let mut ends = std::collections::BTreeMap::<&str, u64>::new();
    let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
    let phases = cells.filter_map(|cell| phase(cell, phase_name));
    for websockets in phases.filter_map(|phase| operation(phase, of)?.websockets.as_ref()) {
        for (end, count) in &websockets.ends {
            *ends.entry(end).or_default() += count;
        }
    }
    let told: Vec<String> = ends.iter().map(|(end, count)| format!("{end} {count}")).collect();
    if told.is_empty() {
        NONE.to_owned()
    } else {
        told.join(", ")
    }
}
