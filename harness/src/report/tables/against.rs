//! The headline figures of each variant over those of the first, block by block.

use crate::analyze::compare::HEADLINE;
use crate::metric::Metric;
use crate::record::{Comparison, Run};
use crate::report::shown;
use crate::report::table::{Kind, Table};
use crate::report::words::{Form, NONE, Spread, number, spread};

/// One row a figure, one column a variant; `None` where there is nothing to compare.
pub(super) fn against(run: &Run) -> Option<Table> {
    let first = run.header.workload.variants.first()?;
    let others: Vec<&str> = shown::variants(run)
        .into_iter()
        .filter(|variant| *variant != first)
        .collect();
    let rows = HEADLINE.iter().filter_map(|metric| {
        let ratios: Vec<Option<&Comparison>> = others.iter().map(|variant| of(run, variant, *metric)).collect();
        let any = ratios
            .iter()
            .any(|ratio| ratio.is_some_and(|ratio| ratio.ratio.is_some()));
        let cells = ratios.into_iter().map(|ratio| ratio.map_or(NONE.to_owned(), compared));
        any.then(|| std::iter::once(figure_name(*metric).to_owned()).chain(cells).collect())
    });
    let (phase, entry) = shown::headline(run)?;
    Table::new(format!("Against `{first}`: {} in phase `{}`", entry.name, phase.name))
        .legend(legend(first, run.header.workload.blocks))
        .columns(Kind::Key, ["figure"])
        .columns(Kind::Figure, others.iter().map(|variant| (*variant).to_owned()))
        .rows(rows)
        .unless_empty()
}

fn legend(first: &str, blocks: u32) -> String {
    let over = format!("the figure over that of {first} in the same block");
    match blocks {
        0 | 1 => format!("{over} · one draw: one block has no interval"),
        2 => format!("{over}, geometric mean · two draws: two blocks have no interval"),
        _ => format!("{over}: geometric mean, and [ ] its 95 % t interval over n blocks"),
    }
}

/// The same of a variant against itself: what two identical builds differ by.
pub(super) fn noise_floor(run: &Run) -> Option<Table> {
    let rows = HEADLINE.iter().flat_map(|metric| {
        let all = run
            .comparisons
            .iter()
            .filter(|compared| compared.metric == metric.name());
        all.filter(|one| one.ratio.is_some()).map(|one| {
            vec![
                figure_name(*metric).to_owned(),
                compared(one),
                half_width(one).map_or(NONE.to_owned(), |half| format!("± {} %", number(Some(half * 100.0), 1))),
            ]
        })
    });
    let (phase, entry) = shown::headline(run)?;
    Table::new(format!("Noise floor: {} in phase `{}`", entry.name, phase.name))
        .legend(
            "a variant over itself in the same block: geometric mean, and [ ] its 95 % t interval over n blocks · half-width: smaller \
             differences cannot be told from noise",
        )
        .columns(Kind::Key, ["figure"])
        .columns(Kind::Figure, ["ratio", "half-width"])
        .rows(rows)
        .unless_empty()
}

/// Half of the interval on the scale of logarithms, as a part of one.
fn half_width(compared: &Comparison) -> Option<f64> {
    let (low, high) = (compared.low?, compared.high?);
    Some((high / low).sqrt() - 1.0)
}

fn of<'a>(run: &'a Run, variant: &str, metric: Metric) -> Option<&'a Comparison> {
    let mut all = run.comparisons.iter();
    all.find(|compared| compared.variant == variant && compared.metric == metric.name())
}

/// `5.42 x [4.90–6.01] n=5`, `5.42 x one draw`, `5.42 x two draws`.
fn compared(one: &Comparison) -> String {
    let ratio = one.ratio.map(|centre| Spread {
        centre,
        ends: one.low.zip(one.high),
    });
    let text = spread(ratio, Form::Ratio);
    match (one.ratio, one.low, one.n) {
        (None, ..) => text,
        (_, Some(_), n) => format!("{text} n={n}"),
        (_, None, 1) => format!("{text} one draw"),
        (_, None, 2) => format!("{text} two draws"),
        (_, None, n) => format!("{text} n={n}"),
    }
}

/// A headline figure as the tables call it.
fn figure_name(metric: Metric) -> &'static str {
    match metric {
        Metric::GoodputRate => "ok/s",
        Metric::ResponseP50 => "p50",
        Metric::ResponseP99 => "p99",
        Metric::ServerCpuPerRequest => "CPU per answer",
        Metric::DatabaseCpu => "DB CPU",
        other => other.name(),
    }
}
