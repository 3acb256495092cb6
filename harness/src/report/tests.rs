//! What a reader sees of a run in which a shard was broken.

use std::time::Duration;

use super::{markdown, terminal};
use crate::arrival::PhaseKind;
use crate::record::{
    Blast, Cell, ChangeResult, Durations, Environment, FaultResult, Generator, JoinSide, OperationResult, PhaseResult,
    Quantiles, RUN_SCHEMA, Retries, Run, ShardBlast, ShardTimeline, Timeline, Verdict,
};
use crate::workload::{Overrides, RetryFile, parse};

const WORKLOAD: &str = "
name: outage
question: Does one sick shard leave the other alone?
profile: {kind: constant, target: 100/s, hold: 30s, warm_up: 5s}
chats: {quiet: {count: 20}}
traffic:
  count: {operation: count, chats: quiet, share: 1}
variants: [{name: none}, {name: both}]
";

fn phase(name: &str, kind: PhaseKind, start_s: f64, end_s: f64) -> PhaseResult {
    PhaseResult {
        name: name.to_owned(),
        kind,
        start_s,
        end_s,
        target_rate: 100.0,
        operations: [].into(),
        connections: crate::record::Connections::default(),
        contention: None,
        fanout: None,
        join_throttle: None,
        resources: [].into(),
        schedule_lag_us: Quantiles::default(),
        worker_cpu: 0.1,
    }
}

/// A cell of `length_s` in which shard 1 is paused from 15 s to 20 s; `during_us` is the other shard's p99 meanwhile.
fn cell(variant: &str, length_s: u64, during_us: u64, fail_fast_s: Option<f64>) -> Cell {
    let seconds = |sick: bool| {
        let during = |second: &u64| (15..20).contains(second);
        let p99 = move |second: u64| match (sick, during(&second)) {
            (_, false) => Some(4_000),
            (false, true) => Some(during_us),
            (true, true) => (second == 15).then_some(800_000),
        };
        let not_ok = move |second: u64| if sick && during(&second) { 45 } else { 0 };
        ShardTimeline {
            shard: usize::from(sick),
            requests: vec![50; length_s as usize],
            not_ok: (0..length_s).map(not_ok).collect(),
            ok_p99_us: (0..length_s).map(p99).collect(),
        }
    };
    let blast = |sick: bool, p99_during_us: Option<u64>, error_rate_during: f64| ShardBlast {
        shard: usize::from(sick),
        sick,
        requests_before: 250,
        requests_during: 250,
        p99_before_us: Some(4_000),
        p99_during_us,
        error_rate_before: Some(0.0),
        error_rate_during: Some(error_rate_during),
    };
    let fault = FaultResult {
        kind: "pause_shard".to_owned(),
        target: "shard 1".to_owned(),
        start_s: 15.02,
        end_s: Some(20.03),
        problem: None,
        blast: Blast {
            before_s: Some((9.5, 14.5)),
            fail_fast_s,
            recovered_s: Some(0.47),
            acknowledged_lost: Some(0),
            shards: vec![blast(false, Some(during_us), 0.0), blast(true, None, 0.9)],
        },
    };
    Cell {
        variant: variant.to_owned(),
        repetition: 1,
        server: None,
        valid: true,
        warnings: vec![],
        ended_early: None,
        generator: Generator::default(),
        observer: None,
        phases: vec![
            phase("warm-up", PhaseKind::WarmUp, 0.0, 5.0),
            phase("constant", PhaseKind::Step, 5.0, length_s as f64),
        ],
        faults: vec![fault],
        changes: vec![ChangeResult {
            at_s: 24.0,
            applied_s: Some(24.01),
            settings: serde_json::Map::new(),
            revision: Some(2),
            problem: None,
        }],
        timeline: Some(Timeline {
            shards: vec![seconds(false), seconds(true)],
        }),
        acknowledged: None,
    }
}

fn run(cells: Vec<Cell>) -> Run {
    let workload = parse("w.yaml", WORKLOAD, &Overrides::default()).unwrap();
    assert_eq!(workload.profile.end(), Duration::from_secs(35));
    Run {
        schema: RUN_SCHEMA.to_owned(),
        bmt_version: "0".to_owned(),
        git: None,
        seed: 1,
        started_at: String::new(),
        command: "bmt run w.yaml".to_owned(),
        quick: false,
        workload: workload.file,
        environment: Environment::default(),
        verdict: Verdict::Passed,
        warnings: vec![],
        cells,
        gates: vec![],
        comparisons: vec![],
    }
}

#[test]
fn a_fault_is_shown_by_shard_and_on_the_time_axis() {
    let run = run(vec![
        cell("none", 35, 900_000, None),
        cell("both", 35, 4_500, Some(0.98)),
    ]);
    let text = terminal(&run);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn what_a_refusal_cost_is_shown_by_variant() {
    let retried = |variant: &str, attempts_per_success: Option<f64>| {
        let mut cell = cell(variant, 35, 4_000, None);
        (cell.faults, cell.changes, cell.timeline) = (vec![], vec![], None);
        let mut until_done = Durations::default();
        for second in 1..=19 {
            until_done.record_ns(second * 500_000_000);
        }
        let retries = Retries {
            first_tries: 2_000,
            retries: 3_100,
            retries_max: 412,
            succeeded: 1_900,
            succeeded_at_first: 600,
            gave_up: 90,
            cut_off: 10,
            attempts_per_success,
            attempts_max: 5,
            until_done_us: Quantiles::from(&until_done),
        };
        let operation = OperationResult {
            scheduled: 5_100,
            retries: Some(retries),
            ..OperationResult::default()
        };
        cell.phases[1].operations = [("count".to_owned(), operation)].into();
        cell
    };
    let mut run = run(vec![retried("none", Some(1.0)), retried("both", Some(2.63))]);
    run.workload.traffic.get_mut("count").unwrap().retry = Some(RetryFile::default());
    let text = terminal(&run);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_long_cell_is_drawn_in_columns_of_several_seconds() {
    let text = markdown(&run(vec![cell("both", 200, 30_000, None)]));
    let drawing = text.split("```").nth(1).unwrap();
    insta::assert_snapshot!(drawing);
}

#[test]
fn what_a_throttle_of_joins_did_is_shown_for_the_variants_that_have_one() {
    let mut cells = vec![cell("none", 30, 4_000, None), cell("both", 30, 4_000, None)];
    cells[1].phases[1].join_throttle = Some(JoinSide {
        admitted: 7500,
        refused: 2500,
        open: 50,
        closed: 0,
        redis_calls: 10_000,
        lag_s_max: 3.25,
    });
    let text = markdown(&run(cells));
    let table = text.split("Throttle of joins").nth(1).unwrap();
    let row = table.lines().find(|line| line.contains("constant")).unwrap();
    let figures: Vec<&str> = row.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(figures, ["both", "constant", "300", "100", "2", "400", "3.25"]);
    let lines = table.lines().skip_while(|line| !line.starts_with('|'));
    let drawn = lines.take_while(|line| line.starts_with('|')).count();
    assert_eq!(drawn, 3, "head, rule, and one row: {table}");
    assert!(!markdown(&run(vec![cell("none", 30, 4_000, None)])).contains("Throttle of joins"));
}
