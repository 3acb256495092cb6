//! What somebody reads who has asked once.

use super::ramp_and_jump_of;
use crate::analyze::{fixture, judged};
use crate::arrival::{Phase, PhaseKind};
use crate::record::{
    BoundKind, Cell, ClientSide, Ending, GateSnapshot, Neighbours, Onset, OperationResult, Outcome, PhaseResult,
    Quantiles, Run,
};

/// A phase in which so many answers took so long, over so many connections.
fn phase(name: &str, kind: PhaseKind, (count, us): (u64, u64), (opened, open_max): (u64, u64)) -> PhaseResult {
    let mut phase = fixture::phase(name, kind, fixture::operation(count, us, us));
    phase.onset = Some(Onset {
        due: 100,
        sent: 98,
        own_late: 0,
    });
    let handshakes = Quantiles::from(&fixture::durations(opened, 900));
    phase.connections.client = ClientSide {
        opened,
        open_max,
        tls_us: Quantiles::from(&fixture::durations(opened, 600)),
        handshake_us: handshakes,
        ..ClientSide::default()
    };
    phase
}

fn cell(jump: (u64, u64)) -> Cell {
    let phases = vec![
        phase("base", PhaseKind::Base, (500, 2_000), (3, 3)),
        phase("step 2", PhaseKind::Step, (5_000, 10_000), (20, 30)),
        phase("spike", PhaseKind::Spike, jump, (240, 250)),
    ];
    fixture::cell("as it is", 1, phases)
}

fn run(cell: Cell, ending: &Ending) -> Run {
    let gate = |metric: &str, limit, relative_to_phase: Option<&str>| GateSnapshot {
        variants: vec!["as it is".to_owned()],
        relative_to_phase: relative_to_phase.map(str::to_owned),
        ..fixture::gate(metric, (BoundKind::AtMost, limit))
    };
    let step = |name: &str, kind| Phase {
        name: name.to_owned(),
        kind,
        ..fixture::snapshot(&[], 1).phases[0].clone()
    };
    let mut header = fixture::run(fixture::snapshot(&["as it is"], 1), vec![]).header;
    header.workload.phases = vec![
        step("step 2", PhaseKind::Step),
        Phase {
            rate: 100.0,
            ..step("base", PhaseKind::Base)
        },
        step("spike", PhaseKind::Spike),
    ];
    header.workload.gates = vec![
        gate("error_share", 0.01, None),
        gate("response_p99", 2.0, Some("step 2")),
    ];
    judged(header, vec![cell], Some(ending))
}

fn shown(cell: Cell) -> String {
    let text = ramp_and_jump_of(&run(cell, &Ending::default()), 100);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

#[test]
fn a_jump_that_does_worse_is_told_beside_the_ramp() {
    insta::assert_snapshot!(shown(cell((5_000, 31_000))));
}

#[test]
fn a_jump_that_does_as_well_passes_and_is_called_one_jump() {
    let text = shown(cell((5_000, 11_000)));
    assert!(text.contains("PASSED: The jump's p99 is 1.1 x the ramp's"), "{text}");
    assert!(text.contains("That is one jump"), "{text}");
}

#[test]
fn errors_are_told_by_how_requests_ended() {
    let mut cell = cell((5_000, 10_000));
    let failing = OperationResult {
        outcomes: [(Outcome::Ok, 4_500), (Outcome::Timeout, 100), (Outcome::Shed, 400)].into(),
        ..cell.phases[2].operations["get"].clone()
    };
    cell.phases[2].operations.insert("get".to_owned(), failing);
    let text = shown(cell).replace("\n    ", " ");
    let told = "FAILED: 10.0 % of the requests in the jump failed, where at most 1.0 % may: 400 were turned away (503), 100 had no \
                answer in time.";
    assert!(text.contains(told), "{text}");
}

#[test]
fn too_few_answers_decide_nothing_and_neither_does_a_busy_machine() {
    let few = shown(cell((499, 31_000))).replace("\n    ", " ");
    let told = "INCONCLUSIVE: Whether the jump is worse than the ramp cannot be said: a p99 takes 500 ok answers, and the ramp had 5000, \
                the jump 499.";
    assert!(few.contains(told), "{few}");
    let mut busy = cell((5_000, 31_000));
    busy.phases[2].neighbours = Some(Neighbours {
        cpus: 2,
        foreign_cpu: Some(1.5),
        ..Neighbours::default()
    });
    let busy = shown(busy).replace("\n    ", " ");
    assert!(busy.contains("† jump: others used 1.5 of 2 cores"), "{busy}");
    assert!(busy.contains("INCONCLUSIVE: The jump's p99 is 3.1 x"), "{busy}");
    assert!(
        busy.contains("That decides nothing: others used 1.5 of 2 cores"),
        "{busy}"
    );
}

#[test]
fn errors_that_are_undecided_say_why() {
    let mut run = run(cell((5_000, 11_000)), &Ending::default());
    run.header.workload.gates[0].phases = vec!["base".to_owned()];
    run.cells[0].phases[0].neighbours = Some(Neighbours {
        cpus: 2,
        foreign_cpu: Some(1.5),
        ..Neighbours::default()
    });
    let run = judged(run.header, run.cells, Some(&Ending::default()));
    let text = ramp_and_jump_of(&run, 200);
    assert!(text.contains("INCONCLUSIVE: The jump's p99 is 1.1 x"), "{text}");
    let told = "  - inconclusive: as it is · base · get error_share: others used 1.5 of 2 cores";
    assert!(text.contains(told), "{text}");
}

#[test]
fn what_ended_before_the_jump_shows_what_there_is() {
    let mut begun = cell((5_000, 10_000));
    begun.phases.truncate(1);
    let interrupted = Ending {
        is_interrupted: true,
        lost: None,
    };
    let text = ramp_and_jump_of(&run(begun, &interrupted), 100);
    assert!(text.contains("INTERRUPTED") && text.contains("everyday"), "{text}");
    let lost = Ending {
        is_interrupted: false,
        lost: Some("cannot reach the target".to_owned()),
    };
    let text = ramp_and_jump_of(&run(fixture::cell("as it is", 1, vec![]), &lost), 100);
    assert!(
        text.contains("TARGET LOST") && text.contains("  - cannot reach the target"),
        "{text}"
    );
}
