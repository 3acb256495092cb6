//! Small runs for tests of judgements.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arrival::{Phase, PhaseKind};
use crate::record::{
    BoundKind, Cell, CellHeader, Connections, Durations, Environment, GateSnapshot, Generator, GuardAction,
    GuardResult, OperationResult, Outcome, PhaseResult, Quantiles, RUN_SCHEMA, Run, RunHeader, SeriesName, Snapshot,
    TrafficSnapshot, Verdict,
};

/// A histogram of `count` durations, all of `us`.
pub(crate) fn durations(count: u64, us: u64) -> Durations {
    let mut durations = Durations::default();
    (0..count).for_each(|_| durations.record_ns(us * 1000));
    durations
}

/// `count` ok answers that took `us`, and `net_us` without the generator's own lateness.
pub(crate) fn operation(count: u64, us: u64, net_us: u64) -> OperationResult {
    let times = |us: u64| BTreeMap::from([("ok".to_owned(), Quantiles::from(&durations(count, us)))]);
    OperationResult {
        scheduled: count,
        sent: count,
        outcomes: [(Outcome::Ok, count)].into(),
        goodput_rate: count as f64,
        response_us: times(us),
        response_net_us: times(net_us),
        ..OperationResult::default()
    }
}

pub(crate) fn phase(name: &str, kind: PhaseKind, get: OperationResult) -> PhaseResult {
    PhaseResult {
        name: name.to_owned(),
        kind,
        start_s: 10.0,
        end_s: 15.0,
        target_rate: 1000.0,
        operations: [("get".to_owned(), get)].into(),
        hosts: [].into(),
        onset: None,
        connections: Connections::default(),
        contention: None,
        fanout: None,
        join_throttle: None,
        notifications: None,
        observed: None,
        resources: BTreeMap::new(),
        neighbours: None,
        schedule_lag_us: Quantiles::default(),
        worker_cpu: 0.1,
        worker_run_delay: None,
        figures: BTreeMap::new(),
    }
}

pub(crate) fn cell(variant: &str, block: u32, phases: Vec<PhaseResult>) -> Cell {
    Cell {
        header: CellHeader {
            variant: variant.to_owned(),
            block,
            directory: format!("{variant}-{block}"),
            number: 1,
            seed: 1,
            server: None,
            gateway: None,
            process: None,
            database: None,
            series: vec![SeriesName {
                entry: 0,
                placement: None,
            }],
            capacity: None,
            shards: 0,
        },
        valid: true,
        warnings: vec![],
        ended_early: None,
        generator: Generator::default(),
        observer: None,
        phases,
        faults: vec![],
        changes: vec![],
        guards: vec![],
        guard_counts: vec![],
        timeline: None,
        acknowledged: None,
        notifications: None,
        connection_axis: None,
    }
}

/// A guard that backed off at 12.1 s because of errors.
pub(crate) fn back_off() -> GuardResult {
    GuardResult {
        rule: 1,
        because: None,
        name: "get.error_share".to_owned(),
        figure: 0.041,
        bound: BoundKind::AtMost,
        limit: 0.02,
        unit: "share".to_owned(),
        over_s: 3,
        since_s: 12.0,
        action: GuardAction::BackOff,
        at_s: 12.1,
        reaction_s: 0.1,
        rate_before: 1000.0,
        rate_after: 100.0,
        until_s: None,
    }
}

pub(crate) fn snapshot(variants: &[&str], blocks: u32) -> Snapshot {
    Snapshot {
        name: "w".to_owned(),
        question: "What is reported?".to_owned(),
        phases: vec![Phase {
            name: "spike".to_owned(),
            kind: PhaseKind::Spike,
            start: Duration::from_secs(10),
            end: Duration::from_secs(15),
            rate: 1000.0,
            rates: Vec::new(),
            mix: Vec::new(),
            hosts: Vec::new(),
        }],
        traffic: vec![TrafficSnapshot {
            name: "get".to_owned(),
            operation: "get".to_owned(),
            share: 1.0,
            rate: 0.0,
            retries: false,
            follow: None,
            websocket: None,
            steps: vec![],
        }],
        hosts: Vec::new(),
        variants: variants.iter().map(ToString::to_string).collect(),
        blocks,
        spare_blocks: 0,
        faults: vec![],
        guards: vec![],
        gates: vec![],
        expectations: vec![],
        connections: 100,
        waiting: 1_000,
        series: vec![],
        workers: 1,
        timeout_s: 5.0,
        source: serde_json::Value::Null,
    }
}

pub(crate) fn run(workload: Snapshot, cells: Vec<Cell>) -> Run {
    Run {
        schema: RUN_SCHEMA.to_owned(),
        analyzed_at: String::new(),
        verdict: Verdict::Unfinished,
        reasons: vec![],
        header: RunHeader {
            bmt_version: "0".to_owned(),
            built_from: None,
            git: None,
            seed: 1,
            started_at: String::new(),
            command: "bmt run w.yaml".to_owned(),
            quick: false,
            aa: false,
            workload,
            environment: Environment::default(),
            warnings: vec![],
        },
        cells,
        set_aside: vec![],
        gates: vec![],
        expectations: vec![],
        comparisons: vec![],
    }
}

/// A gate on a figure of `get` in the spike of variant `a`.
pub(crate) fn gate(metric: &str, bound: (BoundKind, f64)) -> GateSnapshot {
    GateSnapshot {
        because: None,
        metric: metric.to_owned(),
        operation: Some("get".to_owned()),
        placement: None,
        series: None,
        within_s: None,
        fault: None,
        phases: vec!["spike".to_owned()],
        variants: vec!["a".to_owned()],
        relative_to: None,
        relative_to_phase: None,
        bounds: vec![bound],
        inconclusive: None,
    }
}
