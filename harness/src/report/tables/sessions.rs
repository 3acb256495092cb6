//! What became of sessions.

use crate::analyze::figure::{Of, median_over_blocks, operation, phase};
use crate::record::{PhaseResult, Run, SessionsResult, TrafficSnapshot};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, number};

/// One row for each variant, session and phase in which sessions began; `None` where there are none.
pub(super) fn sessions(run: &Run) -> Option<Table> {
    let sessions = run.header.workload.traffic.iter().filter(|entry| entry.is_session());
    let phases = shown::phases(run, |phase| phase.kind.is_judged());
    let places = sessions.flat_map(|entry| phases.iter().map(move |phase| (entry, *phase)));
    let rows = places.flat_map(|(entry, phase)| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, entry, phase))
    });
    Table::new("Sessions")
        .legend(
            "started: whose first step was due in the phase · completed: every step was ok · ended at: the step that was not ok, or could not \
             be sent · cut off: by the end of the run",
        )
        .columns(Kind::Key, ["variant", "operation", "phase"])
        .columns(Kind::Figure, ["started", "completed", "cut off"])
        .columns(Kind::Text, ["ended at"])
        .rows(rows)
        .unless_empty()
}

/// `None` where none began.
fn row(run: &Run, variant: &str, entry: &TrafficSnapshot, phase_name: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(&entry.name),
        ..Of::default()
    };
    let median = |count: &dyn Fn(&SessionsResult) -> u64| {
        let figure = |phase: &PhaseResult| Some(count(operation(phase, of)?.sessions.as_ref()?) as f64);
        median_over_blocks(run, variant, |cell| figure(phase(cell, phase_name)?))
    };
    let started = median(&|sessions| sessions.started).filter(|started| *started > 0.0)?;
    let ended = entry.steps.iter().filter_map(|step| {
        let count = median(&|sessions| sessions.ended_at.get(step).copied().unwrap_or(0));
        let count = count.filter(|count| *count > 0.0)?;
        Some(format!("{step} {}", number(Some(count), 0)))
    });
    let ended: Vec<String> = ended.collect();
    Some(vec![
        variant.to_owned(),
        entry.name.clone(),
        phase_name.to_owned(),
        number(Some(started), 0),
        number(median(&|sessions| sessions.completed), 0),
        number(median(&|sessions| sessions.cut_off), 0),
        if ended.is_empty() {
            NONE.to_owned()
        } else {
            ended.join(", ")
        },
    ])
}
