//! A cell on the time axis: what was sent to each shard and how it was answered, second by second, with what was broken
//! and changed above.
//!
//! Characters instead of a picture, because the report is read in a terminal and in a pull request. Their heights have
//! fixed limits, and times a scale that grows by factors, so that two variants can be compared.

use std::fmt::Write as _;

use super::shown::{cell_name, first_cell, variants};
use crate::record::{Cell, Run, ShardTimeline};

/// Columns of the names at the left.
pub(super) const NAME: usize = 24;
/// Columns of time at the least.
pub(super) const TIME_MIN: usize = 16;
/// A column of the ruler has a number at every so many.
const RULER: usize = 10;

/// Heights of a response time: up to so many milliseconds, and above.
const TIMES_MS: [(f64, char); 7] = [
    (5.0, '▁'),
    (10.0, '▂'),
    (20.0, '▃'),
    (50.0, '▄'),
    (100.0, '▅'),
    (500.0, '▆'),
    (2000.0, '▇'),
];
/// Heights of a part that was not ok: up to so much of it, and above.
const SHARES: [(f64, char); 8] = [
    (0.0, '·'),
    (0.01, '▁'),
    (0.05, '▂'),
    (0.1, '▃'),
    (0.25, '▄'),
    (0.5, '▅'),
    (0.75, '▆'),
    (0.95, '▇'),
];
const FULL: char = '█';
pub(super) const NOTHING: char = ' ';

/// What the characters mean.
pub(super) const LEGEND: &str = "p99 of ok answers by the second in which they were due: ▁ to 5 ms, ▂ 10, ▃ 20, ▄ 50, ▅ 100, ▆ 500, ▇ 2000, █ above · \
     not ok: · none, ▁ to 1 %, ▂ 5, ▃ 10, ▄ 25, ▅ 50, ▆ 75, ▇ 95, █ above · blank: no such call · ━ while the fault lasts · ▼ settings changed · \
     a column of several seconds shows the worst of their p99";

/// One drawing for each variant in which something was broken or changed: its first block, in lines of at most
/// `columns`.
pub(super) fn timelines(run: &Run, columns: usize) -> Vec<String> {
    let cells = variants(run).into_iter().filter_map(|variant| first_cell(run, variant));
    cells
        .filter_map(|cell| drawn(&cell_name(run, cell), cell, columns))
        .collect()
}

fn drawn(name: &str, cell: &Cell, columns: usize) -> Option<String> {
    let timeline = cell.timeline.as_ref()?;
    let end_s = cell.phases.last().map_or(0.0, |phase| phase.end_s);
    let scale = Scale::of(end_s, columns.saturating_sub(NAME).max(TIME_MIN));
    let mut text = format!("{name}, one column for {}\n", scale.each());
    let mut line = |name: String, columns: String| {
        let shown: String = name.chars().take(NAME - 1).collect();
        let line = format!("{shown:<NAME$}{columns}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line("seconds".to_owned(), scale.ruler());
    line("phase".to_owned(), phases(cell, &scale));
    for (fault, number) in cell.faults.iter().zip(1..) {
        let end_s = fault.end_s.unwrap_or(end_s);
        if let Some(start_s) = fault.start_s {
            line(format!("{number} {}", fault.kind), scale.stretch(start_s, end_s));
        }
    }
    let applied: Vec<f64> = cell.changes.iter().filter_map(|change| change.applied_s).collect();
    if !applied.is_empty() {
        line("settings".to_owned(), scale.marks(&applied, '▼'));
    }
    for shard in &timeline.shards {
        line(
            format!("shard {} p99", shard.shard),
            scale.columns(|seconds| p99(shard, seconds)),
        );
        line(
            "        not ok".to_owned(),
            scale.columns(|seconds| not_ok(shard, seconds)),
        );
    }
    Some(text)
}

/// Which column stands for which seconds.
pub(super) struct Scale {
    /// Seconds in a column.
    each: usize,
    columns: usize,
}

impl Scale {
    pub(super) fn of(end_s: f64, columns: usize) -> Self {
        let seconds = (end_s.ceil() as usize).max(1);
        let each = seconds.div_ceil(columns);
        Self {
            each,
            columns: seconds.div_ceil(each),
        }
    }

    pub(super) fn each(&self) -> String {
        match self.each {
            1 => "a second".to_owned(),
            each => format!("{each} seconds"),
        }
    }

    fn column(&self, s: f64) -> usize {
        (s.max(0.0) as usize / self.each).min(self.columns - 1)
    }

    pub(super) fn columns(&self, draw: impl Fn(std::ops::Range<usize>) -> char) -> String {
        (0..self.columns)
            .map(|column| draw(column * self.each..(column + 1) * self.each))
            .collect()
    }

    pub(super) fn ruler(&self) -> String {
        let mut ruler = String::new();
        for column in (0..self.columns).step_by(RULER) {
            let number = (column * self.each).to_string();
            if column + number.len() <= self.columns {
                let _ = write!(ruler, "{number:<RULER$}");
            }
        }
        ruler
    }

    /// The columns that lie mostly within the stretch, and at least one.
    fn stretch(&self, start_s: f64, end_s: f64) -> String {
        let border = |s: f64| (s.max(0.0) / self.each as f64).round() as usize;
        let first = border(start_s).min(self.columns - 1);
        let marked = first..border(end_s).max(first + 1);
        let mark = |column: usize| if marked.contains(&column) { '━' } else { NOTHING };
        (0..self.columns).map(mark).collect()
    }

    fn marks(&self, at_s: &[f64], mark: char) -> String {
        let marked: Vec<usize> = at_s.iter().map(|at_s| self.column(*at_s)).collect();
        let shown = |column: usize| if marked.contains(&column) { mark } else { NOTHING };
        (0..self.columns).map(shown).collect()
    }
}

/// Each phase begins at a bar; its name is cut where the next begins.
pub(super) fn phases(cell: &Cell, scale: &Scale) -> String {
    let mut line = vec![NOTHING; scale.columns];
    for phase in &cell.phases {
        let first = scale.column(phase.start_s);
        let end = scale.column(phase.end_s - 1e-3) + 1;
        let name = std::iter::once('│').chain(phase.name.chars());
        for (column, character) in line[first..end].iter_mut().zip(name) {
            *column = character;
        }
    }
    line.into_iter().collect()
}

fn p99(shard: &ShardTimeline, seconds: std::ops::Range<usize>) -> char {
    let worst = seconds
        .filter_map(|second| shard.ok_p99_us.get(second).copied().flatten())
        .max();
    worst.map_or(NOTHING, |us| height(&TIMES_MS, us as f64 / 1e3))
}

fn not_ok(shard: &ShardTimeline, seconds: std::ops::Range<usize>) -> char {
    let sum = |counts: &[u64]| seconds.clone().filter_map(|second| counts.get(second)).sum::<u64>();
    match (sum(&shard.requests), sum(&shard.not_ok)) {
        (0, _) => NOTHING,
        (all, not_ok) => height(&SHARES, not_ok as f64 / all as f64),
    }
}

fn height(limits: &[(f64, char)], value: f64) -> char {
    limits
        .iter()
        .find(|(limit, _)| value <= *limit)
        .map_or(FULL, |(_, character)| *character)
}
