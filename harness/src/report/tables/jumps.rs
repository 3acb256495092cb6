//! Every jump: whether it was one, and whether what it did was over before the next.

use crate::analyze::figure::{Of, error_share, figure, median_over_blocks, operation};
use crate::analyze::jumps::{Jump, jumps as jumps_of};
use crate::metric::Metric;
use crate::record::{PhaseResult, Run};
use crate::report::shown;
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row for each variant and jump; `None` where there is none, or the recording is from before onsets were counted.
pub(super) fn jumps(run: &Run) -> Option<Table> {
    let (_, entry) = shown::headline(run)?;
    let names = names(run);
    let variants = shown::variants(run).into_iter();
    let rows = variants.flat_map(|variant| {
        let names = names.iter();
        names.filter_map(move |name| row(run, variant, &entry.name, name))
    });
    Table::new("Jumps")
        .legend(format!(
            "due, sent: all arrivals that were due in the first 100 ms of the jump, and those that the generator sent in them · p99 in ms, \
             not ok: of {} · after: the next phase of everyday load",
            entry.name
        ))
        .columns(Kind::Key, ["variant", "phase"])
        .columns(
            Kind::Figure,
            ["from /s", "to /s", "due", "sent", "p99 before", "p99", "p99 after", "not ok"],
        )
        .rows(rows)
        .unless_empty()
}

/// Names of the phases that any cell jumps to, in order.
fn names(run: &Run) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for jump in run.cells.iter().flat_map(jumps_of) {
        if !names.contains(&jump.phase.name.as_str()) {
            names.push(&jump.phase.name);
        }
    }
    names
}

/// `None` where it is not known what was due in its first tenth of a second.
fn row(run: &Run, variant: &str, entry: &str, name: &str) -> Option<Vec<String>> {
    let of = Of {
        operation: Some(entry),
        ..Of::default()
    };
    let median = |value: &dyn Fn(&Jump<'_>) -> Option<f64>| {
        median_over_blocks(run, variant, |cell| {
            let jump = jumps_of(cell).find(|jump| jump.phase.name == name)?;
            value(&jump)
        })
    };
    let due = median(&|jump| Some(jump.phase.onset?.due as f64))?;
    let sent = median(&|jump| Some(jump.phase.onset?.sent as f64));
    let from = median(&|jump| Some(jump.before.map_or(0.0, |before| before.target_rate)));
    let p99 = |phase: Option<&PhaseResult>| figure(phase?, Metric::ResponseP99, of);
    let not_ok = median(&|jump| operation(jump.phase, of).map(error_share));
    Some(vec![
        variant.to_owned(),
        name.to_owned(),
        number(from, 0),
        number(median(&|jump| Some(jump.phase.target_rate)), 0),
        number(Some(due), 0),
        number(sent, 0),
        ms(median(&|jump| p99(jump.before))),
        ms(median(&|jump| p99(Some(jump.phase)))),
        ms(median(&|jump| p99(jump.after))),
        not_ok.map_or(NONE.to_owned(), percent),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::PhaseKind;
    use crate::record::Onset;
    use crate::report::fixture;

    #[test]
    fn each_spike_of_a_sawtooth_has_a_row_with_what_came_before_and_after_it() {
        let phase = |name: &str, kind, rate: f64, ok_ms: f64| {
            let mut phase = fixture::phase(name, kind, 0.0, 10.0, rate);
            phase.operations = [("hot_join".to_owned(), fixture::operation(10.0, rate, ok_ms, 0.0))].into();
            phase.onset = Some(Onset {
                due: (rate / 10.0) as u64,
                sent: (rate / 10.0) as u64 - 1,
                own_late: 0,
            });
            phase
        };
        let mut cell = fixture::cell("none", 1, 1);
        cell.phases = vec![
            phase("base", PhaseKind::Base, 200.0, 1.0),
            phase("spike 1", PhaseKind::Spike, 2000.0, 5.0),
            phase("base 1", PhaseKind::Base, 200.0, 1.0),
            phase("spike 2", PhaseKind::Spike, 2000.0, 9.0),
        ];
        let run = fixture::judged(fixture::header(1), vec![cell]);
        let table = jumps(&run).unwrap();
        let shown: Vec<&[String]> = table.rows.iter().map(|row| &row[1..6]).collect();
        assert_eq!(
            shown,
            [
                ["spike 1", "200", "2000", "200", "199"],
                ["spike 2", "200", "2000", "200", "199"]
            ]
        );
        let after: Vec<&str> = table.rows.iter().map(|row| row[8].as_str()).collect();
        assert!(
            after[0] != NONE && after[1] == NONE,
            "nothing comes after the last: {after:?}"
        );
        assert_eq!(table.rows[1][6], table.rows[0][8], "after one jump is before the next");
    }
}
