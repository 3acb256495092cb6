//! The result on a terminal of 120 columns.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle};

use super::tables::{self, Table};
use super::{timeline, words};
use crate::record::Run;

const COLUMNS: u16 = 120;

/// The tables, the time axes, a line for each gate, what to beware of, and the verdict.
#[must_use]
pub fn terminal(run: &Run) -> String {
    let mut text = folded(&format!("{}: {}", run.workload.name, run.workload.question.trim()));
    text.push('\n');
    for table in tables::all(run) {
        let _ = writeln!(text, "\n{}\n{}", table.title, drawn(&table));
        let _ = writeln!(text, "{}", folded(table.legend));
    }
    let timelines = timeline::timelines(run);
    for drawing in &timelines {
        let _ = write!(text, "\n{drawing}");
    }
    if !timelines.is_empty() {
        let _ = writeln!(text, "{}", folded(timeline::LEGEND));
    }
    if !run.gates.is_empty() {
        text.push('\n');
    }
    for gate in &run.gates {
        let line = format!(
            "{} {} · {} · {}: {} ({})",
            if gate.passed { "PASS" } else { "FAIL" },
            gate.variant,
            gate.phase,
            gate.name,
            gate.actual.as_deref().unwrap_or("no data"),
            gate.limit,
        );
        let _ = writeln!(text, "{}", folded(&line));
    }
    for warning in warnings(run) {
        let _ = writeln!(text, "\n{}", folded(&format!("note: {warning}")));
    }
    let _ = write!(text, "\n{}\n", words::verdict(run));
    text
}

/// Warnings of the run and of its cells, each with the cell it is about.
pub(super) fn warnings(run: &Run) -> Vec<String> {
    let cells = run.cells.iter().flat_map(|cell| {
        let early = cell.ended_early.iter().map(|reason| format!("ended early: {reason}"));
        let all = cell.warnings.iter().cloned().chain(early);
        all.map(|warning| format!("{} (run {}): {warning}", cell.variant, cell.repetition))
    });
    let costs = run
        .cells
        .iter()
        .filter_map(|cell| cell.observer.as_ref()?.database_share);
    let observing = costs.max_by(f64::total_cmp).map(|most| {
        format!(
            "observing took {:.1} % of one core from the databases, in the variant where it took most",
            most * 100.0
        )
    });
    run.warnings.iter().cloned().chain(cells).chain(observing).collect()
}

/// A paragraph in lines of at most [`COLUMNS`], the second and later ones indented.
fn folded(paragraph: &str) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > usize::from(COLUMNS) {
            folded.push_str("\n    ");
            column = 4;
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        column += width;
    }
    folded
}

fn drawn(table: &Table) -> String {
    let mut drawing = comfy_table::Table::new();
    drawing
        .load_style(NOTHING.header_separator(LineStyle::new('─', '─', '─', '─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS)
        .set_header(&table.headers)
        .add_rows(&table.rows);
    for column in drawing.column_iter_mut() {
        column.set_padding((0, 2));
        // Only names may be broken over lines, never a figure.
        if column.index > 0 {
            column.set_constraint(ColumnConstraint::ContentWidth);
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    drawing
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
