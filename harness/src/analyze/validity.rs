//! Whether the generator kept its schedule. If it did not, its figures speak of itself and not of the target.
//!
//! The lag is judged over the whole cell, since a phase of a few seconds has too few arrivals for a p99 that means anything. A single
//! phase that lagged is noted, so that its own figures are read with care.

use std::collections::BTreeSet;

use crate::arrival::PhaseKind;
use crate::record::{Cell, Durations, Outcome, PhaseResult, Quantiles};

/// Schedule lag below this is nobody's concern.
const LAG_ALWAYS_ALLOWED_US: u64 = 1_000;
/// Schedule lag may be this part of the p99 that is reported.
const LAG_SHARE_MAX: f64 = 0.05;
/// Part of the scheduled arrivals that must have been sent.
const SENT_SHARE_MIN: f64 = 0.995;
/// A worker busier than this was probably the bottleneck itself.
const WORKER_CPU_MAX: f64 = 0.9;

/// Why the cell is not valid, one sentence a reason; nothing when it is. The warm-up is not judged.
#[must_use]
pub fn reasons(cell: &Cell) -> Vec<String> {
    let mut reasons: Vec<String> = judged(cell)
        .flat_map(|phase| [unsent(phase), busy(phase)])
        .flatten()
        .collect();
    let lag_us = merged(judged(cell).map(|phase| &phase.schedule_lag_us)).quantile_us(0.99);
    let ok_p99 = |name: &String| merged(judged(cell).filter_map(|phase| response(phase, name))).quantile_us(0.99);
    let reported_us = operations(cell).into_iter().filter_map(ok_p99).min();
    reasons.extend(
        lag(lag_us, reported_us)
            .map(|lag| format!("{lag}; give the generator a core of its own (--pin) or lower the rate")),
    );
    if cell.generator.clipped > 0 {
        reasons.push(format!(
            "{} durations were above one hour and are recorded as one hour",
            cell.generator.clipped
        ));
    }
    reasons
}

/// Phases whose own lag was large against what they report; the cell may be valid all the same.
#[must_use]
pub fn notes(cell: &Cell) -> Vec<String> {
    let noted = judged(cell).filter_map(|phase| {
        let reported_us = phase
            .operations
            .keys()
            .filter_map(|name| response(phase, name)?.p99)
            .min();
        let lag = lag(phase.schedule_lag_us.p99, reported_us)?;
        Some(format!(
            "{}: {lag}, so its response times are up to that much too long",
            phase.name
        ))
    });
    noted.collect()
}

fn judged(cell: &Cell) -> impl Iterator<Item = &PhaseResult> {
    cell.phases.iter().filter(|phase| phase.kind != PhaseKind::WarmUp)
}

fn operations(cell: &Cell) -> BTreeSet<&String> {
    judged(cell).flat_map(|phase| phase.operations.keys()).collect()
}

fn response<'a>(phase: &'a PhaseResult, operation: &str) -> Option<&'a Quantiles> {
    phase.operations.get(operation)?.response_us.get(Outcome::Ok.name())
}

fn merged<'a>(parts: impl Iterator<Item = &'a Quantiles>) -> Durations {
    let mut whole = Durations::default();
    let histograms = parts
        .filter_map(|part| part.hdr.as_deref())
        .filter_map(|hdr| Durations::decode(hdr).ok());
    histograms.for_each(|histogram| whole.merge(&histogram));
    whole
}

fn lag(lag_us: Option<u64>, reported_us: Option<u64>) -> Option<String> {
    let lag_us = lag_us?;
    let allowed_us = LAG_ALWAYS_ALLOWED_US.max((reported_us.unwrap_or(0) as f64 * LAG_SHARE_MAX) as u64);
    (lag_us > allowed_us).then(|| {
        let ms = |us: u64| us as f64 / 1e3;
        format!(
            "schedule lag p99 is {:.2} ms, above the allowed {:.2} ms",
            ms(lag_us),
            ms(allowed_us)
        )
    })
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
    use crate::record::{Connections, Generator, OperationResult};

    fn quantiles(us: u64) -> Quantiles {
        let mut durations = Durations::default();
        durations.record_ns(us * 1000);
        Quantiles::from(&durations)
    }

    fn phase(name: &str, kind: PhaseKind, lag_us: u64, response_us: u64, sent: u64, worker_cpu: f64) -> PhaseResult {
        let operation = OperationResult {
            scheduled: 1000,
            sent,
            unsent: 1000 - sent,
            response_us: BTreeMap::from([("ok".to_owned(), quantiles(response_us))]),
            ..OperationResult::default()
        };
        PhaseResult {
            name: name.to_owned(),
            kind,
            start_s: 0.0,
            end_s: 1.0,
            target_rate: 1000.0,
            operations: BTreeMap::from([("join".to_owned(), operation)]),
            connections: Connections::default(),
            contention: None,
            fanout: None,
            join_throttle: None,
            resources: BTreeMap::new(),
            schedule_lag_us: quantiles(lag_us),
            worker_cpu,
        }
    }

    fn cell(phases: Vec<PhaseResult>, clipped: u64) -> Cell {
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
            phases,
            faults: vec![],
            changes: vec![],
            timeline: None,
            acknowledged: None,
        }
    }

    #[test]
    fn each_limit_is_judged_at_its_boundary() {
        for (lag_us, response_us, sent, cpu, clipped, expected) in [
            (1_000, 5_000, 1000, 0.9, 0, 0),
            (1_001, 5_000, 1000, 0.9, 0, 1),
            (4_990, 100_000, 1000, 0.5, 0, 0),
            (5_010, 100_000, 1000, 0.5, 0, 1),
            (10, 100, 995, 0.5, 0, 0),
            (10, 100, 994, 0.5, 0, 1),
            (10, 100, 1000, 0.91, 0, 1),
            (10, 100, 1000, 0.5, 1, 1),
            (9_999, 100, 1, 0.99, 1, 4),
        ] {
            let found = reasons(&cell(
                vec![phase("spike", PhaseKind::Spike, lag_us, response_us, sent, cpu)],
                clipped,
            ));
            assert_eq!(found.len(), expected, "{found:?}");
        }
    }

    #[test]
    fn the_warm_up_is_not_judged() {
        let bad = phase("warm-up", PhaseKind::WarmUp, 99_000, 100, 1, 0.99);
        let good = phase("spike", PhaseKind::Spike, 100, 5_000, 1000, 0.5);
        let cell = cell(vec![bad, good], 0);
        assert_eq!((reasons(&cell), notes(&cell)), (vec![], vec![]));
    }

    #[test]
    fn one_phase_that_lagged_is_noted_even_where_the_cell_is_valid() {
        // In the merged histograms the p99 of two values is the larger: 3 ms of lag against a p99 of 100 ms.
        let quiet = phase("base", PhaseKind::Base, 3_000, 2_000, 1000, 0.1);
        let storm = phase("spike", PhaseKind::Spike, 100, 100_000, 1000, 0.1);
        let cell = cell(vec![quiet, storm], 0);
        assert_eq!(reasons(&cell), Vec::<String>::new());
        let notes = notes(&cell);
        assert!(
            notes.len() == 1 && notes[0].starts_with("base: schedule lag p99 is 3.00 ms"),
            "{notes:?}"
        );
    }
}
