//! Who else suffered.

use super::{Table, placement, variants};
use crate::analyze::bystanders::{self, Bystander};
use crate::record::Run;
use crate::report::words::{ms, percent};

/// One row for each variant, bystander and placement.
pub(super) fn bystanders(run: &Run) -> Option<Table> {
    let rows: Vec<Vec<String>> = variants(run)
        .into_iter()
        .flat_map(|variant| {
            bystanders::of_variant(run, variant)
                .into_iter()
                .map(move |bystander| bystander_row(variant, &bystander))
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "bystanders, before the spike → during it".to_owned(),
        legend: "p99: response time of ok answers in ms · not ok: refused, failed or unsent",
        headers: vec!["variant", "operation", "lives on", "p99", "not ok", ""],
        rows,
    })
}

fn bystander_row(variant: &str, bystander: &Bystander) -> Vec<String> {
    let us = |value: Option<u64>| ms(value.map(|us| us as f64));
    vec![
        variant.to_owned(),
        bystander.operation.clone(),
        placement(bystander.placement).to_owned(),
        format!("{} → {}", us(bystander.p99_before_us), us(bystander.p99_during_us)),
        format!(
            "{} → {}",
            percent(bystander.errors_before),
            percent(bystander.errors_during)
        ),
        if bystander.suffered { "SUFFERED" } else { "unharmed" }.to_owned(),
    ]
}
