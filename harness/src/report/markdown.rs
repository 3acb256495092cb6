//! `report.md`: the verdict, the terminal's tables and time axes, and every phase of every cell.

use std::fmt::Write as _;

use super::judgements::{self, Judged};
use super::table::{Kind, Table};
use super::{connection_axis, jump, notes, shown, tables, timeline, verdict, words};
use crate::record::{Run, samples_min};

/// Columns of the drawings.
const COLUMNS: usize = 120;

/// The whole report as text: verdict first, then gates, tables, time axes, and all metrics and phases folded away.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let workload = &run.header.workload;
    let mut text = format!(
        "# {}\n\n{}\n\n**{}**\n",
        workload.name,
        workload.question.trim(),
        escaped(&verdict::verdict(run))
    );
    for (place, reason) in verdict::reasons(run).iter().enumerate() {
        let _ = writeln!(text, "{}- {}", if place == 0 { "\n" } else { "" }, escaped(reason));
    }
    for told in jump::would_have_passed(run) {
        let _ = writeln!(text, "\n{}", escaped(&told));
    }
    for (judged, gates) in [(Judged::Gates, &run.gates), (Judged::Expectations, &run.expectations)] {
        if let Some(table) = judgements::table(judged, gates) {
            write_table(&mut text, "##", &table);
        }
    }
    for table in tables::all(run) {
        write_table(&mut text, "##", &table);
    }
    let timelines = timeline::timelines(run, COLUMNS);
    if !timelines.is_empty() {
        let _ = write!(text, "\n## On the time axis\n\n{}\n", timeline::LEGEND);
    }
    for drawing in timelines {
        let _ = write!(text, "\n```text\n{drawing}```\n");
    }
    let connections = connection_axis::drawings(run, COLUMNS);
    if !connections.is_empty() {
        let _ = write!(
            text,
            "\n## Connections on the time axis\n\n{}\n",
            connection_axis::LEGEND
        );
    }
    for drawing in connections {
        let _ = write!(text, "\n```text\n{drawing}```\n");
    }
    write_method(&mut text, run);
    write_figures(&mut text, run);
    let _ = write!(text, "\n<details><summary>Every phase</summary>\n");
    for cell in &run.cells {
        write_table(&mut text, "###", &tables::phases(run, cell));
        let lag = &cell.generator.schedule_lag_us;
        let ms = |us: Option<u64>| words::ms(us.map(|us| us as f64));
        let _ = writeln!(
            text,
            "\nGenerator: busiest worker {:.0} % of a core, schedule lag p50 {} ms, p99 {} ms, max {} ms, {} unsent.",
            cell.generator.cpu_max * 100.0,
            ms(lag.p50),
            ms(lag.p99),
            ms(lag.max),
            cell.generator.unsent,
        );
    }
    text.push_str("\n</details>\n");
    text
}

/// Every metric of every phase, folded away.
fn write_figures(text: &mut String, run: &Run) {
    let _ = write!(
        text,
        "\n<details><summary>Every metric</summary>\n\n[ ]: 95 % t interval over the blocks; where there is none, the median block\n"
    );
    for phase in shown::phases(run, |_| true) {
        if let Some(table) = tables::figures(run, phase) {
            write_table(text, "###", &table);
        }
    }
    text.push_str("\n</details>\n");
}

fn write_method(text: &mut String, run: &Run) {
    let header = &run.header;
    let _ = write!(text, "\n## How it was measured\n\n");
    let _ = writeln!(text, "- command: `{}`", header.command);
    let _ = writeln!(text, "- machine: {}", words::machine(&header.environment));
    for variant in shown::variants(run) {
        let cells = run.cells.iter();
        let mut started = cells.filter(|cell| cell.header.variant == *variant);
        if let Some(process) = started.find_map(|cell| cell.header.process.as_ref()) {
            let _ = writeln!(
                text,
                "- {variant}, started anew for each cell: {}",
                words::started(process)
            );
        }
    }
    let _ = writeln!(
        text,
        "- started {}, seed {}, {}, bmt {}, commit {}",
        header.started_at,
        header.seed,
        words::counted(header.workload.blocks as usize, "block"),
        header.bmt_version,
        header.git.as_deref().unwrap_or("unknown")
    );
    let _ = writeln!(
        text,
        "- {}: not observed, or too few answers in a block: a median needs {}, p90 {}, p99 {}, p99.9 {}",
        words::NONE,
        samples_min(0.5),
        samples_min(0.9),
        samples_min(0.99),
        samples_min(0.999)
    );
    for note in notes::notes(run) {
        let _ = writeln!(text, "- {}", escaped(&note));
    }
}

fn write_table(text: &mut String, level: &str, table: &Table) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let _ = write!(text, "\n{level} {}\n\n", table.title);
    if !table.legend.is_empty() {
        let _ = write!(text, "{}\n\n", escaped(&table.legend));
    }
    text.push_str(&row(table
        .columns
        .iter()
        .map(|column| column.name.to_string())
        .collect()));
    let alignment = |kind: Kind| if kind == Kind::Figure { "---:" } else { "---" }.to_owned();
    text.push_str(&row(table
        .columns
        .iter()
        .map(|column| alignment(column.kind))
        .collect()));
    for cells in &table.rows {
        text.push_str(&row(cells.iter().map(|cell| in_cell(cell)).collect()));
    }
    for footnote in &table.footnotes {
        let _ = write!(text, "\n{}\n", escaped(footnote));
    }
}

/// A cell may be in bold, but no mark of a figure begins that.
fn in_cell(cell: &str) -> String {
    let is_bold = cell.starts_with("**");
    let cell = cell.replace('|', "\\|").replace('\n', " ");
    if is_bold { cell } else { escaped(&cell) }
}

/// A single star is a mark, not the beginning of something slanted.
fn escaped(text: &str) -> String {
    text.replace('*', "\\*")
}
