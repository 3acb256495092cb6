//! Who else was degraded.

use crate::analyze::bystanders::{self, Bystander, Harm};
use crate::record::Run;
use crate::report::shown::{placement, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{ms, percent};

/// One row for each variant, bystander and placement.
pub(super) fn bystanders(run: &Run) -> Option<Table> {
    let rows = variants(run).into_iter().flat_map(|variant| {
        let all = bystanders::of_variant(run, variant).into_iter();
        all.map(move |bystander| bystander_row(variant, &bystander))
    });
    Table::new("Bystanders, before the spike → during it")
        .legend(
            "p99: response time of ok answers in ms, the median block's · not ok: rejected, failed or unsent · unknown: slow or disturbed \
             before the spike already, or too few answers",
        )
        .columns(Kind::Key, ["variant", "operation", "lives on"])
        .columns(Kind::Text, [""])
        .columns(Kind::Figure, ["p99", "not ok"])
        .rows(rows)
        .unless_empty()
}

fn bystander_row(variant: &str, bystander: &Bystander) -> Vec<String> {
    let us = |value: Option<u64>| ms(value.map(|us| us as f64));
    vec![
        variant.to_owned(),
        bystander.operation.clone(),
        placement(bystander.placement).to_owned(),
        harm(bystander),
        format!("{} → {}", us(bystander.p99_before_us), us(bystander.p99_during_us)),
        format!(
            "{} → {}",
            percent(bystander.errors_before),
            percent(bystander.errors_during)
        ),
    ]
}

/// `DEGRADED`, or with several blocks `DEGRADED in 3 of 5 blocks`.
fn harm(bystander: &Bystander) -> String {
    let word = match bystander.harm {
        Harm::Degraded => "DEGRADED",
        Harm::Unaffected => "unaffected",
        Harm::Unknown => "unknown",
    };
    match (bystander.degraded, bystander.blocks) {
        (_, 0 | 1) => word.to_owned(),
        (degraded, blocks) if bystander.harm == Harm::Degraded => format!("{word} in {degraded} of {blocks} blocks"),
        (0, _) => word.to_owned(),
        (degraded, blocks) => format!("{word}, degraded in {degraded} of {blocks} blocks"),
    }
}
