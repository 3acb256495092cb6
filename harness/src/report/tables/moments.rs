//! What was changed and what was broken on purpose.

use super::Table;
use crate::record::Run;
use crate::report::words::number;

/// One row for each change and fault; `None` where there were none.
pub(super) fn moments(run: &Run) -> Option<Table> {
    let changes = run
        .cells
        .iter()
        .flat_map(|cell| cell.changes.iter().map(move |change| (cell, change)));
    let changes = changes.map(|(cell, change)| {
        let done = match (&change.problem, change.revision) {
            (Some(problem), _) => format!("not made: {problem}"),
            (None, revision) => format!("in force as revision {}", revision.unwrap_or(0)),
        };
        let settings = serde_json::to_string(&change.settings).unwrap_or_default();
        (
            cell,
            change.at_s,
            change.applied_s,
            format!("settings {settings}"),
            done,
        )
    });
    let faults = run
        .cells
        .iter()
        .flat_map(|cell| cell.faults.iter().map(move |fault| (cell, fault)));
    let faults = faults.map(|(cell, fault)| {
        let done = match (&fault.problem, fault.end_s) {
            (Some(problem), _) => format!("failed: {problem}"),
            (None, Some(_)) => "undone".to_owned(),
            (None, None) => "not undone".to_owned(),
        };
        (
            cell,
            fault.start_s,
            fault.end_s,
            format!("{} ({})", fault.kind, fault.target),
            done,
        )
    });
    let rows: Vec<Vec<String>> = changes
        .chain(faults)
        .map(|(cell, from_s, to_s, what, done)| {
            let phase = cell.phases.iter().rfind(|phase| phase.start_s <= from_s);
            vec![
                cell.variant.clone(),
                phase.map_or("–".to_owned(), |phase| phase.name.clone()),
                number(Some(from_s), 1),
                number(to_s, 1),
                what,
                done,
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Changed and broken on purpose".to_owned(),
        legend: "from, to: seconds of the cell",
        headers: vec!["variant", "phase", "from", "to", "what", "came of it"],
        rows,
    })
}
