//! From a recording to a [`Run`]: the cells, then what they come to.

use std::path::Path;

use super::cell::CellAnalysis;
use super::{compare, gates, set_aside};
use crate::record::{Answer, Cell, Ending, GateResult, RUN_SCHEMA, Recording, RecordingError, Run, RunHeader, Verdict};

/// Analyses the recording in a run directory.
///
/// # Errors
/// When it cannot be read.
pub fn recorded(directory: &Path) -> Result<Run, RecordingError> {
    let recording = Recording::open(directory)?;
    let mut cells = Vec::new();
    for (header, place) in recording.cells()? {
        let mut analysis = CellAnalysis::new(&recording.header.workload, &header);
        recording.play(&place, &mut analysis)?;
        cells.push(analysis.finish());
    }
    let ending = recording.ending()?;
    Ok(judged(recording.header, cells, ending.as_ref()))
}

/// What the cells come to. `ending` is `None` of a run that goes on, or that ended without a word.
#[must_use]
pub fn judged(header: RunHeader, mut cells: Vec<Cell>, ending: Option<&Ending>) -> Run {
    let set_aside = set_aside::take(&header.workload, &mut cells);
    let mut run = Run {
        schema: RUN_SCHEMA.to_owned(),
        analyzed_at: jiff::Timestamp::now().to_string(),
        verdict: Verdict::Unfinished,
        reasons: Vec::new(),
        header,
        cells,
        set_aside,
        gates: Vec::new(),
        expectations: Vec::new(),
        comparisons: Vec::new(),
    };
    run.gates = gates::judge(&run.header.workload.gates, &run);
    run.expectations = gates::judge(&run.header.workload.expectations, &run);
    run.comparisons = compare::comparisons(&run);
    let reasons = reasons(&run, ending);
    run.verdict = reasons.first().map_or(Verdict::Passed, |(verdict, _)| *verdict);
    run.reasons = reasons.into_iter().map(|(_, reason)| reason).collect();
    run
}

/// Every reason against a pass, in the order of precedence.
fn reasons(run: &Run, ending: Option<&Ending>) -> Vec<(Verdict, String)> {
    let mut reasons = Vec::new();
    match ending {
        None => reasons.push((
            Verdict::Unfinished,
            "the run goes on, or ended without a word; what is shown is what was measured until then".to_owned(),
        )),
        Some(ending) => {
            if ending.is_interrupted {
                reasons.push((
                    Verdict::Interrupted,
                    "stopped by a signal; what is shown is what was measured until then".to_owned(),
                ));
            }
            reasons.extend(ending.lost.iter().map(|lost| (Verdict::TargetLost, lost.clone())));
        }
    }
    let invalid = run.cells.iter().filter(|cell| !cell.valid);
    reasons.extend(invalid.flat_map(why_invalid).map(|why| (Verdict::Invalid, why)));
    let judged = || run.gates.iter().chain(&run.expectations);
    let undecidable = judged().filter(|gate| gate.undecidable);
    reasons.extend(undecidable.map(|gate| (Verdict::Invalid, told(gate, "cannot be decided"))));
    let with = |gates: &[GateResult], answer: Answer, verdict: Verdict, what: &str| {
        let gates = gates.iter().filter(|gate| gate.answer == answer && !gate.undecidable);
        gates.map(|gate| (verdict, told(gate, what))).collect::<Vec<_>>()
    };
    reasons.extend(with(&run.gates, Answer::Fail, Verdict::Failed, "gate failed"));
    reasons.extend(with(
        &run.expectations,
        Answer::Fail,
        Verdict::Unconvincing,
        "expectation not met",
    ));
    for gates in [&run.gates, &run.expectations] {
        reasons.extend(with(gates, Answer::Inconclusive, Verdict::Inconclusive, "inconclusive"));
    }
    reasons
}

/// Every reason for which a cell is invalid; its other warnings are none.
fn why_invalid(cell: &Cell) -> Vec<String> {
    let reasons = cell
        .warnings
        .iter()
        .filter_map(|warning| warning.strip_prefix("INVALID: "));
    let told = reasons.map(|reason| format!("{}, block {}: {reason}", cell.header.variant, cell.header.block));
    told.collect()
}

fn told(gate: &GateResult, what: &str) -> String {
    let reason = gate.reason.iter().map(|reason| format!(": {reason}"));
    format!(
        "{what}: {} · {} · {}{}",
        gate.variant,
        gate.phase,
        gate.name,
        reason.collect::<String>()
    )
}
