//! The tables of a result, as text cells; terminal and Markdown draw them. One table a file.

mod bystanders;
mod fanout;
mod headline;
mod moments;
mod phases;

pub(super) use phases::phases;

use crate::record::Run;
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
        fanout::fanout(run),
        bystanders::bystanders(run),
        moments::moments(run),
    ];
    tables.into_iter().flatten()
}

/// The variants that were run, in the workload's order.
fn variants(run: &Run) -> Vec<&str> {
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

fn placement(placement: Option<Placement>) -> &'static str {
    match placement {
        None => "–",
        Some(Placement::HotShard) => "hot shard",
        Some(Placement::OtherShards) => "other shards",
    }
}
