//! How events reached the members who were online.

use crate::analyze::figure::{Of, figure, median_over_blocks, phase};
use crate::arrival::PhaseKind;
use crate::metric::Metric;
use crate::record::{Fanout, PhaseResult, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row a variant and phase; `None` where nobody was.
pub(super) fn fanout(run: &Run) -> Option<Table> {
    let names = shown::phases(run, |phase| {
        phase.fanout.is_some() && (phase.kind.is_judged() || phase.kind == PhaseKind::Settle)
    });
    let has_databases = shown::phases(run, |phase| phase.contention.is_some());
    let has_databases = !has_databases.is_empty();
    let rows = names.iter().flat_map(|name| {
        let variants = variants(run).into_iter();
        variants.map(move |variant| {
            let mut row = fanout_row(run, variant, name);
            if has_databases {
                row.extend(databases(run, variant, name));
            }
            row
        })
    });
    let of_databases = ["SQL/s", "CPU"].into_iter().filter(|_| has_databases);
    let legend = if has_databases {
        " · SQL/s, CPU: statements and cores of all shards"
    } else {
        ""
    };
    Table::new("Fan-out to members who are online")
        .legend(format!(
            "msgs: acknowledged messages to the followed chats, per second · per msg: fetches for each; as many as members are online if each \
             fetches each message by itself · dropped: part of the pushes that throttling dropped · p50, p99: time from a message's intended \
             send until a member has it, ms; a message that never arrived is later than all · missing: pairs of a message and a member in \
             which it never arrived · stale: members that lack an old message at the end of the phase · lag: most records that the publish \
             role was behind{legend}",
        ))
        .columns(Kind::Key, ["variant", "phase"])
        .columns(
            Kind::Figure,
            [
                "msgs", "per msg", "fetch/s", "push/s", "dropped", "p50", "p99", "missing", "stale", "lag",
            ],
        )
        .columns(Kind::Figure, of_databases)
        .rows(rows)
        .unless_empty()
}

fn fanout_row(run: &Run, variant: &str, phase_name: &str) -> Vec<String> {
    let median = |value: &dyn Fn(&PhaseResult, &Fanout) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| {
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
        dropped.map_or(NONE.to_owned(), percent),
        ms(median(&|_, fanout| fanout.freshness_us.p50.map(|us| us as f64))),
        ms(median(&|_, fanout| fanout.freshness_us.p99.map(|us| us as f64))),
        median(&|_, fanout| fanout.missing_share).map_or(NONE.to_owned(), percent),
        number(
            median(&|_, fanout| fanout.stale_members_end.map(|members| members as f64)),
            0,
        ),
        number(
            median(&|_, fanout| Some(fanout.server.as_ref()?.lag_records_max? as f64)),
            0,
        ),
    ]
}

/// Statements per second, and cores.
fn databases(run: &Run, variant: &str, phase_name: &str) -> [String; 2] {
    let median = |value: &dyn Fn(&PhaseResult) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| {
            let phase = phase(cell, phase_name).filter(|phase| phase.fanout.is_some())?;
            value(phase)
        })
    };
    let statements = median(&|phase| {
        let statements = phase.contention.as_ref()?.statements?;
        Some(statements as f64 / (phase.end_s - phase.start_s))
    });
    let cpu = median(&|phase| figure(phase, Metric::DatabaseCpu, Of::default()));
    [number(statements, 0), number(cpu, 2)]
}
