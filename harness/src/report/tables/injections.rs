//! What was changed and what was broken on purpose.

use crate::record::{Cell, ChangeResult, FaultResult, Run};
use crate::report::shown::cell_name;
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, number};

/// One row for each change and fault; `None` where there were none.
pub(super) fn injections(run: &Run) -> Option<Table> {
    let of_cells = |rows: fn(&Cell) -> Vec<Vec<String>>| {
        run.cells
            .iter()
            .flat_map(move |cell| rows(cell).into_iter().map(move |row| (cell, row)))
    };
    Table::new("Changed and broken on purpose")
        .legend("from, to: seconds of the cell")
        .columns(Kind::Key, ["variant", "phase"])
        .columns(Kind::Figure, ["from", "to"])
        .columns(Kind::Text, ["what", "came of it"])
        .rows(merged(run, of_cells(changes).chain(of_cells(faults))))
        .unless_empty()
}

/// Blocks of a variant in which the same happened at the same time share a row.
fn merged<'a>(run: &Run, rows: impl Iterator<Item = (&'a Cell, Vec<String>)>) -> Vec<Vec<String>> {
    let mut merged: Vec<(&Cell, Vec<String>, Vec<u32>)> = Vec::new();
    for (cell, row) in rows {
        let same = merged
            .iter_mut()
            .find(|(first, known, _)| first.header.variant == cell.header.variant && *known == row);
        match same {
            Some((_, _, blocks)) => blocks.push(cell.header.block),
            None => merged.push((cell, row, vec![cell.header.block])),
        }
    }
    // Cells run in another order in each block; a reader expects the workload's.
    let variants = &run.header.workload.variants;
    merged.sort_by_key(|(cell, ..)| variants.iter().position(|name| *name == cell.header.variant));
    let named = merged.into_iter().map(|(cell, row, blocks)| {
        let name = match &blocks[..] {
            [_] => cell_name(run, cell),
            several if several.len() == run.header.workload.blocks as usize => cell.header.variant.clone(),
            several => {
                let blocks: Vec<String> = several.iter().map(u32::to_string).collect();
                format!("{}, blocks {}", cell.header.variant, blocks.join(", "))
            }
        };
        [vec![name], row].concat()
    });
    named.collect()
}

fn changes(cell: &Cell) -> Vec<Vec<String>> {
    let row = |change: &ChangeResult| {
        let done = match (&change.problem, change.revision) {
            (Some(problem), _) => format!("not made: {problem}"),
            (None, Some(revision)) => format!("in force as revision {revision}"),
            (None, None) => "in force".to_owned(),
        };
        let settings = serde_json::to_string(&change.settings).unwrap_or_default();
        let settings = settings.replace(',', ", ").replace("\":", "\": ");
        row(
            cell,
            (change.at_s, change.applied_s),
            format!("settings {settings}"),
            done,
        )
    };
    cell.changes.iter().map(row).collect()
}

fn faults(cell: &Cell) -> Vec<Vec<String>> {
    let row = |fault: &FaultResult| {
        let done = match (&fault.problem, fault.end_s) {
            (Some(problem), _) => format!("failed: {problem}"),
            (None, Some(_)) => "undone".to_owned(),
            (None, None) => "not undone".to_owned(),
        };
        let what = format!("{} ({})", fault.kind, fault.target);
        row(
            cell,
            (fault.start_s.unwrap_or(fault.planned_s), fault.end_s),
            what,
            done,
        )
    };
    cell.faults.iter().map(row).collect()
}

fn row(cell: &Cell, (from_s, to_s): (f64, Option<f64>), what: String, done: String) -> Vec<String> {
    let phase = cell.phases.iter().rfind(|phase| phase.start_s <= from_s);
    vec![
        phase.map_or(NONE.to_owned(), |phase| phase.name.clone()),
        number(Some(from_s), 1),
        number(to_s, 1),
        what,
        done,
    ]
}
