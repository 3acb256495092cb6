//! A cell's connections on the time axis: what was sent, and how many were open at once, second by second.
//!
//! Each line has a scale of its own, from nothing to its highest second, which stands in front of it: the question is
//! what rose with what.

use std::fmt::Write as _;
use std::ops::Range;

use super::shown::{cell_name, first_cell, variants};
use super::timeline::{NAME, NOTHING, Scale, TIME_MIN, phases};
use crate::record::{Cell, Run, SideAxis};

/// Heights from nothing to the highest.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ZERO: char = '·';

/// What the characters mean.
pub(super) const LEGEND: &str = "each line from · for none to █ for its highest second, which stands before it · open: most connections at once · a column \
     of several seconds shows the highest";

/// One drawing for each variant with a push component: its first block, in lines of at most `columns`.
pub(super) fn drawings(run: &Run, columns: usize) -> Vec<String> {
    let cells = variants(run).into_iter().filter_map(|variant| first_cell(run, variant));
    cells
        .filter_map(|cell| drawn(&cell_name(run, cell), cell, columns))
        .collect()
}

fn drawn(name: &str, cell: &Cell, columns: usize) -> Option<String> {
    let axis = cell.connection_axis.as_ref()?;
    let push = axis.push.as_ref()?;
    let end_s = cell.phases.last().map_or(0.0, |phase| phase.end_s);
    let scale = Scale::of(end_s, columns.saturating_sub(NAME).max(TIME_MIN));
    let known = |counts: &[u64]| counts.iter().map(|count| Some(*count)).collect::<Vec<_>>();
    let open = |side: &SideAxis| side.open_max.clone();
    let lines = [
        ("sent", Some(known(&axis.sent))),
        ("generator open", Some(open(&axis.client))),
        ("push open", Some(open(push))),
        ("push opened", Some(known(&push.opened))),
        ("databases open", axis.database.as_ref().map(open)),
    ];
    let mut text = format!("{name}, one column for {}\n", scale.each());
    let mut line = |name: &str, drawn: &str| {
        let shown: String = name.chars().take(NAME - 1).collect();
        let line = format!("{shown:<NAME$}{drawn}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line("seconds", &scale.ruler());
    line("phase", &phases(cell, &scale));
    for (name, seconds) in lines {
        let Some(seconds) = seconds else { continue };
        let within = &seconds[..seconds.len().min(end_s.ceil() as usize)];
        let most = within.iter().flatten().copied().max().unwrap_or(0);
        let drawn = scale.columns(|column| height(within, column, most));
        line(&format!("{name}, max {most}"), &drawn);
    }
    Some(text)
}

/// The highest of some seconds, of at most `most`.
fn height(seconds: &[Option<u64>], column: Range<usize>, most: u64) -> char {
    let seen = column.filter_map(|second| seconds.get(second).copied().flatten());
    match seen.max() {
        None => NOTHING,
        Some(0) => ZERO,
        Some(value) => {
            let place = (value * HEIGHTS.len() as u64).div_ceil(most.max(1)) as usize;
            HEIGHTS[place.clamp(1, HEIGHTS.len()) - 1]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::arrival::PhaseKind;
    use crate::record::ConnectionAxis;

    #[test]
    fn what_was_sent_and_what_was_open_stand_below_one_another() {
        let mut run = fixture::storm(1);
        let cell = run.cells.iter_mut().find(|cell| cell.header.variant == "none").unwrap();
        cell.phases = vec![
            fixture::phase("step 1", PhaseKind::Step, 0.0, 4.0, 10.0),
            fixture::phase("spike", PhaseKind::Spike, 4.0, 8.0, 80.0),
        ];
        let side = |opened: &[u64], open_max: &[Option<u64>]| SideAxis {
            opened: opened.to_vec(),
            open_max: open_max.to_vec(),
            ..SideAxis::default()
        };
        cell.connection_axis = Some(ConnectionAxis {
            sent: vec![10, 10, 10, 10, 80, 80, 80, 80, 999],
            client: side(
                &[],
                &[Some(1), None, Some(1), Some(1), Some(2), Some(2), Some(2), Some(2)],
            ),
            push: Some(side(
                &[0, 1, 0, 0, 64, 8, 0, 0],
                &[Some(0), Some(8), Some(8), Some(8), Some(64)],
            )),
            database: None,
        });
        let drawings = drawings(&run, 60);
        assert_eq!(
            drawings,
            ["none, one column for a second\n\
              seconds                 0\n\
              phase                   │ste│spi\n\
              sent, max 80            ▁▁▁▁████\n\
              generator open, max 2   ▄ ▄▄████\n\
              push open, max 64       ·▁▁▁█\n\
              push opened, max 64     ·▁··█▁··\n"]
        );
    }
}
