//! Connections side by side: the generator's, those of the push component, and those to the databases.

use crate::analyze::figure::{median_over_blocks, phase};
use crate::record::{ClientSide, PhaseResult, Quantiles, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{ms, number};

/// Whose connections a row is about: its name, and where its figures are.
type Side = (&'static str, fn(&PhaseResult) -> Option<Seen>);

const SIDES: [Side; 3] = [
    ("generator", |phase| Some(generator(phase))),
    ("push component", push),
    ("databases", databases),
];

/// What there is to say of the connections of one side in one phase. Times are in microseconds.
#[derive(Default)]
struct Seen {
    opened: Option<f64>,
    open_end: Option<f64>,
    most: Option<f64>,
    requests: Option<f64>,
    failed: Option<f64>,
    refused: Option<f64>,
    opening: Option<f64>,
    request: Option<f64>,
    resumed: Option<f64>,
    longest: Option<f64>,
    tcp: Option<f64>,
    tls: Option<f64>,
    upgrade: Option<f64>,
}

/// A column: its name, its figure, and how it is printed.
type Column = (&'static str, fn(&Seen) -> Option<f64>, fn(Option<f64>) -> String);

const COLUMNS: [Column; 8] = [
    ("opened", |seen| seen.opened, count),
    ("open", |seen| seen.open_end, count),
    ("most", |seen| seen.most, count),
    (
        "per conn",
        |seen| {
            let opened = seen.opened.filter(|opened| *opened > 0.0)?;
            Some(seen.requests? / opened)
        },
        |figure| number(figure, 1),
    ),
    ("failed", |seen| seen.failed, count),
    ("refused", |seen| seen.refused, count),
    ("opening", |seen| seen.opening, ms),
    ("request", |seen| seen.request, ms),
];

/// What opening a connection consists of, where it is more than a TCP handshake.
const PARTS: [Column; 5] = [
    ("longest", |seen| seen.longest, ms),
    ("TCP", |seen| seen.tcp, ms),
    ("TLS", |seen| seen.tls, ms),
    ("HTTP/2", |seen| seen.upgrade, ms),
    ("resumed", |seen| seen.resumed, count),
];

/// One row for each phase, variant and side; `None` where no connection was encrypted or spoke HTTP/2, and there is no
/// push component.
pub(super) fn connections(run: &Run) -> Option<Table> {
    let phases = shown::phases(run, |phase| phase.kind.is_judged());
    let all = || run.cells.iter().flat_map(|cell| &cell.phases);
    let has_parts = all().any(|phase| has_parts(&phase.connections.client));
    let has_push = all().any(|phase| phase.connections.push.is_some());
    if !has_parts && !has_push {
        return None;
    }
    let columns: Vec<Column> = COLUMNS
        .into_iter()
        .chain(PARTS.into_iter().filter(|_| has_parts))
        .collect();
    let mut rows = Vec::new();
    for phase in phases {
        for variant in variants(run) {
            let of_sides = SIDES.into_iter();
            rows.extend(of_sides.filter_map(|side| row(run, (phase, variant), side, &columns)));
        }
    }
    let parts = if has_parts {
        " · longest: opening took at most · TCP, TLS, HTTP/2: parts of opening, means · resumed: TLS sessions"
    } else {
        ""
    };
    Table::new("Connections")
        .legend(format!(
            "opened, failed: in the phase · open: at its end · most: open at once · per conn: requests for each connection opened · refused: by \
             the peer; of the generator HTTP/2 streams, of the push component by the gateway's count · opening: from the first packet until a \
             request could be written, mean, ms · request: mean, ms; against opening · databases: all of their clients, the observer included\
             {parts}"
        ))
        .columns(Kind::Key, ["phase", "variant", "of"])
        .columns(Kind::Figure, columns.iter().map(|(name, ..)| *name))
        .rows(rows)
        .unless_empty()
}

fn has_parts(client: &ClientSide) -> bool {
    client.tls_us.count + client.upgrade_us.count > 0
}

/// `None` of a phase that did not come about, and of a side that nobody saw.
fn row(run: &Run, (phase_name, variant): (&str, &str), (side, seen): Side, columns: &[Column]) -> Option<Vec<String>> {
    let median = |figure: fn(&Seen) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| figure(&seen(phase(cell, phase_name)?)?))
    };
    median(|seen| seen.opened)?;
    let keys = [phase_name, variant, side].map(str::to_owned);
    let figures = columns.iter().map(|(_, figure, shown)| shown(median(*figure)));
    Some(keys.into_iter().chain(figures).collect())
}

fn generator(phase: &PhaseResult) -> Seen {
    let client = &phase.connections.client;
    let sent: u64 = phase.requests().map(|operation| operation.sent).sum();
    Seen {
        opened: Some(client.opened as f64),
        open_end: None,
        most: Some(client.open_max as f64),
        requests: Some(sent as f64),
        failed: Some(client.failed as f64),
        refused: Some(client.streams_refused as f64),
        opening: client.handshake_us.mean,
        request: service_mean(phase),
        resumed: Some(client.resumed as f64),
        longest: client.handshake_us.max.map(|us| us as f64),
        tcp: client.connect_us.mean,
        tls: client.tls_us.mean,
        upgrade: client.upgrade_us.mean,
    }
}

/// Mean service time of all answers.
fn service_mean(phase: &PhaseResult) -> Option<f64> {
    let all = phase.requests().filter_map(|operation| operation.service_us.get("all"));
    let sum_of = |of: &Quantiles| Some((of.count as f64, of.mean? * of.count as f64));
    let sums = all.filter_map(sum_of);
    let (count, sum) = sums.fold((0.0, 0.0), |(count, sum), (n, us)| (count + n, sum + us));
    (count > 0.0).then(|| sum / count)
}

fn push(phase: &PhaseResult) -> Option<Seen> {
    let push = phase.connections.push.as_ref()?;
    let opening = push.tcp_us.map(|tcp| tcp + push.tls_us.unwrap_or(0.0));
    Some(Seen {
        opened: Some(push.opened as f64),
        open_end: push.open_end.map(|open| open as f64),
        most: push.open_max.map(|most| most as f64),
        requests: Some(push.requests as f64),
        failed: Some(push.failed as f64),
        refused: push.refused.map(|refused| refused as f64),
        opening,
        request: push.request_us,
        tcp: push.tcp_us,
        tls: push.tls_us,
        ..Seen::default()
    })
}

fn databases(phase: &PhaseResult) -> Option<Seen> {
    let database = phase.connections.database.as_ref()?;
    let counted = database.counted.as_ref()?;
    Some(Seen {
        opened: Some(counted.opened as f64),
        open_end: counted.open_end.map(|open| open as f64),
        most: database.open_max.map(|most| most as f64),
        requests: Some(counted.requests as f64),
        failed: Some(counted.failed as f64),
        refused: Some(counted.refused as f64),
        ..Seen::default()
    })
}

fn count(figure: Option<f64>) -> String {
    number(figure, 0)
}
