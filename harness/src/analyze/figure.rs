//! The source of each metric: one figure of one phase, as gates, tables and results ask for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metric::{Metric, Placement, Scope};
use crate::record::{
    Calls, Cell, ClientSide, Contention, Fanout, Notifications, OperationResult, Outcome, PhaseResult, PushConnections,
    Quantiles, Retries, Run, SeriesResult,
};

/// What the requests to one of several hosts are called where an operation is named: this and the host's name.
pub const HOST: &str = "host.";

/// Which operation a figure is of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Of<'a> {
    /// Name of the traffic entry.
    pub operation: Option<&'a str>,
    /// Only its chats that live there.
    pub placement: Option<Placement>,
    /// Name of the observed series.
    pub series: Option<&'a str>,
    /// Only the first part of the phase, in whole seconds.
    pub within: Option<Duration>,
    /// Of response times less the generator's own lateness.
    pub net: bool,
}

/// The figure, in the metric's unit; `None` where there is no data, or too little for a quantile.
#[must_use]
pub fn figure(phase: &PhaseResult, metric: Metric, of: Of<'_>) -> Option<f64> {
    match metric.scope() {
        Scope::Operation | Scope::Retries => {
            let operation = operation(phase, of)?;
            match metric {
                Metric::OkWithin => ok_within(phase, operation, of.within?),
                _ => of_operation(operation, metric, of.net),
            }
        }
        Scope::Phase => of_phase(phase, metric),
        Scope::Members => of_members(phase.fanout.as_ref()?, metric),
        Scope::Joins => {
            let side = phase.join_throttle.as_ref()?;
            Some((side.admitted + side.open) as f64)
        }
        Scope::Push => of_push(phase, phase.connections.push.as_ref()?, metric),
        Scope::Series => of_series(series(phase, of)?, metric),
        Scope::Fault => None,
    }
}

/// How many samples the figure rests on; `None` of a figure that does not depend on that.
#[must_use]
pub fn samples(phase: &PhaseResult, metric: Metric, of: Of<'_>) -> Option<u64> {
    if metric.min_samples() == 0 {
        return None;
    }
    match metric.scope() {
        Scope::Operation => Some(ok(operation(phase, of)?).map_or(0, |ok| ok.count)),
        Scope::Retries => Some(operation(phase, of)?.retries.as_ref()?.succeeded),
        Scope::Members => phase.fanout.as_ref().map(|fanout| fanout.freshness_us.count),
        // Of those with a least number of samples only handshakes are a phase's.
        Scope::Phase => Some(phase.connections.client.handshake_us.count),
        Scope::Series => match series(phase, of)? {
            SeriesResult::Histogram { count, .. } => Some(*count),
            _ => None,
        },
        Scope::Push => phase.notifications.as_ref().map(|seen| seen.delay_us.count),
        Scope::Joins | Scope::Fault => None,
    }
}

/// The operation that `of` names.
#[must_use]
pub fn operation<'a>(phase: &'a PhaseResult, of: Of<'_>) -> Option<&'a OperationResult> {
    let name = of.operation?;
    let host = || Some(&phase.hosts.get(name.strip_prefix(HOST)?)?.requests);
    let whole = phase.operations.get(name).or_else(host)?;
    match of.placement {
        Some(placement) => whole.placements.get(&placement),
        None => Some(whole),
    }
}

/// The series that `of` names, where it was seen.
fn series<'a>(phase: &'a PhaseResult, of: Of<'_>) -> Option<&'a SeriesResult> {
    phase.observed.as_ref()?.series.get(of.series?)?.as_ref()
}

