//! Who else was degraded.

use crate::analyze::bystanders::{self, Bystander, Harm};
use crate::record::Run;
use crate::report::shown::{placement, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, percent};

/// One row for each variant, bystander and placement.
pub(super) fn bystanders(run: &Run) -> Option<Table> {
    let rows = variants(run)
        .into_iter()
        .flat_map(|variant| rows_of(variant, &bystanders::of_variant(run, variant)));
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

/// Those of whom nothing is known share a row, or short runs show little else.
fn rows_of(variant: &str, all: &[Bystander]) -> Vec<Vec<String>> {
    let (silent, telling): (Vec<&Bystander>, Vec<&Bystander>) = all.iter().partition(|bystander| is_silent(bystander));
    let mut rows: Vec<Vec<String>> = telling
        .iter()
        .map(|bystander| bystander_row(variant, bystander))
        .collect();
    match silent[..] {
        [] => {}
        [one] => rows.push(bystander_row(variant, one)),
        [..] => {
            let mut operations: Vec<&str> = silent.iter().map(|bystander| bystander.operation.as_str()).collect();
            operations.dedup();
            let row = [variant, &operations.join(", "), NONE, "unknown", NONE, "0 % → 0 %"];
            rows.push(row.map(str::to_owned).to_vec());
        }
    }
    rows
}

fn is_silent(bystander: &Bystander) -> bool {
    bystander.harm == Harm::Unknown
        && bystander.p99_before_us.is_none()
        && bystander.p99_during_us.is_none()
        && bystander.errors_before == 0.0
        && bystander.errors_during == 0.0
        && bystander.degraded == 0
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
