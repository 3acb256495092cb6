//! What each of several hosts got.

use crate::analyze::figure::{HOST, Of, figure, median_over_blocks, phase};
use crate::metric::Metric;
use crate::record::{HostResult, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::number;

/// One row for each variant, phase and host; `None` where there is one host.
pub(super) fn hosts(run: &Run) -> Option<Table> {
    let phases = shown::phases(run, |phase| phase.kind.is_judged());
    let names = &run.header.workload.hosts;
    let places = phases
        .iter()
        .flat_map(|phase| names.iter().map(move |host| (*phase, host)));
    let rows = places.flat_map(|(phase, host)| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, phase, host))
    });
    Table::new("Hosts")
        .legend("offered, got: part of the arrivals that it was to get, of the requests sent that it got · p50, p99: of ok answers, in ms")
        .columns(Kind::Key, ["phase", "host", "variant"])
        .columns(Kind::Figure, ["offered", "got", "ok/s", "p50", "p99", "failed", "conns"])
        .rows(rows)
        .unless_empty()
}

/// `None` of a phase that did not come about.
fn row(run: &Run, variant: &str, phase_name: &str, host: &str) -> Option<Vec<String>> {
    let of_host = |value: &dyn Fn(&HostResult) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| value(phase(cell, phase_name)?.hosts.get(host)?))
    };
    let operation = format!("{HOST}{host}");
    let of = Of {
        operation: Some(&operation),
        ..Of::default()
    };
    let of_requests = |metric| median_over_blocks(run, variant, |cell| figure(phase(cell, phase_name)?, metric, of));
    let offered = of_host(&|host| Some(host.share_offered * 100.0))?;
    let ms = |metric| of_requests(metric).map(|us| us / 1e3);
    let percent =
        |value: Option<f64>| value.map_or_else(|| number(None, 1), |value| format!("{} %", number(Some(value), 1)));
    Some(vec![
        phase_name.to_owned(),
        host.to_owned(),
        variant.to_owned(),
        percent(Some(offered)),
        percent(of_host(&|host| host.share.map(|share| share * 100.0))),
        number(of_requests(Metric::GoodputRate), 0),
        number(ms(Metric::ResponseP50), 2),
        number(ms(Metric::ResponseP99), 2),
        percent(of_requests(Metric::ErrorShare).map(|share| share * 100.0)),
        number(of_host(&|host| Some(host.connections.open_max as f64)), 0),
    ])
}