/// Writes every figure that the phase and its operations have into the result, by the metric's name.
pub(super) fn fill(phase: &mut PhaseResult) {
    let of_scope = |wanted: &dyn Fn(Scope) -> bool, value: &dyn Fn(Metric) -> Option<f64>| {
        let metrics = Metric::ALL.iter().filter(|metric| wanted(metric.scope()));
        metrics
            .filter_map(|metric| Some((metric.name().to_owned(), value(*metric)?)))
            .collect::<BTreeMap<_, _>>()
    };
    for operation in phase.operations.values_mut() {
        for part in operation.placements.values_mut() {
            part.figures = of_scope(&is_of_operation, &|metric| of_operation(part, metric, false));
        }
        operation.figures = of_scope(&is_of_operation, &|metric| of_operation(operation, metric, false));
    }
    for host in phase.hosts.values_mut() {
        let requests = &mut host.requests;
        requests.figures = of_scope(&is_of_operation, &|metric| of_operation(requests, metric, false));
    }
    phase.figures = of_scope(&|scope| !is_of_operation(scope), &|metric| {
        figure(phase, metric, Of::default())
    });
}

fn is_of_operation(scope: Scope) -> bool {
    matches!(scope, Scope::Operation | Scope::Retries)
}

fn ok(operation: &OperationResult) -> Option<&Quantiles> {
    operation.response_us.get(Outcome::Ok.name())
}

pub(super) fn of_operation(operation: &OperationResult, metric: Metric, net: bool) -> Option<f64> {
    if operation.scheduled == 0 {
        return None;
    }
    let times = if net {
        operation.response_net_us.get(Outcome::Ok.name())
    } else {
        ok(operation)
    };
    match metric {
        Metric::GoodputRate => Some(operation.goodput_rate),
        Metric::ErrorShare => Some(error_share(operation)),
        Metric::NotAcceptedShare => Some(part_of(operation, Outcome::NotAccepted)),
        Metric::RecoveryS => operation.recovery.as_ref()?.recovered_s,
        Metric::CollapsedS => operation.recovery.as_ref().map(|recovery| recovery.collapsed_s),
        Metric::ResponseMean => times.and_then(|ok| ok.mean),
        Metric::UntilDoneP50 | Metric::UntilDoneP99 | Metric::AttemptsPerSuccess | Metric::NotDoneShare => {
            of_retries(operation.retries.as_ref()?, metric)
        }
        _ => quantile(times?, metric),
    }
}

fn quantile(times: &Quantiles, metric: Metric) -> Option<f64> {
    let us = match metric {
        Metric::ResponseP50 | Metric::UntilDoneP50 | Metric::FreshnessP50 => times.p50,
        Metric::ResponseP90 => times.p90,
        Metric::ResponseP99 | Metric::UntilDoneP99 | Metric::FreshnessP99 => times.p99,
        Metric::ResponseP999 => times.p999,
        Metric::ResponseMax => times.max,
        _ => None, // not a quantile
    };
    us.map(|us| us as f64)
}

fn of_retries(retries: &Retries, metric: Metric) -> Option<f64> {
    match metric {
        Metric::AttemptsPerSuccess => retries.attempts_per_success,
        // A caller who was still trying at the end has nothing either; without these a gate would see only calls that
        // are over.
        Metric::NotDoneShare => {
            (retries.first_tries > 0).then(|| (retries.gave_up + retries.cut_off) as f64 / retries.first_tries as f64)
        }
        _ => quantile(&retries.until_done_us, metric),
    }
}

fn of_phase(phase: &PhaseResult, metric: Metric) -> Option<f64> {
    let locks = |value: fn(&Contention) -> Option<f64>| phase.contention.as_ref().and_then(value);
    match metric {
        Metric::OnsetSentShare => {
            let onset = phase.onset.filter(|onset| onset.due > 0)?;
            Some(onset.sent as f64 / onset.due as f64)
        }
        Metric::ServerMemoryMibMax => {
            let bytes = phase.resources.get("server")?.rss_max_bytes?;
            Some(bytes as f64 / f64::from(1 << 20))
        }
        Metric::RequestsPerConnection => requests_per_connection(phase),
        Metric::AutoincWaitS => locks(|contention| Some(contention.autoinc_wait_s)),
        Metric::RowLockWaitS => locks(|contention| contention.row_lock_wait_s),
        Metric::Deadlocks => locks(|contention| contention.deadlocks.map(|deadlocks| deadlocks as f64)),
        Metric::DatabaseCpu => database_cpu(phase),
        Metric::ServerCpuPerRequest => server_cpu_per_request(phase),
        _ => of_client(&phase.connections.client, metric),
    }
}

