//! How far each fault reached.

use super::{Table, cell_name};
use crate::record::{Cell, FaultResult, Run, ShardBlast};
use crate::report::words::{ms, number, percent};

/// One row for each cell, fault and shard; `None` where nothing was broken.
pub(super) fn blast(run: &Run) -> Option<Table> {
    let rows: Vec<Vec<String>> = run.cells.iter().flat_map(|cell| cell_rows(run, cell)).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Blast radius, before the fault → during it".to_owned(),
        legend: "p99: response time of ok answers in ms, and how many times that before · not ok: refused, failed or unsent · \
                 fails fast: seconds into the fault from which on calls to the sick shard are answered within 100 ms, whatever the \
                 answer · recovered: seconds after its end until the shard is as before · lost: acknowledged writes of the whole cell that are \
                 not there",
        headers: vec![
            "variant", "fault", "shard", "", "p99", "times", "not ok", "fails fast", "recovered", "lost",
        ],
        rows,
    })
}

fn cell_rows(run: &Run, cell: &Cell) -> Vec<Vec<String>> {
    let faults = cell.faults.iter().zip(1..);
    faults
        .flat_map(|(fault, number)| {
            let name = format!("{number} {}", fault.kind);
            fault_rows(fault)
                .into_iter()
                .map(move |figures| [vec![cell_name(run, cell), name.clone()], figures].concat())
        })
        .collect()
}

/// What belongs to the fault as a whole is told once: beside the sick shard, or beside the first.
fn fault_rows(fault: &FaultResult) -> Vec<Vec<String>> {
    let blast = &fault.blast;
    let lost = number(blast.acknowledged_lost.map(|lost| lost as f64), 0);
    let has_sick = blast.shards.iter().any(|shard| shard.sick);
    let seconds = |value: Option<f64>, never: &str| match value {
        _ if !has_sick => "–".to_owned(),
        Some(value) => format!("{value:.1} s"),
        None => never.to_owned(),
    };
    let whole = [
        seconds(blast.fail_fast_s, "never"),
        seconds(blast.recovered_s, "not in the run"),
        lost,
    ];
    if blast.shards.is_empty() {
        return vec![[vec!["–".to_owned(); 5], whole.to_vec()].concat()];
    }
    let told_beside = blast.shards.iter().position(|shard| shard.sick).unwrap_or(0);
    let shards = blast.shards.iter().enumerate();
    shards
        .map(|(place, shard)| {
            let whole = if place == told_beside {
                whole.clone()
            } else {
                Default::default()
            };
            [shard_figures(shard), whole.to_vec()].concat()
        })
        .collect()
}

fn shard_figures(shard: &ShardBlast) -> Vec<String> {
    let us = |value: Option<u64>| ms(value.map(|us| us as f64));
    let part = |value: Option<f64>| value.map_or("–".to_owned(), percent);
    let times = shard
        .p99_ratio()
        .map_or("–".to_owned(), |ratio| format!("{ratio:.1} x"));
    vec![
        shard.shard.to_string(),
        if shard.sick { "SICK" } else { "" }.to_owned(),
        format!("{} → {}", us(shard.p99_before_us), us(shard.p99_during_us)),
        times,
        format!("{} → {}", part(shard.error_rate_before), part(shard.error_rate_during)),
    ]
}
