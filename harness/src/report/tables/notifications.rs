//! What became of notifications.

use crate::analyze::figure::{median_over_blocks, phase};
use crate::record::{Notifications, PhaseResult, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{ms, number};

/// One row a variant and judged phase; `None` where no server had a push component.
pub(super) fn notifications(run: &Run) -> Option<Table> {
    let names = shown::phases(run, |phase| phase.notifications.is_some() && phase.kind.is_judged());
    let rows = names.iter().flat_map(|name| {
        let notifies = |variant: &&str| median(run, variant, name, |_, _| Some(0.0)).is_some();
        let row = move |variant| row(run, variant, name);
        variants(run).into_iter().filter(notifies).map(row).collect::<Vec<_>>()
    });
    Table::new("Notifications")
        .legend(
            "enqueued, delivered: per second · dropped, unknown: in the phase; unknown ones were sent and not answered · waiting: most queued or \
             under way at once · p50, p99: from the queue to the delivery, ms, linear within a bucket of the server's histogram · breaker: times \
             that one opened · over: seconds in which the gateway's connections took more memory than its budget",
        )
        .columns(Kind::Key, ["variant", "phase"])
        .columns(
            Kind::Figure,
            [
                "enqueued", "delivered", "dropped", "unknown", "waiting", "p50", "p99", "breaker", "over",
            ],
        )
        .rows(rows)
        .unless_empty()
}

fn median(
    run: &Run,
    variant: &str,
    name: &str,
    value: impl Fn(&PhaseResult, &Notifications) -> Option<f64>,
) -> Option<f64> {
    median_over_blocks(run, variant, |cell| {
        let phase = phase(cell, name)?;
        value(phase, phase.notifications.as_ref()?)
    })
}

fn row(run: &Run, variant: &str, name: &str) -> Vec<String> {
    let rate = |count: fn(&Notifications) -> u64| {
        let per_second =
            |phase: &PhaseResult, seen: &Notifications| Some(count(seen) as f64 / (phase.end_s - phase.start_s));
        number(median(run, variant, name, per_second), 0)
    };
    let count = |count: fn(&Notifications) -> Option<u64>| {
        let counted = |_: &PhaseResult, seen: &Notifications| count(seen).map(|count| count as f64);
        number(median(run, variant, name, counted), 0)
    };
    let over = |phase: &PhaseResult, _: &Notifications| {
        let gateway = phase.connections.push.as_ref()?.gateway.as_ref()?;
        Some(gateway.over_budget_s)
    };
    vec![
        variant.to_owned(),
        name.to_owned(),
        rate(|seen| seen.all.enqueued),
        rate(|seen| seen.all.delivered),
        count(|seen| Some(seen.all.dropped)),
        count(|seen| Some(seen.all.unknown)),
        count(|seen| seen.all.waiting_max),
        ms(median(run, variant, name, |_, seen| seen.delay_us.p50)),
        ms(median(run, variant, name, |_, seen| seen.delay_us.p99)),
        count(|seen| Some(seen.breaker_opened)),
        number(median(run, variant, name, over), 1),
    ]
}