/// A figure of the generator's connections.
pub(super) fn of_client(client: &ClientSide, metric: Metric) -> Option<f64> {
    match metric {
        Metric::ConnectionsOpenMax => Some(client.open_max as f64),
        Metric::ConnectionsOpened => Some(client.opened as f64),
        Metric::HandshakeP50 => client.handshake_us.p50.map(|us| us as f64),
        Metric::HandshakeP99 => client.handshake_us.p99.map(|us| us as f64),
        _ => None, // not theirs
    }
}

fn requests_per_connection(phase: &PhaseResult) -> Option<f64> {
    let opened = phase.connections.client.opened;
    let sent: u64 = phase.requests().map(|operation| operation.sent).sum();
    (opened > 0).then(|| sent as f64 / opened as f64)
}

fn of_push(phase: &PhaseResult, push: &PushConnections, metric: Metric) -> Option<f64> {
    let gateway = push.gateway.as_ref();
    match metric {
        Metric::PushConnectionsOpenMax => push.open_max.map(|most| most as f64),
        Metric::PushConnectionsOpened => Some(push.opened as f64),
        Metric::PushConnectionsFailed => Some(push.failed as f64),
        Metric::PushConnectionsRefused => push.refused.map(|refused| refused as f64),
        Metric::NotificationRequestsPerConnection => push.requests_per_connection,
        Metric::PushHandshakeShare => push.handshake_share,
        Metric::GatewayOverBudgetS => gateway.map(|gateway| gateway.over_budget_s),
        _ => of_notifications(phase, phase.notifications.as_ref()?, metric),
    }
}

fn of_notifications(phase: &PhaseResult, seen: &Notifications, metric: Metric) -> Option<f64> {
    let seconds = phase.end_s - phase.start_s;
    match metric {
        Metric::NotificationsDeliveredRate => (seconds > 0.0).then(|| seen.all.delivered as f64 / seconds),
        Metric::NotificationsDropped => Some(seen.all.dropped as f64),
        Metric::NotificationsUnknown => Some(seen.all.unknown as f64),
        Metric::NotificationsWaitingMax => seen.all.waiting_max.map(|most| most as f64),
        Metric::NotificationsDelayP50 => seen.delay_us.p50,
        Metric::NotificationsDelayP99 => seen.delay_us.p99,
        _ => None, // not of notifications
    }
}

fn of_series(series: &SeriesResult, metric: Metric) -> Option<f64> {
    match (series, metric) {
        (SeriesResult::Counter { rate, .. }, Metric::SeriesRate) => Some(*rate),
        (SeriesResult::Gauge { max, .. }, Metric::SeriesMax) => Some(*max),
        (SeriesResult::Histogram { p50, .. }, Metric::SeriesP50) => *p50,
        (SeriesResult::Histogram { p90, .. }, Metric::SeriesP90) => *p90,
        (SeriesResult::Histogram { p99, .. }, Metric::SeriesP99) => *p99,
        (SeriesResult::Histogram { p999, .. }, Metric::SeriesP999) => *p999,
        _ => None, // of another kind
    }
}

fn of_members(fanout: &Fanout, metric: Metric) -> Option<f64> {
    match metric {
        Metric::StaleMembersEnd => fanout.stale_members_end.map(|members| members as f64),
        Metric::FetchesPerEvent => fanout.fetches_per_event,
        Metric::FreshnessMissingShare => fanout.missing_share,
        _ => quantile(&fanout.freshness_us, metric),
    }
}

/// `ok` answers in the first seconds of the phase; `None` where it did not last that long.
fn ok_within(phase: &PhaseResult, operation: &OperationResult, within: Duration) -> Option<f64> {
    let seconds = within.as_secs();
    let lasted = phase.end_s - phase.start_s >= seconds as f64;
    lasted.then(|| operation.ok_by_second.iter().take(seconds as usize).sum::<u64>() as f64)
}

/// Part of what was scheduled that did not end `ok`; 0 of nothing.
#[must_use]
pub fn error_share(operation: &OperationResult) -> f64 {
    if operation.scheduled == 0 {
        0.0
    } else {
        1.0 - part_of(operation, Outcome::Ok)
    }
}

