//! Whether the generator kept its schedule. If it did not, its figures speak of itself and not of the target.

use crate::arrival::PhaseKind;
use crate::record::{Cell, PhaseResult};

/// Schedule lag below this is nobody's concern.
const LAG_ALWAYS_ALLOWED_US: u64 = 1_000;
/// Schedule lag may be this part of the p99 that the phase reports.
const LAG_SHARE_MAX: f64 = 0.05;
/// Part of the scheduled arrivals that must have been sent.
const SENT_SHARE_MIN: f64 = 0.995;
/// A worker busier than this was probably the bottleneck itself.
const WORKER_CPU_MAX: f64 = 0.9;

/// Why the cell is not valid, one sentence a reason; nothing when it is. The warm-up is not judged.
#[must_use]
pub fn reasons(cell: &Cell) -> Vec<String> {
    let judged = cell.phases.iter().filter(|phase| phase.kind != PhaseKind::WarmUp);
    let mut reasons: Vec<String> = judged
        .flat_map(|phase| [lag(phase), unsent(phase), busy(phase)])
        .flatten()
        .collect();
    if cell.generator.clipped > 0 {
        reasons.push(format!(
            "{} durations were above one hour and are recorded as one hour",
            cell.generator.clipped
        ));
    }
    reasons
}

fn lag(phase: &PhaseResult) -> Option<String> {
    let lag_us = phase.schedule_lag_us.p99?;
    let allowed_us = LAG_ALWAYS_ALLOWED_US.max((reported_p99_us(phase) as f64 * LAG_SHARE_MAX) as u64);
    (lag_us > allowed_us).then(|| {
        format!(
            "{}: schedule lag p99 is {:.2} ms, above the allowed {:.2} ms; give the generator a core of its own (--pin) or lower the rate",
            phase.name,
            lag_us as f64 / 1e3,
            allowed_us as f64 / 1e3
        )
    })
}

/// The p99 of all answers of the operation that was asked most: the headline figure, which lag would falsify.
fn reported_p99_us(phase: &PhaseResult) -> u64 {
    phase
        .operations
        .values()
        .max_by_key(|operation| operation.scheduled)
        .and_then(|operation| operation.response_us.get("all"))
        .and_then(|response| response.p99)
        .unwrap_or(0)
}

fn unsent(phase: &PhaseResult) -> Option<String> {
    let scheduled: u64 = phase.operations.values().map(|operation| operation.scheduled).sum();
    let sent: u64 = phase.operations.values().map(|operation| operation.sent).sum();
    ((sent as f64) < scheduled as f64 * SENT_SHARE_MIN).then(|| {
        format!(
            "{}: only {:.1} % of {scheduled} scheduled arrivals were sent; raise generator.connections or generator.waiting, or lower the rate",
            phase.name,
            sent as f64 / scheduled as f64 * 100.0
        )
    })
}

fn busy(phase: &PhaseResult) -> Option<String> {
    (phase.worker_cpu > WORKER_CPU_MAX).then(|| {
        format!(
            "{}: a generator worker used {:.0} % of a core; raise generator.workers or lower the rate",
            phase.name,
            phase.worker_cpu * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::{Connections, Generator, OperationResult, Quantiles};

    fn cell(lag_p99: u64, response_p99: u64, sent: u64, worker_cpu: f64, clipped: u64) -> Cell {
        let quantiles = |p99| Quantiles {
            count: 1000,
            p99: Some(p99),
            ..Quantiles::default()
        };
        let operation = OperationResult {
            scheduled: 1000,
            sent,
            unsent: 1000 - sent,
            response_us: BTreeMap::from([("all".to_owned(), quantiles(response_p99))]),
            ..OperationResult::default()
        };
        let phase = |name: &str, kind| PhaseResult {
            name: name.to_owned(),
            kind,
            start_s: 0.0,
            end_s: 1.0,
            target_rate: 1000.0,
            operations: BTreeMap::from([("join".to_owned(), operation.clone())]),
            connections: Connections::default(),
            contention: None,
            resources: BTreeMap::new(),
            schedule_lag_us: quantiles(lag_p99),
            worker_cpu,
        };
        Cell {
            variant: "v".to_owned(),
            repetition: 1,
            server: None,
            valid: true,
            warnings: vec![],
            ended_early: None,
            generator: Generator {
                clipped,
                ..Generator::default()
            },
            observer: None,
            phases: vec![phase("warm-up", PhaseKind::WarmUp), phase("spike", PhaseKind::Spike)],
            faults: vec![],
        }
    }

    #[test]
    fn each_limit_is_judged_at_its_boundary() {
        for (cell, reasons_expected) in [
            (cell(1_000, 5_000, 1000, 0.9, 0), 0),
            (cell(1_001, 5_000, 1000, 0.9, 0), 1),
            (cell(5_000, 100_000, 1000, 0.5, 0), 0),
            (cell(5_001, 100_000, 1000, 0.5, 0), 1),
            (cell(10, 100, 995, 0.5, 0), 0),
            (cell(10, 100, 994, 0.5, 0), 1),
            (cell(10, 100, 1000, 0.91, 0), 1),
            (cell(10, 100, 1000, 0.5, 1), 1),
            (cell(9_999, 100, 1, 0.99, 1), 4),
        ] {
            let found = reasons(&cell);
            assert_eq!(found.len(), reasons_expected, "{found:?}");
            assert!(found.iter().all(|reason| !reason.contains("warm-up")));
        }
    }
}
