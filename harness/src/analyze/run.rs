//! From a recording to a [`Run`]: the cells, then what they come to.

use std::path::Path;

use super::cell::CellAnalysis;
use super::{compare, gates, guard, set_aside};
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
    reasons.extend(run.cells.iter().flat_map(guarded).map(|why| (Verdict::Guarded, why)));
    let with = |gates: &[GateResult], answer: Answer, verdict: Verdict, what: &str| {
        let gates = gates.iter().filter(|gate| gate.answer == answer && !gate.undecidable);
        gates.map(|gate| (verdict, told(gate, what))).collect::<Vec<_>>()
    };
    let unaccounted = run.cells.iter().flat_map(unaccounted);
    reasons.extend(unaccounted.map(|why| (Verdict::Failed, why)));
    reasons.extend(with(&run.gates, Answer::Fail, Verdict::Failed, "gate failed"));
    reasons.extend(with(
        &run.expectations,
        Answer::Fail,
        Verdict::Unconvincing,
        "expectation not met",
    ));
    let unread = run.cells.iter().filter_map(unread_books);
    reasons.extend(unread.map(|why| (Verdict::Inconclusive, why)));
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

/// Everything that guards did in a cell.
fn guarded(cell: &Cell) -> Vec<String> {
    let name = format!("{}, block {}", cell.header.variant, cell.header.block);
    let acts = cell.guards.iter();
    acts.map(|act| format!("{name}: a guard acted: {}", guard::told(act)))
        .collect()
}

/// Why the notifications of a cell do not add up. That fails the run whatever its gates judge: a server that loses
/// notifications without a word loses them in its figures as well.
fn unaccounted(cell: &Cell) -> Vec<String> {
    let header = &cell.header;
    let found = cell.unaccounted().into_iter();
    let told = found.map(|why| {
        format!(
            "notifications do not add up: {}, block {}: {why}",
            header.variant, header.block
        )
    });
    told.collect()
}

/// Why it is not known whether the notifications of a cell add up.
fn unread_books(cell: &Cell) -> Option<String> {
    let problem = cell.notifications.as_ref()?.problem.as_ref()?;
    let header = &cell.header;
    Some(format!(
        "inconclusive: {}, block {}: it is not known whether the notifications add up: {problem}",
        header.variant, header.block
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;
    use crate::arrival::PhaseKind;
    use crate::record::{BoundKind, FaultResult, NotificationBooks, NotificationCounts};

    #[test]
    fn a_run_in_which_a_guard_acted_is_guarded_unless_it_is_worse() {
        let cell = || {
            let get = fixture::operation(1000, 9_000, 9_000);
            fixture::cell("a", 1, vec![fixture::phase("spike", PhaseKind::Spike, get)])
        };
        let guarded = || Cell {
            guards: vec![fixture::back_off()],
            ..cell()
        };
        let invalid = Cell {
            valid: false,
            warnings: vec!["INVALID: too late".to_owned()],
            ..guarded()
        };
        let mut workload = fixture::snapshot(&["a"], 1);
        workload.gates = vec![fixture::gate("response_p99", (BoundKind::AtMost, 1.0))];
        let header = fixture::run(workload, vec![]).header;
        let run = |cell: Cell, ending: &Ending| judged(header.clone(), vec![cell], Some(ending));
        let over = Ending::default();
        let stopped = Ending {
            is_interrupted: true,
            lost: None,
        };
        assert_eq!(run(cell(), &over).verdict, Verdict::Failed);
        let told = run(guarded(), &over);
        assert_eq!(
            (told.verdict, told.reasons.len()),
            (Verdict::Guarded, 2),
            "the failed gate is told as well"
        );
        assert!(
            told.reasons[0].starts_with("a, block 1: a guard acted: back_off at 12.1 s"),
            "{:?}",
            told.reasons
        );
        assert_eq!(run(invalid, &over).verdict, Verdict::Invalid);
        assert_eq!(run(guarded(), &stopped).verdict, Verdict::Interrupted);
    }

    /// A run of one cell without gates, with these books.
    fn with_books(books: NotificationBooks, faults: Vec<FaultResult>) -> Run {
        let phase = fixture::phase("spike", PhaseKind::Spike, fixture::operation(1000, 100, 100));
        let mut cell = fixture::cell("a", 1, vec![phase]);
        cell.notifications = Some(books);
        cell.faults = faults;
        let header = fixture::run(fixture::snapshot(&["a"], 1), vec![]).header;
        judged(header, vec![cell], Some(&Ending::default()))
    }

    fn books(enqueued: u64, delivered: u64, taken: u64) -> NotificationBooks {
        let counts = NotificationCounts {
            enqueued,
            delivered,
            ..NotificationCounts::default()
        };
        NotificationBooks {
            roles: [("message".to_owned(), counts)].into(),
            answers: Some([("204".to_owned(), taken)].into()),
            ..NotificationBooks::default()
        }
    }

    #[test]
    fn notifications_that_vanish_fail_a_run_without_any_gate() {
        let run = with_books(books(10, 10, 10), vec![]);
        assert_eq!(run.verdict, Verdict::Passed, "{:?}", run.reasons);
        let run = with_books(books(10, 7, 7), vec![]);
        assert_eq!(run.verdict, Verdict::Failed);
        assert_eq!(
            run.reasons,
            [
                "notifications do not add up: a, block 1: message: 10 enqueued, but 7 delivered + 0 dropped + 0 unknown + 0 queued + 0 \
                 in flight: 3 not accounted for"
            ]
        );
    }

    #[test]
    fn a_gateway_that_was_killed_is_no_witness() {
        let killed = FaultResult {
            kind: "kill_gateway".to_owned(),
            target: "gateway".to_owned(),
            planned_s: 1.0,
            planned_end_s: 2.0,
            start_s: Some(1.0),
            end_s: Some(2.0),
            problem: None,
            blast: crate::record::Blast::default(),
        };
        assert_eq!(with_books(books(10, 10, 4), vec![]).verdict, Verdict::Failed);
        assert_eq!(with_books(books(10, 10, 4), vec![killed]).verdict, Verdict::Passed);
    }

    #[test]
    fn books_that_could_not_be_read_decide_nothing() {
        let unread = NotificationBooks {
            problem: Some("connection refused".to_owned()),
            ..NotificationBooks::default()
        };
        let run = with_books(unread, vec![]);
        assert_eq!(run.verdict, Verdict::Inconclusive);
        assert!(
            run.reasons[0].contains("add up: connection refused"),
            "{:?}",
            run.reasons
        );
    }
}