/// Part of what was scheduled that ended in this way; 0 of nothing.
fn part_of(operation: &OperationResult, outcome: Outcome) -> f64 {
    let count = operation.outcomes.get(&outcome).copied().unwrap_or(0);
    count as f64 / operation.scheduled.max(1) as f64
}

/// 99th percentile of the response times of `ok` answers: the smallest that 99 % of them do not exceed. `None` of none.
#[must_use]
pub fn p99_us(calls: &[Calls]) -> Option<u64> {
    let mut all: BTreeMap<u32, u64> = BTreeMap::new();
    for (us, count) in calls.iter().flat_map(|calls| &calls.ok_us) {
        *all.entry(*us).or_default() += u64::from(*count);
    }
    let rank = (all.values().sum::<u64>() * 99).div_ceil(100);
    let mut below = 0;
    let reached = all.into_iter().find(|(_, count)| {
        below += count;
        below >= rank
    });
    reached.map(|(us, _)| u64::from(us))
}

/// Cores that the databases used, mean over the phase.
#[must_use]
pub fn database_cpu(phase: &PhaseResult) -> Option<f64> {
    let seconds = phase.end_s - phase.start_s;
    let used_s = cpu_s(phase, |name| name.starts_with("shard "))?;
    (seconds > 0.0).then(|| used_s / seconds)
}

/// Microseconds of CPU of the server and of the databases for each request that was answered, whatever the answer.
fn server_cpu_per_request(phase: &PhaseResult) -> Option<f64> {
    let used_s = match cpu_s(phase, |name| name == "server") {
        Some(server_s) => server_s + cpu_s(phase, |name| name.starts_with("shard ")).unwrap_or(0.0),
        // Somebody else's server on this machine: all its processes together.
        None => phase.neighbours.as_ref()?.target_cpu? * (phase.end_s - phase.start_s),
    };
    let outcomes = phase.requests().flat_map(|operation| &operation.outcomes);
    let answered: u64 = outcomes
        .filter(|(outcome, _)| outcome.is_answer())
        .map(|(_, count)| count)
        .sum();
    (answered > 0).then(|| used_s * 1e6 / answered as f64)
}

/// CPU seconds of the processes of some name; `None` where none was seen.
fn cpu_s(phase: &PhaseResult, is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
    let used = phase.resources.iter().filter(|(name, _)| is_wanted(name));
    used.map(|(_, used)| used.cpu_s).reduce(|sum, one| sum + one)
}

/// The figure of each block of a variant, by block; `None` where the block lacks it. Blocks that ended early do not
/// count, unless all did.
#[must_use]
pub fn by_block(run: &Run, variant: &str, figure: impl Fn(&Cell) -> Option<f64>) -> BTreeMap<u32, Option<f64>> {
    let all = || run.cells.iter().filter(|cell| cell.header.variant == variant);
    let any_whole = all().any(|cell| cell.ended_early.is_none());
    let counted = all().filter(|cell| cell.ended_early.is_none() || !any_whole);
    counted.map(|cell| (cell.header.block, figure(cell))).collect()
}

/// The median over a variant's blocks of a figure, for tables; `None` where a block lacks it, or where there is none.
///
/// The block is the unit that repeats, so its figures may be ranked; requests are never pooled across blocks here.
#[must_use]
pub fn median_over_blocks(run: &Run, variant: &str, figure: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
    median(by_block(run, variant, figure).into_values().collect::<Option<_>>()?)
}

