use super::*;
use crate::analyze::fixture;
use crate::arrival::PhaseKind;
use crate::record::{Blast, Cell, ChangeResult, FaultResult, Neighbours};

/// A run of variant `a` with a spike in each block, whose ok answers took so many µs.
fn of_a(p99_us: &[u64]) -> Run {
    with_base(p99_us, &[])
}

fn with_base(own_us: &[u64], base_us: &[u64]) -> Run {
    let cells = |variant: &str, times: &[u64]| {
        let blocks = times.iter().zip(1..);
        let cells = blocks.map(|(us, block)| spike(variant, block, *us, *us));
        cells.collect::<Vec<_>>()
    };
    let variants: &[&str] = if base_us.is_empty() { &["a"] } else { &["a", "b"] };
    let blocks = u32::try_from(own_us.len()).unwrap();
    let mut all = cells("a", own_us);
    all.extend(cells("b", base_us));
    fixture::run(fixture::snapshot(variants, blocks), all)
}

fn spike(variant: &str, block: u32, us: u64, net_us: u64) -> Cell {
    let phase = fixture::phase("spike", PhaseKind::Spike, fixture::operation(1000, us, net_us));
    fixture::cell(variant, block, vec![phase])
}

fn at_most(limit: f64) -> GateSnapshot {
    fixture::gate("response_p99", (BoundKind::AtMost, limit))
}

fn only(gate: &GateSnapshot, run: &Run) -> GateResult {
    let mut results = judge(std::slice::from_ref(gate), run);
    assert_eq!(results.len(), 1, "{results:?}");
    results.remove(0)
}

#[test]
fn the_whole_interval_decides_and_a_limit_within_it_is_inconclusive() {
    let run = of_a(&[9_000, 10_000, 11_000, 10_000, 10_000]);
    let interval = only(&at_most(1.0), &run);
    let (low, high) = (interval.low.unwrap(), interval.high.unwrap());
    assert!(low < 10_000.0 && 10_000.0 < high && low > 9_000.0 && high < 11_000.0);
    for (limit, answer) in [
        (20_000.0, Answer::Pass),
        (high, Answer::Pass),
        (high - 1.0, Answer::Inconclusive),
        (low, Answer::Inconclusive),
        (low - 1.0, Answer::Fail),
    ] {
        let result = only(&at_most(limit), &run);
        assert_eq!(result.answer, answer, "{limit}: {result:?}");
        assert_eq!((result.n, result.blocks.len()), (5, 5));
    }
}

#[test]
fn an_inconclusive_gate_counts_as_the_workload_says() {
    let run = of_a(&[9_000, 10_000, 11_000]);
    for (counts_as, answer) in [
        (None, Answer::Inconclusive),
        (Some(Answer::Pass), Answer::Pass),
        (Some(Answer::Fail), Answer::Fail),
    ] {
        let gate = GateSnapshot {
            inconclusive: counts_as,
            ..at_most(10_100.0)
        };
        let result = only(&gate, &run);
        assert_eq!(result.answer, answer);
        assert!(result.reason.unwrap().contains("its interval holds the limit"));
    }
}

#[test]
fn one_block_is_one_draw_and_two_must_agree() {
    let result = only(&at_most(10_000.0), &of_a(&[9_999]));
    assert_eq!(
        (result.answer, result.reason.as_deref()),
        (Answer::Pass, Some("one draw"))
    );
    let result = only(&at_most(9_000.0), &of_a(&[9_999]));
    assert_eq!(
        (result.answer, result.reason.as_deref()),
        (Answer::Fail, Some("one draw"))
    );
    assert_eq!(only(&at_most(9_500.0), &of_a(&[9_000, 9_400])).answer, Answer::Pass);
    assert_eq!(
        only(&at_most(9_500.0), &of_a(&[9_000, 9_900])).answer,
        Answer::Inconclusive
    );
}

#[test]
fn counts_shares_and_limits_of_zero_are_judged_block_by_block() {
    let mut run = of_a(&[9_000, 9_000, 9_000]);
    let no_errors = fixture::gate("error_share", (BoundKind::AtMost, 0.0));
    assert_eq!(only(&no_errors, &run).answer, Answer::Pass);
    let get = run.cells[1].phases[0].operations.get_mut("get").unwrap();
    get.outcomes.insert(crate::record::Outcome::Ok, 999);
    let result = only(&no_errors, &run);
    assert_eq!(
        (result.answer, result.reason.as_deref()),
        (Answer::Fail, Some("in 1 of 3 blocks"))
    );
}

#[test]
fn a_ratio_is_made_within_blocks() {
    // Block by block the ratio is 2, however much the blocks differ.
    let run = with_base(&[2_000, 8_000, 400], &[1_000, 4_000, 200]);
    let gate = GateSnapshot {
        relative_to: Some("b".to_owned()),
        ..at_most(2.01)
    };
    let result = only(&gate, &run);
    assert_eq!((result.answer, result.unit.as_str()), (Answer::Pass, "ratio"));
    assert!((result.actual.unwrap() - 2.0).abs() < 0.01, "{result:?}");
}

