//! From merged intervals and folded samples to the phases of a cell.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fanout;
use crate::drive::LaneTable;
use crate::observe::Observed;
use crate::record::{
    ClientConnections, ClientSide, Collected, Connections, Durations, Generator, Interval, Lane, LaneName,
    OperationResult, Outcome, PhaseResult, Quantiles, Retries,
};
use crate::workload::{Placement, Workload};

/// The names of a workload's lanes, in the order of [`LaneTable`]. `placed` says whether it is known on which shard each chat lives.
#[must_use]
pub fn lane_names(workload: &Workload, placed: bool) -> Vec<LaneName> {
    workload
        .traffic
        .iter()
        .flat_map(|traffic| {
            [Placement::HotShard, Placement::OtherShards].map(|placement| LaneName {
                operation: traffic.name.clone(),
                placement: (placed && traffic.group.is_some()).then_some(placement),
            })
        })
        .collect()
}

/// The phases of a cell that ended `ended` after its start; phases that had not begun by then are left out.
#[must_use]
pub fn phases(
    workload: &Workload,
    collected: &Collected,
    observed: &Observed,
    names: &[LaneName],
    ended: Duration,
) -> Vec<PhaseResult> {
    workload
        .profile
        .phases()
        .iter()
        .zip(&collected.phases)
        .enumerate()
        .filter(|(_, (phase, _))| phase.start < ended)
        .map(|(index, (phase, interval))| {
            let end = phase.end.min(ended);
            PhaseResult {
                name: phase.name.clone(),
                kind: phase.kind,
                start_s: phase.start.as_secs_f64(),
                end_s: end.as_secs_f64(),
                target_rate: phase.rate,
                operations: operations(workload, interval, names, (end - phase.start).as_secs_f64()),
                connections: Connections {
                    client: client_side(&interval.connections),
                    server: observed.server(index),
                    database: observed.database(index),
                    push: interval
                        .following
                        .as_ref()
                        .map(|following| client_side(&following.sockets)),
                },
                contention: observed.contention(index),
                fanout: fanout::of_phase(workload, interval, observed.push(index)),
                join_throttle: observed.joins(index),
                resources: observed.resources(index),
                schedule_lag_us: (&interval.schedule_lag).into(),
                worker_cpu: interval.worker_cpu.share(),
            }
        })
        .collect()
}

/// How the generator did over all phases.
#[must_use]
pub fn generator(threads: usize, collected: &Collected) -> Generator {
    let mut lag = Durations::default();
    let mut generator = Generator {
        threads,
        ..Generator::default()
    };
    for interval in &collected.phases {
        lag.merge(&interval.schedule_lag);
        generator.cpu_max = generator.cpu_max.max(interval.worker_cpu.share());
        generator.clipped += interval.schedule_lag.clipped();
        for lane in &interval.lanes {
            generator.unsent += lane.unsent;
            let times = Outcome::ALL.into_iter().filter_map(|outcome| lane.times(outcome));
            generator.clipped += times
                .map(|times| times.response.clipped() + times.service.clipped())
                .sum::<u64>();
            generator.clipped += lane
                .journeys
                .as_ref()
                .map_or(0, |journeys| journeys.until_done.clipped());
        }
    }
    generator.schedule_lag_us = (&lag).into();
    generator
}

fn client_side(connections: &ClientConnections) -> ClientSide {
    ClientSide {
        opened: connections.opened,
        closed: connections.closed,
        failed: connections.failed,
        open_max: connections.open_max,
        handshake_us: (&connections.handshake).into(),
    }
}

fn operations(
    workload: &Workload,
    interval: &Interval,
    names: &[LaneName],
    seconds: f64,
) -> BTreeMap<String, OperationResult> {
    workload
        .traffic
        .iter()
        .enumerate()
        .map(|(entry, traffic)| {
            let first = LaneTable::lane(entry, None);
            let lanes = first..first + 2;
            let mut whole = Lane::default();
            interval.lanes[lanes.clone()].iter().for_each(|lane| whole.merge(lane));
            let retries = traffic.retry.is_some();
            let mut result = operation(&whole, seconds, retries);
            result.placements = lanes
                .filter(|lane| interval.lanes[*lane].scheduled > 0)
                .filter_map(|lane| {
                    Some((
                        names[lane].placement?,
                        operation(&interval.lanes[lane], seconds, retries),
                    ))
                })
                .collect();
            (traffic.name.clone(), result)
        })
        .collect()
}

fn operation(lane: &Lane, seconds: f64, retries: bool) -> OperationResult {
    let mut result = OperationResult {
        scheduled: lane.scheduled,
        sent: lane.scheduled - lane.unsent,
        unsent: lane.unsent,
        cut_off: lane.cut_off,
        ok_by_second: by_second(&lane.ok_answered),
        retries: retries.then(|| tried_again(lane)),
        ..OperationResult::default()
    };
    let (mut response, mut service) = (Durations::default(), Durations::default());
    for outcome in Outcome::ALL {
        let Some(times) = lane.times(outcome) else { continue };
        result.outcomes.insert(outcome, times.response.count());
        result
            .response_us
            .insert(outcome.name().to_owned(), (&times.response).into());
        result
            .service_us
            .insert(outcome.name().to_owned(), (&times.service).into());
        response.merge(&times.response);
        service.merge(&times.service);
    }
    result.response_us.insert("all".to_owned(), Quantiles::from(&response));
    result.service_us.insert("all".to_owned(), Quantiles::from(&service));
    let ok = result.outcomes.get(&Outcome::Ok).copied().unwrap_or(0);
    result.goodput_rate = if seconds > 0.0 { ok as f64 / seconds } else { 0.0 };
    result
}

fn by_second(counts: &BTreeMap<u64, u64>) -> Vec<u64> {
    let seconds = counts.keys().next_back().map_or(0, |last| last + 1);
    (0..seconds)
        .map(|second| counts.get(&second).copied().unwrap_or(0))
        .collect()
}

fn tried_again(lane: &Lane) -> Retries {
    let journeys = lane.journeys.as_deref().cloned().unwrap_or_default();
    let succeeded = journeys.until_done.count();
    Retries {
        first_tries: lane.scheduled - lane.retries,
        retries: lane.retries,
        retries_max: lane.retries_max,
        succeeded,
        succeeded_at_first: journeys.at_first,
        gave_up: journeys.gave_up,
        cut_off: journeys.cut_off,
        attempts_per_success: (succeeded > 0).then(|| journeys.attempts as f64 / succeeded as f64),
        attempts_max: journeys.attempts_max,
        until_done_us: Quantiles::from(&journeys.until_done),
    }
}