/// The middle, or the mean of the two in the middle; `None` of none.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
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
    use crate::record::{Delay, JoinSide, Resources, RoleNotifications};

    const JOIN: Of<'static> = Of {
        operation: Some("join"),
        placement: None,
        series: None,
        within: None,
        net: false,
    };

    /// Five seconds.
    fn phase_of(join: OperationResult, join_throttle: Option<JoinSide>) -> PhaseResult {
        PhaseResult {
            operations: [("join".to_owned(), join)].into(),
            join_throttle,
            ..crate::analyze::fixture::phase("spike", crate::arrival::PhaseKind::Spike, OperationResult::default())
        }
    }

    #[test]
    fn an_onset_and_the_servers_memory_are_figures_where_they_are_known() {
        let mut phase = phase_of(OperationResult::default(), None);
        let of = |phase: &PhaseResult, metric| figure(phase, metric, Of::default());
        assert_eq!(of(&phase, Metric::OnsetSentShare), None);
        assert_eq!(of(&phase, Metric::ServerMemoryMibMax), None);
        phase.onset = Some(crate::record::Onset {
            due: 200,
            sent: 150,
            own_late: 10,
        });
        let used = Resources {
            cpu_s: 1.0,
            rss_max_bytes: Some(96 << 20),
        };
        phase.resources = [("server".to_owned(), used)].into();
        assert_eq!(of(&phase, Metric::OnsetSentShare), Some(0.75));
        assert_eq!(of(&phase, Metric::ServerMemoryMibMax), Some(96.0));
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
    fn figures_of_the_push_component_are_those_of_its_side_and_of_its_gateway() {
        let mut phase = phase_of(OperationResult::default(), None);
        let of = |phase: &PhaseResult, metric| figure(phase, metric, Of::default());
        assert_eq!(of(&phase, Metric::PushConnectionsOpened), None, "there is none");
        phase.connections.push = Some(PushConnections {
            opened: 30,
            open_max: Some(12),
            requests_per_connection: Some(7.5),
            ..PushConnections::default()
        });
        phase.notifications = Some(Notifications {
            all: RoleNotifications {
                delivered: 500,
                dropped: 3,
                ..RoleNotifications::default()
            },
            delay_us: Delay {
                count: 499,
                p50: Some(2_000.0),
                ..Delay::default()
            },
            ..Notifications::default()
        });
        for (metric, expected) in [
            (Metric::PushConnectionsOpenMax, Some(12.0)),
            (Metric::PushConnectionsOpened, Some(30.0)),
            (Metric::PushConnectionsRefused, None),
            (Metric::NotificationRequestsPerConnection, Some(7.5)),
            (Metric::NotificationsDeliveredRate, Some(100.0)),
            (Metric::NotificationsDropped, Some(3.0)),
            (Metric::NotificationsUnknown, Some(0.0)),
            (Metric::NotificationsDelayP50, Some(2_000.0)),
            (Metric::NotificationsDelayP99, None),
            (Metric::GatewayOverBudgetS, None),
        ] {
            assert_eq!(of(&phase, metric), expected, "{}", metric.name());
        }
        assert_eq!(samples(&phase, Metric::NotificationsDelayP99, Of::default()), Some(499));
    }

    #[test]
    fn a_caller_who_is_cut_off_is_not_done_any_more_than_one_who_gives_up() {
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

    #[test]
    fn cpu_for_each_answer_is_that_of_the_server_and_of_every_database() {
        let used = |cpu_s| Resources {
            cpu_s,
            ..Resources::default()
        };
        let join = OperationResult {
            scheduled: 1_000,
            outcomes: [(Outcome::Ok, 700), (Outcome::Throttled, 100), (Outcome::Timeout, 200)].into(),
            ..OperationResult::default()
        };
        let mut phase = phase_of(join, None);
        phase.resources = [
            ("generator".to_owned(), used(9.0)),
            ("server".to_owned(), used(0.2)),
            ("shard 0".to_owned(), used(0.5)),
            ("shard 1".to_owned(), used(0.1)),
        ]
        .into();
        let figure = figure(&phase, Metric::ServerCpuPerRequest, Of::default()).unwrap();
        assert!((figure - 1000.0).abs() < 1e-9, "0.8 s for 800 answers: {figure}");
        phase.resources.clear();
        assert_eq!(super::figure(&phase, Metric::ServerCpuPerRequest, Of::default()), None);
        phase.neighbours = Some(crate::record::Neighbours {
            target_cpu: Some(0.32),
            ..crate::record::Neighbours::default()
        });
        let foreign = super::figure(&phase, Metric::ServerCpuPerRequest, Of::default()).unwrap();
        assert!((foreign - 2000.0).abs() < 1e-9, "0.32 cores for 5 s: {foreign}");
    }
}
