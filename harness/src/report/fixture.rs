//! Runs to print. Gates, comparisons and the verdict are made by the analysis, as they are of a real run.

use std::time::Duration;

use crate::analyze;
use crate::arrival::{Phase, PhaseKind};
use crate::metric::Placement;
use crate::record::{
    Answer, BoundKind, Cell, CellHeader, Connections, Contention, Durations, Ending, Environment, GateResult,
    GateSnapshot, Generator, OperationResult, Outcome, PhaseResult, Quantiles, Resources, Run, RunHeader, Snapshot,
    TrafficSnapshot,
};

/// 35 s: warm-up, base, spike.
const PHASES: [(&str, PhaseKind, u64, u64, f64); 3] = [
    ("warm-up", PhaseKind::WarmUp, 0, 5, 200.0),
    ("base", PhaseKind::Base, 5, 15, 200.0),
    ("spike", PhaseKind::Spike, 15, 35, 2000.0),
];

fn phases() -> Vec<Phase> {
    let phase = |(name, kind, start, end, rate): (&str, PhaseKind, u64, u64, f64)| Phase {
        name: name.to_owned(),
        kind,
        start: Duration::from_secs(start),
        end: Duration::from_secs(end),
        rate,
        rates: Vec::new(),
        mix: Vec::new(),
        hosts: Vec::new(),
    };
    PHASES.into_iter().map(phase).collect()
}

/// A traffic entry.
pub(super) fn traffic(name: &str, share: f64, rate: f64) -> TrafficSnapshot {
    TrafficSnapshot {
        name: name.to_owned(),
        operation: "join".to_owned(),
        share,
        rate,
        retries: false,
        follow: None,
        websocket: None,
        steps: vec![],
    }
}

/// What is fixed before a run of two variants, `none` and `both`.
pub(super) fn header(blocks: u32) -> RunHeader {
    RunHeader {
        bmt_version: "0.1.0".to_owned(),
        built_from: None,
        git: None,
        seed: 7,
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        command: "bmt run storm.yaml".to_owned(),
        quick: false,
        aa: false,
        workload: Snapshot {
            name: "storm".to_owned(),
            question: "Does a join storm leave the others alone?".to_owned(),
            phases: phases(),
            traffic: vec![traffic("count", 0.0, 200.0), traffic("hot_join", 0.9, 0.0)],
            hosts: Vec::new(),
            variants: vec!["none".to_owned(), "both".to_owned()],
            blocks,
            spare_blocks: 0,
            faults: vec![],
            guards: vec![],
            gates: vec![],
            expectations: vec![],
            connections: 500,
            waiting: 4_096,
            series: vec![],
            workers: 1,
            timeout_s: 10.0,
            source: serde_json::Value::Null,
        },
        environment: Environment {
            kernel: "Linux 6.8".to_owned(),
            cpus: 2,
            ..Environment::default()
        },
        warnings: vec![],
    }
}

/// What one operation measured in a phase of so many seconds: `ok_ms` is the median, and p99 is about ten times that.
pub(super) fn operation(seconds: f64, rate: f64, ok_ms: f64, rejected: f64) -> OperationResult {
    let scheduled = (seconds * rate).round() as u64;
    let shed = (scheduled as f64 * rejected).round() as u64;
    let ok = scheduled - shed;
    let mut times = Durations::default();
    for number in 0..ok {
        // A quantile function: half at or below the median, a tail up to twelve times of it.
        let quantile = (number as f64 + 0.5) / ok as f64;
        let factor = 0.5 + quantile + 9.0 * ((quantile - 0.9).max(0.0) * 10.0).powi(4);
        times.record_ns((ok_ms * factor * 1e6) as u64);
    }
    let quantiles = Quantiles::from(&times).without_histogram();
    let of_ok = |quantiles: &Quantiles| [(Outcome::Ok.name().to_owned(), quantiles.clone())].into();
    let outcomes = [(Outcome::Ok, ok), (Outcome::Shed, shed)];
    OperationResult {
        scheduled,
        sent: scheduled,
        outcomes: outcomes.into_iter().filter(|(_, count)| *count > 0).collect(),
        goodput_rate: ok as f64 / seconds,
        response_us: of_ok(&quantiles),
        response_net_us: of_ok(&quantiles),
        service_us: of_ok(&quantiles),
        ..OperationResult::default()
    }
}

/// A phase in which nothing was measured yet.
pub(super) fn phase(name: &str, kind: PhaseKind, start_s: f64, end_s: f64, target_rate: f64) -> PhaseResult {
    PhaseResult {
        name: name.to_owned(),
        kind,
        start_s,
        end_s,
        target_rate,
        operations: [].into(),
        hosts: [].into(),
        onset: None,
        connections: Connections::default(),
        contention: None,
        fanout: None,
        join_throttle: None,
        notifications: None,
        observed: None,
        resources: [].into(),
        schedule_lag_us: Quantiles::default(),
        neighbours: None,
        worker_cpu: 0.1,
        worker_run_delay: None,
        figures: [].into(),
    }
}

