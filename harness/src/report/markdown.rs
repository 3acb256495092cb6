//! `report.md`: the terminal's tables and time axes, and every phase of every cell.

use std::fmt::Write as _;

use super::tables::{self, Table};
use super::{terminal, timeline, words};
use crate::record::Run;

/// The whole report: verdict first, then the comparison, the gates, and all phases folded away.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let mut text = format!(
        "# {}\n\n{}\n\n**{}**\n",
        run.workload.name,
        run.workload.question.trim(),
        words::verdict(run)
    );
    for table in tables::all(run) {
        write_table(&mut text, "##", &table);
    }
    let timelines = timeline::timelines(run);
    if !timelines.is_empty() {
        let _ = write!(text, "\n## On the time axis\n\n{}\n", timeline::LEGEND);
    }
    for drawing in timelines {
        let _ = write!(text, "\n```text\n{drawing}```\n");
    }
    if !run.gates.is_empty() {
        write_table(&mut text, "##", &gates(run));
    }
    let _ = write!(text, "\n## How it was measured\n\n");
    let _ = writeln!(text, "- command: `{}`", run.command);
    let _ = writeln!(text, "- machine: {}", words::machine(&run.environment));
    let _ = writeln!(
        text,
        "- started {}, seed {}, bmt {}, commit {}",
        run.started_at,
        run.seed,
        run.bmt_version,
        run.git.as_deref().unwrap_or("unknown")
    );
    for warning in terminal::warnings(run) {
        let _ = writeln!(text, "- {warning}");
    }
    let _ = write!(text, "\n<details><summary>Every phase</summary>\n");
    for cell in &run.cells {
        write_table(&mut text, "###", &tables::phases(run, cell));
        let lag = &cell.generator.schedule_lag_us;
        let _ = writeln!(
            text,
            "\nGenerator: busiest worker {:.0} % of a core, schedule lag p50 {} ms, p99 {} ms, max {} ms, {} unsent.",
            cell.generator.cpu_max * 100.0,
            words::ms(lag.p50.map(|us| us as f64)),
            words::ms(lag.p99.map(|us| us as f64)),
            words::ms(lag.max.map(|us| us as f64)),
            cell.generator.unsent,
        );
    }
    text.push_str("\n</details>\n");
    text
}

fn gates(run: &Run) -> Table {
    let rows = run.gates.iter().map(|gate| {
        vec![
            if gate.passed { "pass" } else { "**FAIL**" }.to_owned(),
            gate.variant.clone(),
            gate.phase.clone(),
            gate.name.clone(),
            gate.actual.clone().unwrap_or_else(|| "no data".to_owned()),
            gate.limit.clone(),
            gate.because.clone().unwrap_or_default(),
        ]
    });
    Table {
        title: "Gates".to_owned(),
        legend: "",
        headers: vec!["", "variant", "phase", "figure", "actual", "limit", "because"],
        rows: rows.collect(),
    }
}

fn write_table(text: &mut String, level: &str, table: &Table) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let _ = write!(text, "\n{level} {}\n\n", table.title);
    if !table.legend.is_empty() {
        let _ = write!(text, "{}\n\n", table.legend);
    }
    text.push_str(&row(table.headers.iter().map(ToString::to_string).collect()));
    text.push_str(&row(table
        .headers
        .iter()
        .enumerate()
        .map(|(index, _)| if index == 0 { "---" } else { "---:" }.to_owned())
        .collect()));
    for cells in &table.rows {
        text.push_str(&row(cells.iter().map(|cell| cell.replace('|', "\\|")).collect()));
    }
}
