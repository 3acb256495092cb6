//! The generator's connections, where opening one is more than a TCP handshake.

use crate::analyze::figure::{median_over_blocks, phase};
use crate::record::{ClientSide, Quantiles, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{ms, number};

/// One row for each phase and variant; `None` where no connection was encrypted or spoke HTTP/2.
pub(super) fn connections(run: &Run) -> Option<Table> {
    let phases = shown::phases(run, |phase| phase.kind.is_judged());
    let mut all = run.cells.iter().flat_map(|cell| &cell.phases);
    if !all.any(|phase| has_parts(&phase.connections.client)) {
        return None;
    }
    let rows = phases.iter().flat_map(|phase| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, phase))
    });
    Table::new("Connections")
        .legend(
            "opened, refused: connections, and HTTP/2 streams that the server refused, in the phase · most: open at once · until usable: from the \
             first packet until a request could be written, of which TCP, TLS and HTTP/2 are parts; means in ms, but for the longest",
        )
        .columns(Kind::Key, ["phase", "variant"])
        .columns(
            Kind::Figure,
            ["opened", "most", "resumed", "refused", "until usable", "longest", "TCP", "TLS", "HTTP/2"],
        )
        .rows(rows)
        .unless_empty()
}

fn has_parts(client: &ClientSide) -> bool {
    client.tls_us.count + client.upgrade_us.count > 0
}

/// `None` of a phase that did not come about.
fn row(run: &Run, variant: &str, phase_name: &str) -> Option<Vec<String>> {
    let median = |value: &dyn Fn(&ClientSide) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| value(&phase(cell, phase_name)?.connections.client))
    };
    let count = |value: fn(&ClientSide) -> u64| number(median(&|client| Some(value(client) as f64)), 0);
    let mean = |value: fn(&ClientSide) -> &Quantiles| ms(median(&|client| value(client).mean));
    median(&|client| Some(client.opened as f64))?;
    Some(vec![
        phase_name.to_owned(),
        variant.to_owned(),
        count(|client| client.opened),
        count(|client| client.open_max),
        count(|client| client.resumed),
        count(|client| client.streams_refused),
        mean(|client| &client.handshake_us),
        ms(median(&|client| client.handshake_us.max.map(|us| us as f64))),
        mean(|client| &client.connect_us),
        mean(|client| &client.tls_us),
        mean(|client| &client.upgrade_us),
    ])
}
