//! The ramp against the jump: the answer of `bmt try` in one small table and in words, and in every report whether the
//! ramp alone would have passed a variant.

mod compared;
mod ramp;
mod sentence;
mod table;

use std::fmt::Write as _;

use self::compared::Columns;
pub(super) use self::ramp::would_have_passed;
use super::layout::{columns, drawn, folded};
use super::notes;
use crate::analyze::validity::disturbed;
use crate::record::Run;

/// The table, the verdict in words, and whether its numbers can be trusted; as wide as the terminal.
#[must_use]
pub fn ramp_and_jump(run: &Run) -> String {
    ramp_and_jump_of(run, columns(std::io::stdout()))
}

/// The same, in lines of at most `columns`.
#[must_use]
pub fn ramp_and_jump_of(run: &Run, columns: usize) -> String {
    let shown = Columns::of(run);
    let mut text = String::new();
    if shown.all().iter().any(Option::is_some) {
        let table = table::table(run, &shown);
        let _ = writeln!(text, "{}\n{}", folded(&table.title, columns), drawn(&table, columns));
        for line in table.footnotes.iter().chain([&table.legend]) {
            let _ = writeln!(text, "{}", folded(line, columns));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", folded(&sentence::sentence(run, &shown), columns));
    for told in would_have_passed(run) {
        let _ = writeln!(text, "{}", folded(&told, columns));
    }
    for reason in sentence::doubts(run) {
        let _ = writeln!(text, "{}", folded(&format!("  - {reason}"), columns));
    }
    // A phase that is disturbed is told below the table.
    let is_told = |note: &String| {
        shown
            .all()
            .into_iter()
            .flatten()
            .filter_map(disturbed)
            .any(|by| note.contains(&by))
    };
    for note in notes::notes(run).iter().filter(|note| !is_told(note)) {
        let _ = writeln!(text, "{}", folded(&format!("note: {note}"), columns));
    }
    text
}

#[cfg(test)]
mod tests;
