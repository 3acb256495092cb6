//! What a rejection cost the callers who retry.

use crate::analyze::figure::{Of, median_over_blocks, operation, phase};
use crate::record::{PhaseResult, Retries, Run};
use crate::report::shown::{self, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row for each variant, operation and phase in which callers came; `None` where none retries.
pub(super) fn retries(run: &Run) -> Option<Table> {
    let retried = run.header.workload.traffic.iter().filter(|entry| entry.retries);
    let phases = shown::phases(run, |phase| phase.kind.is_judged());
    let places = retried.flat_map(|entry| phases.iter().map(move |phase| (entry.name.as_str(), *phase)));
    let rows = places.flat_map(|(name, phase)| {
        let variants = variants(run).into_iter();
        variants.filter_map(move |variant| row(run, variant, name, phase))
    });
    Table::new("Callers who retry, until done")
        .legend(
            "callers: whose first attempt was due in the phase · 1st try: part that needed one attempt · no budget: part that gave up because the budget of retries was used up · cut off: still retrying at the end of \
             the run · tries: attempts of those who were done, mean · p50, p99: time from the first attempt until done, ms · retry/s: attempts \
             of the phase that are not a first one, in its worst second",
        )
        .columns(Kind::Key, ["variant", "operation", "phase"])
        .columns(
            Kind::Figure,
            ["callers", "1st try", "done", "gave up", "no budget", "cut off", "tries", "p50", "p99", "retry/s"],
        )
        .rows(rows)
        .unless_empty()
}

/// `None` where no caller came.
fn row(run: &Run, variant: &str, name: &str, phase_name: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(name),
        ..Of::default()
    };
    let median = |value: &dyn Fn(&Retries) -> Option<f64>| {
        let figure = |phase: &PhaseResult| value(operation(phase, of)?.retries.as_ref()?);
        median_over_blocks(run, variant, |cell| figure(phase(cell, phase_name)?))
    };
    let callers = median(&|retries| Some(retries.first_tries as f64)).filter(|callers| *callers > 0.0)?;
    let part = |count: fn(&Retries) -> u64| {
        let part = median(&|retries| Some(count(retries) as f64 / retries.first_tries.max(1) as f64));
        part.map_or(NONE.to_owned(), percent)
    };
    Some(vec![
        variant.to_owned(),
        name.to_owned(),
        phase_name.to_owned(),
        number(Some(callers), 0),
        part(|retries| retries.succeeded_at_first),
        part(|retries| retries.succeeded),
        part(|retries| retries.gave_up),
        part(|retries| retries.out_of_budget),
        part(|retries| retries.cut_off),
        number(median(&|retries| retries.attempts_per_success), 2),
        ms(median(&|retries| retries.until_done_us.p50.map(|us| us as f64))),
        ms(median(&|retries| retries.until_done_us.p99.map(|us| us as f64))),
        number(median(&|retries| Some(retries.retries_max as f64)), 0),
    ])
}
