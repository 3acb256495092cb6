//! What a refusal cost those who tried again.

use super::{Table, variants};
use crate::analyze::figure::{Of, median_over_repetitions, operation, phase};
use crate::record::{PhaseResult, Retries, Run};
use crate::report::words::{ms, number, percent};

/// One row for each variant, operation and phase in which callers came; `None` where nobody tries again.
pub(super) fn retries(run: &Run) -> Option<Table> {
    let tried = run.workload.traffic.iter().filter(|(_, entry)| entry.retry.is_some());
    let names: Vec<&str> = tried.map(|(name, _)| name.as_str()).collect();
    let mut phases: Vec<&str> = Vec::new();
    for phase in run.cells.iter().flat_map(|cell| &cell.phases) {
        if phase.kind.is_judged() && !phases.contains(&phase.name.as_str()) {
            phases.push(&phase.name);
        }
    }
    let rows: Vec<Vec<String>> = names
        .iter()
        .flat_map(|name| phases.iter().map(move |phase| (*name, *phase)))
        .flat_map(|(name, phase)| {
            variants(run)
                .into_iter()
                .filter_map(move |variant| row(run, variant, name, phase))
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Callers who try again, until done".to_owned(),
        legend: "callers: whose first attempt was due in the phase · 1st try: part that needed one attempt · cut off: still trying at \
                 the end of the run · tries: attempts of those who were done, mean · p50, p99: time from the first attempt until done, ms · \
                 retry/s: attempts of the phase that are not a first one, in its worst second",
        headers: vec![
            "variant", "operation", "phase", "callers", "1st try", "done", "gave up", "cut off", "tries", "p50", "p99",
            "retry/s",
        ],
        rows,
    })
}

/// `None` where nobody came.
fn row(run: &Run, variant: &str, name: &str, phase_name: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(name),
        ..Of::default()
    };
    let median = |value: &dyn Fn(&Retries) -> Option<f64>| {
        let figure = |phase: &PhaseResult| value(operation(phase, of)?.retries.as_ref()?);
        median_over_repetitions(run, variant, |cell| figure(phase(cell, phase_name)?))
    };
    let callers = median(&|retries| Some(retries.first_tries as f64)).filter(|callers| *callers > 0.0)?;
    let part = |count: fn(&Retries) -> u64| {
        let part = median(&|retries| Some(count(retries) as f64 / retries.first_tries.max(1) as f64));
        part.map_or("–".to_owned(), percent)
    };
    Some(vec![
        variant.to_owned(),
        name.to_owned(),
        phase_name.to_owned(),
        number(Some(callers), 0),
        part(|retries| retries.succeeded_at_first),
        part(|retries| retries.succeeded),
        part(|retries| retries.gave_up),
        part(|retries| retries.cut_off),
        number(median(&|retries| retries.attempts_per_success), 2),
        ms(median(&|retries| retries.until_done_us.p50.map(|us| us as f64))),
        ms(median(&|retries| retries.until_done_us.p99.map(|us| us as f64))),
        number(median(&|retries| Some(retries.retries_max as f64)), 0),
    ])
}
