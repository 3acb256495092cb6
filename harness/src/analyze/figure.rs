//! One figure of one cell in one phase, as gates and tables ask for it.

use std::time::Duration;

use crate::record::{Calls, Cell, OperationResult, Outcome, PhaseResult, Retries, Run};
use crate::workload::{Metric, Placement};

/// Which operation a figure is of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Of<'a> {
    /// Name of the traffic entry.
    pub operation: Option<&'a str>,
    /// Only its chats that live there.
    pub placement: Option<Placement>,
    /// Only the first part of the phase, in whole seconds.
    pub within: Option<Duration>,
}

/// The figure, in the unit of [`crate::workload::gate_value_unit`]; `None` where there is no data.
#[must_use]
pub fn figure(phase: &PhaseResult, metric: Metric, of: Of<'_>) -> Option<f64> {
    match metric {
        Metric::ConnectionsOpenMax => Some(phase.connections.client.open_max as f64),
        Metric::AutoincWaitS => phase.contention.as_ref().map(|contention| contention.autoinc_wait_s),
        Metric::RowLockWaitS => phase.contention.as_ref().map(|contention| contention.row_lock_wait_s),
        Metric::Deadlocks => phase.contention.as_ref().map(|contention| contention.deadlocks as f64),
        Metric::DatabaseCpu => database_cpu(phase),
        Metric::FreshnessP50 => phase.fanout.as_ref()?.freshness_us.p50.map(|us| us as f64),
        Metric::FreshnessP99 => phase.fanout.as_ref()?.freshness_us.p99.map(|us| us as f64),
        Metric::StaleMembersEnd => phase.fanout.as_ref()?.stale_members_end.map(|members| members as f64),
        Metric::FetchesPerEvent => phase.fanout.as_ref()?.fetches_per_event,
        Metric::OkWithin => ok_within(phase, of),
        Metric::JoinsAdmitted => {
            let side = phase.join_throttle.as_ref()?;
            Some((side.admitted + side.open) as f64)
        }
        _ => operation(phase, of).and_then(|operation| operation_figure(operation, metric)),
    }
}

/// The operation that `of` names.
#[must_use]
pub fn operation<'a>(phase: &'a PhaseResult, of: Of<'_>) -> Option<&'a OperationResult> {
    let whole = phase.operations.get(of.operation?)?;
    match of.placement {
        Some(placement) => whole.placements.get(&placement),
        None => Some(whole),
    }
}

fn operation_figure(operation: &OperationResult, metric: Metric) -> Option<f64> {
    if operation.scheduled == 0 {
        return None;
    }
    let ok = operation.response_us.get(Outcome::Ok.name());
    let quantile = |value: fn(&crate::record::Quantiles) -> Option<u64>| ok.and_then(value).map(|us| us as f64);
    match metric {
        Metric::GoodputRate => Some(operation.goodput_rate),
        Metric::ErrorShare => Some(error_share(operation)),
        Metric::ResponseMean => ok.and_then(|ok| ok.mean),
        Metric::ResponseP50 => quantile(|ok| ok.p50),
        Metric::ResponseP90 => quantile(|ok| ok.p90),
        Metric::ResponseP99 => quantile(|ok| ok.p99),
        Metric::ResponseP999 => quantile(|ok| ok.p999),
        Metric::ResponseMax => quantile(|ok| ok.max),
        Metric::UntilDoneP50 | Metric::UntilDoneP99 | Metric::AttemptsPerSuccess | Metric::NotDoneShare => {
            retries_figure(operation.retries.as_ref()?, metric)
        }
        _ => None, // not an operation's
    }
}

fn retries_figure(retries: &Retries, metric: Metric) -> Option<f64> {
    match metric {
        Metric::UntilDoneP50 => retries.until_done_us.p50.map(|us| us as f64),
        Metric::UntilDoneP99 => retries.until_done_us.p99.map(|us| us as f64),
        Metric::AttemptsPerSuccess => retries.attempts_per_success,
        // Who was still trying at the end has nothing either; without him a gate would see only those whose journey is over.
        Metric::NotDoneShare if retries.first_tries > 0 => {
            Some((retries.gave_up + retries.cut_off) as f64 / retries.first_tries as f64)
        }
        _ => None, // nobody came
    }
}

/// `ok` answers in the first seconds of the phase; `None` where it did not last that long.
fn ok_within(phase: &PhaseResult, of: Of<'_>) -> Option<f64> {
    let seconds = of.within?.as_secs();
    let lasted = phase.end_s - phase.start_s >= seconds as f64;
    let by_second = &operation(phase, of)?.ok_by_second;
    lasted.then(|| by_second.iter().take(seconds as usize).sum::<u64>() as f64)
}