#[test]
fn a_ratio_of_phases_is_made_within_a_cell_and_needs_samples_of_both() {
    let gate = |phase: &str| GateSnapshot {
        relative_to_phase: Some(phase.to_owned()),
        ..at_most(2.01)
    };
    let with_ramp = |samples: u64, us: u64| {
        let mut run = of_a(&[3_000]);
        let ramp = fixture::phase("step 2", PhaseKind::Step, fixture::operation(samples, us, us));
        run.cells[0].phases.insert(0, ramp);
        run
    };
    for (samples, us, answer) in [
        (1_000, 2_000, Answer::Pass),
        (1_000, 1_000, Answer::Fail),
        (499, 1_000, Answer::Inconclusive),
    ] {
        let result = only(&gate("step 2"), &with_ramp(samples, us));
        assert_eq!((result.answer, result.unit.as_str()), (answer, "ratio"), "{result:?}");
        assert_eq!(result.name, "get response_p99 relative to step 2");
    }
}

#[test]
fn nothing_over_nothing_is_no_ratio_and_a_dead_baseline_decides_nothing() {
    let gate = |limit: (BoundKind, f64)| GateSnapshot {
        relative_to: Some("b".to_owned()),
        ..fixture::gate("goodput_rate", limit)
    };
    let dead = |run: &mut Run, variant: &str| {
        for cell in run.cells.iter_mut().filter(|cell| cell.header.variant == variant) {
            cell.phases[0].operations.get_mut("get").unwrap().goodput_rate = 0.0;
        }
    };
    let mut run = with_base(&[2_000], &[1_000]);
    dead(&mut run, "b");
    let result = only(&gate((BoundKind::AtLeast, 5.0)), &run);
    assert_eq!(
        result.answer,
        Answer::Inconclusive,
        "something over nothing is not infinitely good"
    );
    assert!(result.reason.unwrap().contains("nothing to compare with"));
    dead(&mut run, "a");
    assert_eq!(only(&gate((BoundKind::AtMost, 1.1)), &run).answer, Answer::Inconclusive);
    let mut run = with_base(&[2_000], &[1_000]);
    dead(&mut run, "a");
    let result = only(&gate((BoundKind::AtLeast, 5.0)), &run);
    assert_eq!(
        (result.answer, result.actual),
        (Answer::Fail, Some(0.0)),
        "a dead variant fails"
    );
}

#[test]
fn no_data_fails_and_too_little_decides_nothing() {
    let mut run = of_a(&[9_000]);
    run.cells[0].phases[0]
        .operations
        .insert("get".to_owned(), fixture::operation(300, 9_000, 9_000));
    let result = only(&at_most(20_000.0), &run);
    assert_eq!(result.answer, Answer::Inconclusive);
    assert!(
        result.reason.unwrap().contains("300 samples are too few"),
        "p99 of 300 requests"
    );
    run.cells[0].phases[0]
        .operations
        .insert("get".to_owned(), fixture::operation(0, 9_000, 9_000));
    assert_eq!(only(&at_most(20_000.0), &run).answer, Answer::Fail);
    run.cells[0].phases.clear();
    assert_eq!(only(&at_most(20_000.0), &run).answer, Answer::Fail);
}

#[test]
fn a_relative_gate_whose_other_variant_was_not_run_is_told() {
    let run = of_a(&[9_000, 9_000, 9_000]);
    let gate = GateSnapshot {
        relative_to: Some("b".to_owned()),
        ..at_most(2.0)
    };
    let result = only(&gate, &run);
    assert_eq!(result.answer, Answer::Inconclusive);
    assert!(result.reason.unwrap().contains("left out by --variant"));
}

#[test]
fn a_cell_in_which_an_injection_failed_decides_nothing() {
    let mut run = of_a(&[9_000, 9_000, 9_000]);
    run.cells[2].changes.push(ChangeResult {
        planned_s: 3.0,
        at_s: 3.0,
        applied_s: None,
        settings: serde_json::Map::new(),
        revision: None,
        problem: Some("the server answered 503".to_owned()),
    });
    let result = only(&at_most(20_000.0), &run);
    assert_eq!((result.answer, result.n), (Answer::Inconclusive, 2));
    assert!(result.reason.unwrap().contains("the server answered 503"));
}

#[test]
fn a_block_in_which_others_used_the_machine_does_not_count() {
    let mut run = of_a(&[9_000, 9_000, 9_000, 60_000]);
    let noisy = Neighbours {
        cpus: 2,
        foreign_cpu: Some(0.7),
        ..Neighbours::default()
    };
    run.cells[3].phases[0].neighbours = Some(noisy.clone());
    let result = only(&at_most(20_000.0), &run);
    assert_eq!(
        (result.answer, result.n),
        (Answer::Pass, 3),
        "three quiet blocks decide"
    );
    run.cells[1].phases[0].neighbours = Some(noisy);
    let result = only(&at_most(20_000.0), &run);
    assert_eq!(result.answer, Answer::Inconclusive);
    assert_eq!(result.reason.as_deref(), Some("others used 0.7 of 2 cores"));
}

