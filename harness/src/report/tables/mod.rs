//! The tables of a result, as text cells; terminal and Markdown draw them. One table a file.

mod blast;
mod bystanders;
mod fanout;
mod headline;
mod joins;
mod moments;
mod phases;
mod retries;

pub(super) use phases::phases;

use crate::record::{Cell, Run};
use crate::workload::Placement;

/// A table with a title.
pub(super) struct Table {
    pub(super) title: String,
    /// What the columns mean, where their names do not say.
    pub(super) legend: &'static str,
    pub(super) headers: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The tables that every report shows, those that have anything to show.
pub(super) fn all(run: &Run) -> impl Iterator<Item = Table> {
    let tables = [
        headline::headline(run),
        retries::retries(run),
        fanout::fanout(run),
        joins::joins(run),
        bystanders::bystanders(run),
        moments::moments(run),
        blast::blast(run),
    ];
    tables.into_iter().flatten()
}

/// The variants that were run, in the workload's order.
pub(super) fn variants(run: &Run) -> Vec<&str> {
    let ran = |name: &&str| {
        run.cells
            .iter()
            .any(|cell| cell.variant == **name && !cell.phases.is_empty())
    };
    run.workload
        .variants
        .iter()
        .map(|variant| variant.name.as_str())
        .filter(ran)
        .collect()
}

/// The variant of a cell, and which of its repetitions it is where there are several.
pub(super) fn cell_name(run: &Run, cell: &Cell) -> String {
    if run.workload.repetitions > 1 {
        format!("{}, run {}", cell.variant, cell.repetition)
    } else {
        cell.variant.clone()
    }
}

/// The first repetition of a variant that was run.
pub(super) fn first_cell<'a>(run: &'a Run, variant: &str) -> Option<&'a Cell> {
    let cells = run.cells.iter().filter(|cell| cell.variant == variant);
    cells.min_by_key(|cell| cell.repetition)
}

fn placement(placement: Option<Placement>) -> &'static str {
    match placement {
        None => "–",
        Some(Placement::HotShard) => "hot shard",
        Some(Placement::OtherShards) => "other shards",
    }
}
