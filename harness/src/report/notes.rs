//! What to beware of: warnings of the run and of its cells, each with the cells that it is about.

use super::shown::cell_name;
use crate::analyze::validity::disturbed;
use crate::record::{Cell, PhaseResult, Run};

/// How a reason for being invalid begins.
const INVALID: &str = "INVALID: ";

/// All notes, those that several cells share told once.
pub(super) fn notes(run: &Run) -> Vec<String> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for cell in &run.cells {
        for note in of_cell(run, cell) {
            let name = cell_name(run, cell);
            match told.iter_mut().find(|(known, _)| *known == note) {
                Some((_, cells)) => cells.push(name),
                None => told.push((note, vec![name])),
            }
        }
    }
    let cells = told
        .into_iter()
        .map(|(note, cells)| format!("{}: {note}", cells.join("; ")));
    run.header
        .warnings
        .iter()
        .cloned()
        .chain(set_aside(run))
        .chain(cells)
        .chain(observing(run))
        .collect()
}

/// Blocks that do not count.
fn set_aside(run: &Run) -> impl Iterator<Item = String> {
    let aside = run.set_aside.iter();
    aside.map(|aside| {
        format!(
            "block {} was set aside, and another run in its place: {}",
            aside.block, aside.reason
        )
    })
}

fn of_cell(run: &Run, cell: &Cell) -> Vec<String> {
    let header = &cell.header;
    // Reasons for being invalid are the run's reasons.
    let known = |warning: &String| {
        let reason = warning.strip_prefix(INVALID)?;
        let told = format!("{}, block {}: {reason}", header.variant, header.block);
        run.reasons.contains(&told).then_some(())
    };
    let neighbours: Vec<(String, String)> = cell
        .phases
        .iter()
        .filter_map(|phase| {
            let by = disturbed(phase)?;
            Some((format!("{}: {by}", phase.name), left_out(run, cell, phase)))
        })
        .collect();
    let warnings = cell.warnings.iter().filter(|warning| known(warning).is_none());
    let told = warnings.map(|warning| {
        let neighbour = neighbours.iter().find(|(note, _)| note == warning);
        neighbour.map_or(warning.clone(), |(note, left_out)| format!("{note}{left_out}"))
    });
    let early = cell.ended_early.iter().map(|reason| format!("ended early: {reason}"));
    told.chain(early).collect()
}

/// Says where the phase of this block does not count because of a neighbour.
fn left_out(run: &Run, cell: &Cell, phase: &PhaseResult) -> String {
    let place = run.blocks().position(|block| block == cell.header.block);
    let judged = run.gates.iter().chain(&run.expectations);
    let without = judged.filter(|gate| {
        gate.variant == cell.header.variant
            && gate.phase == phase.name
            && place.and_then(|place| gate.blocks.get(place)) == Some(&None)
    });
    if without.count() > 0 {
        "; the block does not count for the gates of this phase".to_owned()
    } else {
        String::new()
    }
}

fn observing(run: &Run) -> Option<String> {
    let costs = run
        .cells
        .iter()
        .filter_map(|cell| cell.observer.as_ref()?.database_share);
    let most = costs.max_by(f64::total_cmp)?;
    Some(format!(
        "observing took {:.1} % of one core from the databases, in the cell in which it took most",
        most * 100.0
    ))
}