#[test]
fn what_is_lost_is_lost_whoever_used_the_machine() {
    let mut run = of_a(&[9_000]);
    run.cells[0].phases[0].neighbours = Some(Neighbours {
        cpus: 2,
        foreign_cpu: Some(0.7),
        ..Neighbours::default()
    });
    run.cells[0].faults = vec![lost(4)];
    let gate = GateSnapshot {
        fault: Some(0),
        ..fixture::gate("acknowledged_lost", (BoundKind::AtMost, 0.0))
    };
    assert_eq!(only(&gate, &run).answer, Answer::Fail);
    run.cells[0].faults = vec![lost(0)];
    assert_eq!(only(&gate, &run).answer, Answer::Pass);
}

/// A fault after which so many acknowledged writes are missing.
fn lost(writes: u64) -> FaultResult {
    FaultResult {
        kind: "kill_redis".to_owned(),
        target: "redis".to_owned(),
        planned_s: 1.0,
        planned_end_s: 2.0,
        start_s: Some(1.0),
        end_s: Some(2.0),
        problem: None,
        blast: Blast {
            acknowledged_lost: Some(writes),
            ..Blast::default()
        },
    }
}

#[test]
fn where_the_generators_own_lateness_changes_the_answer_nothing_is_decided_whatever_the_gate_says() {
    let mut run = of_a(&[9_000, 9_000, 9_000]);
    for (cell, block) in run.cells.iter_mut().zip(1..) {
        *cell = spike("a", block, 12_000, 9_000);
    }
    for counts_as in [None, Some(Answer::Pass), Some(Answer::Fail)] {
        let gate = GateSnapshot {
            inconclusive: counts_as,
            ..at_most(10_000.0)
        };
        let result = only(&gate, &run);
        assert_eq!((result.answer, result.undecidable), (Answer::Inconclusive, true));
    }
    assert!(!only(&at_most(20_000.0), &run).undecidable, "both ways a pass");
    assert_eq!(
        only(&at_most(5_000.0), &run).answer,
        Answer::Fail,
        "both ways a failure"
    );
}

/// Nobody looked for half a second: of the waits then nothing is known.
#[test]
fn what_may_be_higher_does_not_keep_an_upper_limit() {
    let run = |unobserved_s| {
        let mut cell = spike("a", 1, 100, 100);
        cell.phases[0].contention = Some(crate::record::Contention {
            autoinc_wait_s: 0.0,
            unobserved_s,
            ..crate::record::Contention::default()
        });
        fixture::run(fixture::snapshot(&["a"], 1), vec![cell])
    };
    let gate = |bound, limit| fixture::gate("autoinc_wait_s", (bound, limit));
    for (unobserved_s, bound, limit, answer) in [
        (0.001, BoundKind::AtMost, 0.0, Answer::Pass),
        (0.5, BoundKind::AtMost, 0.0, Answer::Inconclusive),
        (0.5, BoundKind::AtLeast, 0.0, Answer::Pass),
        (0.5, BoundKind::AtLeast, 1.0, Answer::Fail),
    ] {
        let result = only(&gate(bound, limit), &run(unobserved_s));
        assert_eq!(result.answer, answer, "{unobserved_s} {bound:?} {limit}");
    }
    let result = only(&gate(BoundKind::AtMost, 0.0), &run(0.5));
    assert!(result.reason.unwrap().contains("could not be observed for 0.5 s"));
}

#[test]
fn a_phase_from_which_a_guard_withdrew_arrivals_is_not_the_one_that_was_asked_for() {
    let mut run = of_a(&[9_000, 10_000, 11_000, 10_000]);
    let withdraw = |cell: &mut Cell, withdrawn| {
        let get = cell.phases[0].operations.get_mut("get").unwrap();
        get.withdrawn = withdrawn;
        cell.guards = vec![fixture::back_off()];
    };
    withdraw(&mut run.cells[1], 0);
    let result = only(&at_most(20_000.0), &run);
    assert_eq!(
        (result.answer, result.n),
        (Answer::Pass, 4),
        "nothing of the phase is missing"
    );
    withdraw(&mut run.cells[1], 812);
    let result = only(&at_most(20_000.0), &run);
    assert_eq!((result.answer, result.n), (Answer::Pass, 3), "three blocks are enough");
    withdraw(&mut run.cells[2], 1);
    let result = only(&at_most(20_000.0), &run);
    assert_eq!((result.answer, result.n), (Answer::Inconclusive, 2));
    assert_eq!(
        result.reason.as_deref(),
        Some("a guard withdrew 812 arrivals of it (back_off at 12.1 s)")
    );
}