/// Part of what was scheduled that did not end `ok`; 0 of nothing.
#[must_use]
pub fn error_share(operation: &OperationResult) -> f64 {
    let ok = operation.outcomes.get(&Outcome::Ok).copied().unwrap_or(0);
    if operation.scheduled == 0 {
        0.0
    } else {
        1.0 - ok as f64 / operation.scheduled as f64
    }
}

/// 99th percentile of the response times of `ok` answers: the smallest that 99 % of them do not exceed. `None` of none.
#[must_use]
pub fn p99_us(calls: &[Calls]) -> Option<u64> {
    let mut all: Vec<u32> = calls.iter().flat_map(|calls| &calls.ok_us).copied().collect();
    let rank = (all.len() * 99).div_ceil(100).checked_sub(1)?;
    let (_, p99, _) = all.select_nth_unstable(rank);
    Some(u64::from(*p99))
}

/// Cores that the databases used, mean over the phase.
#[must_use]
pub fn database_cpu(phase: &PhaseResult) -> Option<f64> {
    let seconds = phase.end_s - phase.start_s;
    let shards: Vec<f64> = phase
        .resources
        .iter()
        .filter(|(name, _)| name.starts_with("shard "))
        .map(|(_, used)| used.cpu_s)
        .collect();
    (!shards.is_empty() && seconds > 0.0).then(|| shards.iter().sum::<f64>() / seconds)
}

/// The median over a variant's repetitions of a figure; `None` where a repetition lacks it, or where there is none.
///
/// The run is the unit that repeats, so figures of runs may be ranked; requests are never pooled across runs here.
#[must_use]
pub fn median_over_repetitions(run: &Run, variant: &str, figure: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
    let cells = run.cells.iter().filter(|cell| cell.variant == variant);
    let mut values: Vec<f64> = cells.map(figure).collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The phase of that name.
#[must_use]
pub fn phase<'a>(cell: &'a Cell, name: &str) -> Option<&'a PhaseResult> {
    cell.phases.iter().find(|phase| phase.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::PhaseKind;
    use crate::record::{Connections, JoinSide, Quantiles};

    const JOIN: Of<'static> = Of {
        operation: Some("join"),
        placement: None,
        within: None,
    };

    /// Five seconds.
    fn phase_of(join: OperationResult, join_throttle: Option<JoinSide>) -> PhaseResult {
        PhaseResult {
            name: "spike".to_owned(),
            kind: PhaseKind::Spike,
            start_s: 10.0,
            end_s: 15.0,
            target_rate: 10.0,
            operations: [("join".to_owned(), join)].into(),
            connections: Connections::default(),
            contention: None,
            fanout: None,
            join_throttle,
            resources: [].into(),
            schedule_lag_us: Quantiles::default(),
            worker_cpu: 0.0,
        }
    }

    #[test]
    fn ok_within_counts_whole_seconds_and_needs_a_phase_that_lasted() {
        let join = OperationResult {
            ok_by_second: vec![30, 10, 0, 5],
            ..OperationResult::default()
        };
        let phase = phase_of(join, None);
        for (within_s, expected) in [(1, Some(30.0)), (2, Some(40.0)), (5, Some(45.0)), (6, None)] {
            let of = Of {
                within: Some(Duration::from_secs(within_s)),
                ..JOIN
            };
            assert_eq!(figure(&phase, Metric::OkWithin, of), expected, "{within_s} s");
        }
    }

    #[test]
    fn joins_are_admitted_under_the_limit_and_where_nobody_could_tell() {
        let side = JoinSide {
            admitted: 40,
            refused: 500,
            open: 2,
            closed: 7,
            ..JoinSide::default()
        };
        let admitted = |side| {
            let phase = phase_of(OperationResult::default(), side);
            figure(&phase, Metric::JoinsAdmitted, Of::default())
        };
        assert_eq!(admitted(Some(side)), Some(42.0));
        assert_eq!(admitted(None), None, "nothing is throttled");
    }

    #[test]
    fn who_is_cut_off_is_not_done_any_more_than_who_gives_up() {
        let not_done = |retries| {
            let join = OperationResult {
                scheduled: 25,
                retries: Some(retries),
                ..OperationResult::default()
            };
            figure(&phase_of(join, None), Metric::NotDoneShare, JOIN)
        };
        let retries = Retries {
            first_tries: 10,
            retries: 15,
            succeeded: 5,
            gave_up: 2,
            cut_off: 3,
            ..Retries::default()
        };
        assert_eq!(not_done(retries), Some(0.5));
        assert_eq!(not_done(Retries::default()), None, "nobody came");
    }
}
