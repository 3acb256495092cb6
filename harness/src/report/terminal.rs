//! The result on a terminal of 120 columns.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle};

use super::tables::{self, Table};
use super::words;
use crate::record::Run;

const COLUMNS: u16 = 120;

/// The tables, a line for each gate, what to beware of, and the verdict.
#[must_use]
pub fn terminal(run: &Run) -> String {
    let mut text = format!("{}: {}\n", run.workload.name, run.workload.question.trim());
    for table in [tables::headline(run), tables::bystanders(run)].into_iter().flatten() {
        let _ = writeln!(text, "\n{}\n{}", table.title, drawn(&table));
        for line in wrapped(table.legend, usize::from(COLUMNS)) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if !run.gates.is_empty() {
        text.push('\n');
    }
    for gate in &run.gates {
        let _ = writeln!(
            text,
            "{} {} · {} · {}: {} ({})",
            if gate.passed { "PASS" } else { "FAIL" },
            gate.variant,
            gate.phase,
            gate.name,
            gate.actual.as_deref().unwrap_or("no data"),
            gate.limit,
        );
    }
    for warning in warnings(run) {
        let _ = writeln!(text, "\nnote: {warning}");
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

/// A legend in lines of at most `columns`, broken between its parts.
fn wrapped(legend: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in legend.split(" · ") {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 5 <= columns => {
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
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