/// A cell without phases.
pub(super) fn cell(variant: &str, block: u32, number: usize) -> Cell {
    Cell {
        header: CellHeader {
            variant: variant.to_owned(),
            block,
            directory: format!("{number:02}-{variant}"),
            number,
            seed: 7,
            server: None,
            gateway: None,
            process: None,
            database: None,
            series: vec![],
            capacity: None,
            shards: 0,
        },
        valid: true,
        warnings: vec![],
        ended_early: None,
        generator: Generator::default(),
        observer: None,
        phases: vec![],
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

/// A cell of the storm. Blocks differ by a few percent; `none` is several times slower than `both` and degrades the
/// bystander.
pub(super) fn storm_cell(variant: &str, block: u32, number: usize) -> Cell {
    let noise = 1.0 + 0.03 * f64::from((block * 7) % 5) - 0.06;
    let slow = if variant == "none" { 5.5 } else { 1.0 };
    let mut cell = cell(variant, block, number);
    for (name, kind, start, end, rate) in PHASES {
        let seconds = (end - start) as f64;
        let is_spike = kind == PhaseKind::Spike;
        let mut phase = phase(name, kind, start as f64, end as f64, rate);
        let count_ms = if is_spike { 3.0 * slow } else { 1.0 };
        let mut count = operation(seconds, 200.0, count_ms * noise, 0.0);
        count.placements = [Placement::HotShard, Placement::OtherShards]
            .map(|placement| {
                let slow = if placement == Placement::HotShard {
                    count_ms
                } else {
                    1.0
                };
                (placement, operation(seconds, 100.0, slow * noise, 0.0))
            })
            .into();
        let rejected = if is_spike && variant == "both" { 0.057 } else { 0.0 };
        let join_ms = if is_spike { 4.0 * slow } else { 2.0 };
        phase.operations = [
            (
                "hot_join".to_owned(),
                operation(seconds, rate * 0.9, join_ms * noise, rejected),
            ),
            ("count".to_owned(), count),
        ]
        .into();
        phase.connections.client.open_max = 40;
        phase.contention = Some(Contention {
            autoinc_wait_s: if is_spike { 3.2 * slow } else { 0.0 },
            row_lock_wait_s: Some(0.4),
            ..Contention::default()
        });
        let used = |cpu_s: f64| Resources {
            cpu_s,
            rss_max_bytes: None,
        };
        let (server, shard) = (
            used(0.00012 * seconds * rate * noise),
            used(0.00021 * seconds * rate * noise),
        );
        phase.resources = [("server".to_owned(), server), ("shard 0".to_owned(), shard)].into();
        cell.phases.push(phase);
    }
    cell
}

/// What the analysis makes of a header and cells of a run that ended.
pub(super) fn judged(header: RunHeader, cells: Vec<Cell>) -> Run {
    analyze::judged(header, cells, Some(&Ending::default()))
}

/// The storm with so many blocks, and a gate and an expectation.
pub(super) fn storm(blocks: u32) -> Run {
    let mut header = header(blocks);
    header.workload.gates = vec![
        GateSnapshot {
            bounds: vec![(BoundKind::AtMost, 100_000.0)],
            ..gate_of("response_p99", &["both"])
        },
        GateSnapshot {
            operation: Some("count".to_owned()),
            bounds: vec![(BoundKind::AtMost, 0.0)],
            ..gate_of("error_share", &["both"])
        },
    ];
    header.workload.expectations = vec![GateSnapshot {
        relative_to: Some("both".to_owned()),
        bounds: vec![(BoundKind::AtLeast, 5.0)],
        because: Some("without isolation the storm has to hurt".to_owned()),
        ..gate_of("response_p99", &["none"])
    }];
    let cells = (1..=blocks).flat_map(|block| [("none", block), ("both", block)]);
    let cells = cells
        .zip(1..)
        .map(|((variant, block), number)| storm_cell(variant, block, number));
    judged(header, cells.collect())
}

/// The storm with five blocks.
pub(super) fn run() -> Run {
    storm(5)
}

fn gate_of(metric: &str, variants: &[&str]) -> GateSnapshot {
    GateSnapshot {
        because: None,
        metric: metric.to_owned(),
        operation: Some("hot_join".to_owned()),
        placement: None,
        series: None,
        within_s: None,
        fault: None,
        phases: vec!["spike".to_owned()],
        variants: variants.iter().map(|variant| (*variant).to_owned()).collect(),
        relative_to: None,
        relative_to_phase: None,
        bounds: vec![],
        inconclusive: None,
    }
}

/// A gate that passed.
pub(super) fn gate(name: &str, metric: &str, unit: &str, limit: f64) -> GateResult {
    GateResult {
        name: name.to_owned(),
        because: None,
        variant: "none".to_owned(),
        phase: "spike".to_owned(),
        metric: metric.to_owned(),
        actual: None,
        low: None,
        high: None,
        bound: BoundKind::AtMost,
        limit,
        unit: unit.to_owned(),
        method: None,
        n: 0,
        blocks: vec![],
        answer: Answer::Pass,
        reason: None,
        undecidable: false,
    }
}

/// The same with what was measured.
pub(super) fn measured(gate: &GateResult, blocks: &[f64], (centre, low, high): (f64, f64, f64)) -> GateResult {
    GateResult {
        actual: Some(centre),
        low: Some(low),
        high: Some(high),
        n: u32::try_from(blocks.len()).unwrap(),
        method: Some(if gate.unit == "ratio" { "t95_log" } else { "each_block" }.to_owned()),
        blocks: blocks.iter().map(|value| Some(*value)).collect(),
        ..gate.clone()
    }
}
