//! The result on a terminal.

use std::fmt::Write as _;

use super::judgements::{self, Judged};
use super::layout::{columns, drawn, folded};
use super::table::Table;
use super::{connection_axis, jump, notes, tables, timeline, verdict};
use crate::record::Run;

/// More notes than this are in `report.md` only.
const NOTES_MAX: usize = 12;

/// The whole result, as wide as the terminal behind standard output.
#[must_use]
pub fn terminal(run: &Run) -> String {
    terminal_of(run, columns(std::io::stdout()))
}

/// The tables, the time axes, a line for each gate and expectation, what to beware of, and the verdict, in lines of at
/// most `columns`.
#[must_use]
pub fn terminal_of(run: &Run, columns: usize) -> String {
    let workload = &run.header.workload;
    let mut text = folded(&format!("{}: {}", workload.name, workload.question.trim()), columns);
    text.push('\n');
    for table in tables::all(run) {
        write_table(&mut text, &table, columns);
    }
    let timelines = timeline::timelines(run, columns);
    for drawing in &timelines {
        let _ = write!(text, "\n{drawing}");
    }
    if !timelines.is_empty() {
        let _ = writeln!(text, "{}", folded(timeline::LEGEND, columns));
    }
    let connections = connection_axis::drawings(run, columns);
    for drawing in &connections {
        let _ = write!(text, "\n{drawing}");
    }
    if !connections.is_empty() {
        let _ = writeln!(text, "{}", folded(connection_axis::LEGEND, columns));
    }
    for told in jump::would_have_passed(run) {
        let _ = writeln!(text, "\n{}", folded(&told, columns));
    }
    for (judged, gates) in [(Judged::Gates, &run.gates), (Judged::Expectations, &run.expectations)] {
        if !gates.is_empty() {
            let _ = writeln!(text, "\n{}", folded(judged.title(), columns));
        }
        for gate in gates {
            let _ = writeln!(text, "{}", folded(&judgements::line(judged, gate), columns));
        }
    }
    let notes = notes::notes(run);
    for note in notes.iter().take(NOTES_MAX) {
        let _ = writeln!(text, "\n{}", folded(&format!("note: {note}"), columns));
    }
    if notes.len() > NOTES_MAX {
        let _ = writeln!(text, "\n{} more notes are in report.md", notes.len() - NOTES_MAX);
    }
    let _ = writeln!(text, "\n{}", folded(&verdict::verdict(run), columns));
    for reason in verdict::reasons(run) {
        let _ = writeln!(text, "{}", folded(&format!("  - {reason}"), columns));
    }
    text
}

fn write_table(text: &mut String, table: &Table, columns: usize) {
    let _ = writeln!(text, "\n{}\n{}", folded(&table.title, columns), drawn(table, columns));
    for footnote in &table.footnotes {
        let _ = writeln!(text, "{}", folded(footnote, columns));
    }
    if !table.legend.is_empty() {
        let _ = writeln!(text, "{}", folded(&table.legend, columns));
    }
}
