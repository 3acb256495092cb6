//! From merged intervals and folded samples to the phases of a cell.

use std::collections::BTreeMap;

use super::observed::Observed;
use super::recovery::RecoveryFold;
use super::{fanout, figure};
use crate::arrival::Phase;
use crate::record::{
    CellHeader, ClientConnections, ClientSide, Connections, Durations, Generator, HostResult, HostSeries, Merged,
    OperationResult, Outcome, PhaseResult, PhaseTotals, Quantiles, Retries, Series, SeriesName, SessionsResult,
    Snapshot, TrafficSnapshot, UnsentCause, WebsocketsResult,
};

/// Where the generator was late by this part of the time-out, or by so much that this part of its queue was full of
/// what became due meanwhile, what was left unsent may be its own work …
const STALL_SHARE_MAX: f64 = 0.25;
/// … if more than a hundredth of the arrivals was that late: a single hiccup leaves no more unsent than that.
const STALL_QUANTILE: f64 = 0.99;
/// Fewest `ok` answers that make a service time an everyday one.
const EVERYDAY_ANSWERS_MIN: u64 = 10;

/// What the phases of a cell are assembled from.
pub(super) struct Parts<'a> {
    pub(super) workload: &'a Snapshot,
    pub(super) header: &'a CellHeader,
    pub(super) merged: &'a Merged,
    pub(super) observed: &'a Observed,
    pub(super) recovery: &'a RecoveryFold,
    /// When the cell ended, in seconds of it.
    pub(super) ended_s: f64,
}

impl Parts<'_> {
    /// Whether arrivals that found no connection are the target's fault: it held every one, although the offered rate
    /// at its everyday service time needs fewer than the generator may open. Where it never answered at all, it is.
    /// Where the generator itself was late by so much that arrivals may have piled up for that alone, it is not.
    fn holds_too_many(&self, totals: &PhaseTotals, is_request: &[bool], seconds: f64, everyday_s: Option<f64>) -> bool {
        let scheduled: u64 = requests(totals, is_request).map(|series| series.scheduled).sum();
        let lag_us = totals.schedule_lag.quantile_us(STALL_QUANTILE);
        let lag_s = lag_us.map_or(0.0, |us| us as f64 / 1e6);
        let queue_s = f64::from(self.workload.waiting) * seconds / scheduled.max(1) as f64;
        if lag_s > STALL_SHARE_MAX * self.workload.timeout_s.min(queue_s) {
            return false;
        }
        let capacity = self.header.capacity.unwrap_or(self.workload.connections.into()) as f64;
        let was_sent = requests(totals, is_request).any(|series| series.scheduled > series.unsent());
        match everyday_s {
            Some(everyday_s) if seconds > 0.0 => scheduled as f64 / seconds * everyday_s < capacity,
            _ => was_sent,
        }
    }

    /// The phases that had begun when the cell ended.
    pub(super) fn phases(&self) -> Vec<PhaseResult> {
        let is_request = self.requests();
        let everyday_s = everyday_service_s(self.merged, &is_request);
        let phases = self.workload.phases.iter().zip(&self.merged.phases).enumerate();
        phases
            .filter(|(_, (phase, _))| phase.start.as_secs_f64() < self.ended_s)
            .map(|(index, (phase, totals))| {
                let (start_s, end_s) = (phase.start.as_secs_f64(), phase.end.as_secs_f64().min(self.ended_s));
                let is_targets = self.holds_too_many(totals, &is_request, end_s - start_s, everyday_s);
                let mut result = PhaseResult {
                    name: phase.name.clone(),
                    kind: phase.kind,
                    start_s,
                    end_s,
                    target_rate: phase.rate,
                    operations: self.operations(totals, end_s - start_s, is_targets),
                    hosts: self.hosts(phase, totals, end_s - start_s, is_targets),
                    onset: (totals.onset.due > 0).then_some(totals.onset),
                    connections: Connections {
                        client: client_side(&totals.connections()),
                        server: self.observed.server(index),
                        database: self.observed.database(index),
                        push: self.observed.push_connections(index),
                        members: totals.following().map(|following| client_side(&following.sockets)),
                    },
                    contention: self.observed.contention(index),
                    fanout: fanout::of_phase(self.workload, self.header, totals, self.observed.push(index)),
                    join_throttle: self.observed.joins(index),
                    notifications: self.observed.notifications(index),
                    observed: self.observed.observed(index),
                    resources: self.observed.resources(index),
                    neighbours: self.observed.neighbours(index),
                    schedule_lag_us: (&totals.schedule_lag).into(),
                    worker_cpu: totals.worker_cpu(),
                    worker_run_delay: run_delay(totals),
                    figures: BTreeMap::new(),
                };
                self.put_recovery(index, &mut result);
                figure::fill(&mut result);
                result
            })
            .collect()
    }

    fn put_recovery(&self, phase: usize, result: &mut PhaseResult) {
        let of = (self.workload, self.header, self.merged);
        for (entry, traffic) in self.workload.traffic.iter().enumerate() {
            if let Some(operation) = result.operations.get_mut(&traffic.name) {
                operation.recovery = self.recovery.after((phase, entry), of, self.ended_s);
            }
        }
    }

    fn hosts(
        &self,
        phase: &Phase,
        totals: &PhaseTotals,
        seconds: f64,
        is_targets: bool,
    ) -> BTreeMap<String, HostResult> {
        let totals = totals.hosts();
        let sent = |host: &HostSeries| host.requests.scheduled.saturating_sub(host.requests.unsent());
        let all: u64 = totals.iter().map(sent).sum();
        let names = self.workload.hosts.iter().zip(&totals).zip(&phase.hosts);
        names
            .map(|((name, host), share)| {
                let result = HostResult {
                    share_offered: *share,
                    share: (all > 0).then(|| sent(host) as f64 / all as f64),
                    requests: operation(&host.requests, seconds, is_targets, None),
                    connections: client_side(&host.connections),
                };
                (name.clone(), result)
            })
            .collect()
    }

    /// Of each series, whether it takes one of the generator's connections for requests: what goes over held ones does
    /// not.
    fn requests(&self) -> Vec<bool> {
        let series = self.header.series.iter();
        let entry = |name: &SeriesName| self.workload.traffic.get(name.entry);
        series
            .map(|name| entry(name).is_none_or(|entry| entry.websocket.is_none()))
            .collect()
    }

    fn operations(&self, totals: &PhaseTotals, seconds: f64, is_targets: bool) -> BTreeMap<String, OperationResult> {
        let entries = self.workload.traffic.iter().enumerate();
        entries
            .map(|(entry, traffic)| {
                let own = self.header.series.iter().enumerate();
                let own: Vec<usize> = own
                    .filter(|(_, name)| name.entry == entry)
                    .map(|(index, _)| index)
                    .collect();
                let of = |series: &[usize]| {
                    let merged = merged(totals, series);
                    if traffic.is_session() {
                        return OperationResult {
                            withdrawn: self.withdrawn_sessions(totals, entry),
                            ..sessions(traffic, merged, seconds, is_targets)
                        };
                    }
                    let retries_max = traffic.retries.then(|| totals.retries_max(series));
                    operation(&merged, seconds, is_targets, retries_max)
                };
                let mut result = of(&own);
                result.websockets = traffic.websocket.as_ref().map(|_| websockets(totals, &own));
                result.placements = own
                    .iter()
                    .filter(|index| totals.series[**index].scheduled > 0)
                    .filter_map(|index| Some((self.header.series[*index].placement?, of(&[*index]))))
                    .collect();
                (traffic.name.clone(), result)
            })
            .collect()
    }
}

impl Parts<'_> {
    /// Sessions that were not begun because a guard had lowered the rate: their first steps were withdrawn, and steps
    /// stand behind their session.
    fn withdrawn_sessions(&self, totals: &PhaseTotals, entry: usize) -> u64 {
        let first = self.header.series.iter().position(|name| name.entry == entry + 1);
        first.map_or(0, |index| totals.series[index].withdrawn)
    }
}

/// How the generator did over all phases.
pub(super) fn generator(workload: &Snapshot, merged: &Merged) -> Generator {
    let mut lag = Durations::default();
    let mut generator = Generator {
        threads: workload.workers as usize,
        ..Generator::default()
    };
    for totals in &merged.phases {
        lag.merge(&totals.schedule_lag);
        generator.cpu_max = generator.cpu_max.max(totals.worker_cpu());
        generator.run_delay_max = match (generator.run_delay_max, run_delay(totals)) {
            (Some(most), Some(own)) => Some(f64::max(most, own)),
            (most, own) => most.or(own),
        };
        generator.unsent += totals.series.iter().map(Series::unsent).sum::<u64>();
        generator.clipped += clipped(totals);
    }
    generator.schedule_lag_us = (&lag).into();
    generator
}

/// Durations of a phase that were above an hour, in whichever histogram.
fn clipped(totals: &PhaseTotals) -> u64 {
    let of_series = |series: &Series| {
        let times = Outcome::ALL.into_iter().filter_map(|outcome| series.times(outcome));
        let times: u64 = times
            .map(|times| times.response.clipped() + times.service.clipped())
            .sum();
        let calls = series.logical_calls.as_ref();
        times + calls.map_or(0, |calls| calls.until_done.clipped())
    };
    let of_sessions = |series: &Series| {
        series
            .sessions
            .as_ref()
            .map_or(0, |sessions| of_series(&sessions.whole))
    };
    let following = totals.following().map_or(0, |following| {
        following.freshness.clipped() + following.sockets.handshake.clipped()
    });
    let of_sockets = |series: &Series| {
        let sockets = series.sockets.as_ref();
        sockets.map_or(0, |sockets| sockets.connections.handshake.clipped())
    };
    let own = totals.schedule_lag.clipped() + totals.connections().handshake.clipped();
    let of_series = totals
        .series
        .iter()
        .map(|series| of_series(series) + of_sessions(series) + of_sockets(series));
    own + following + of_series.sum::<u64>()
}

/// The worst worker's.
fn run_delay(totals: &PhaseTotals) -> Option<f64> {
    let delays = totals.workers.values().filter_map(|used| {
        let delay_ns = used.run_delay_ns? as f64;
        (used.wall_ns > 0).then(|| delay_ns / used.wall_ns as f64)
    });
    delays.max_by(f64::total_cmp)
}

/// Mean service time of `ok` answers in the phase in which it was least; `None` where no phase has enough of them.
fn everyday_service_s(merged: &Merged, is_request: &[bool]) -> Option<f64> {
    let of_phase = |totals: &PhaseTotals| {
        let mut service = Durations::default();
        let ok = requests(totals, is_request).filter_map(|series| series.times(Outcome::Ok));
        ok.for_each(|times| service.merge(&times.service));
        let enough = service.count() >= EVERYDAY_ANSWERS_MIN;
        enough.then(|| service.mean_us()).flatten().map(|us| us / 1e6)
    };
    merged.phases.iter().filter_map(of_phase).min_by(f64::total_cmp)
}

/// The series whose arrivals take one of the generator's connections for requests.
fn requests<'a>(totals: &'a PhaseTotals, is_request: &'a [bool]) -> impl Iterator<Item = &'a Series> {
    let series = totals.series.iter().zip(is_request);
    series.filter(|(_, is_request)| **is_request).map(|(series, _)| series)
}

fn client_side(connections: &ClientConnections) -> ClientSide {
    ClientSide {
        opened: connections.opened,
        closed: connections.closed,
        failed: connections.failed,
        replaced: connections.replaced,
        open_max: connections.open_max,
        handshake_us: (&connections.handshake).into(),
        connect_us: (&connections.connect).into(),
        tls_us: (&connections.tls).into(),
        upgrade_us: (&connections.upgrade).into(),
        resumed: connections.resumed,
        streams_refused: connections.streams_refused,
    }
}

fn merged(totals: &PhaseTotals, series: &[usize]) -> Series {
    let mut whole = Series::default();
    series.iter().for_each(|index| whole.merge(&totals.series[*index]));
    whole
}

/// `is_targets` says whose fault it is that arrivals found no connection.
fn operation(series: &Series, seconds: f64, is_targets: bool, retries_max: Option<u64>) -> OperationResult {
    let mut causes = series.unsent.clone();
    let mut not_accepted = 0;
    if is_targets {
        for cause in [UnsentCause::NoConnection, UnsentCause::QueueFull] {
            not_accepted += causes.remove(&cause).unwrap_or(0);
        }
    }
    let answered: u64 = series.ok_answered.values().sum();
    let mut result = OperationResult {
        scheduled: series.scheduled,
        withdrawn: series.withdrawn,
        sent: series.scheduled.saturating_sub(series.unsent()),
        unsent: causes.values().sum(),
        unsent_causes: causes,
        cut_off: series.cut_off,
        goodput_rate: if seconds > 0.0 { answered as f64 / seconds } else { 0.0 },
        ok_by_second: by_second(&series.ok_answered),
        retries: retries_max.map(|most| retries(series, most)),
        ..OperationResult::default()
    };
    let (mut response, mut net, mut service) = (Durations::default(), Durations::default(), Durations::default());
    for outcome in Outcome::ALL {
        let Some(times) = series.times(outcome) else { continue };
        let name = outcome.name().to_owned();
        result.outcomes.insert(outcome, times.response.count());
        result.response_us.insert(name.clone(), (&times.response).into());
        let of_net = Quantiles::from(&times.net).without_histogram();
        result.response_net_us.insert(name.clone(), of_net);
        result.service_us.insert(name, (&times.service).into());
        response.merge(&times.response);
        net.merge(&times.net);
        service.merge(&times.service);
    }
    if not_accepted > 0 {
        *result.outcomes.entry(Outcome::NotAccepted).or_default() += not_accepted;
    }
    result.response_us.insert("all".to_owned(), Quantiles::from(&response));
    result
        .response_net_us
        .insert("all".to_owned(), Quantiles::from(&net).without_histogram());
    result.service_us.insert("all".to_owned(), Quantiles::from(&service));
    result
}

/// Sessions as an operation.
fn sessions(traffic: &TrafficSnapshot, series: Series, seconds: f64, is_targets: bool) -> OperationResult {
    let sessions = series.sessions.map(|sessions| *sessions).unwrap_or_default();
    let ended_at = traffic.steps.iter().enumerate().map(|(step, name)| {
        let ended = sessions.ended_at.get(&step).copied().unwrap_or(0);
        (name.clone(), ended)
    });
    OperationResult {
        sessions: Some(SessionsResult {
            started: sessions.whole.scheduled,
            completed: sessions.whole.count(Outcome::Ok),
            ended_at: ended_at.collect(),
            cut_off: sessions.whole.cut_off,
        }),
        ..operation(&sessions.whole, seconds, is_targets, None)
    }
}

/// The WebSocket connections of an operation.
fn websockets(totals: &PhaseTotals, series: &[usize]) -> WebsocketsResult {
    let sockets = merged(totals, series)
        .sockets
        .map(|sockets| *sockets)
        .unwrap_or_default();
    let connections = &sockets.connections;
    let ends = sockets.ends.iter().map(|(end, count)| (end.name(), count));
    let local = sockets.local.iter().map(|(cause, count)| (cause.name(), count));
    WebsocketsResult {
        opened: connections.opened,
        reopened: sockets.reopened,
        failed: connections.failed,
        broken: connections.closed,
        ends: ends
            .chain(local)
            .map(|(name, count)| (name.to_owned(), *count))
            .collect(),
        open_max: totals.sockets_open_max(series),
        handshake_us: (&connections.handshake).into(),
        connect_us: (&connections.connect).into(),
        tls_us: (&connections.tls).into(),
        upgrade_us: (&connections.upgrade).into(),
        resumed: connections.resumed,
        messages: sockets.messages,
        bytes: sockets.bytes,
        pushes: sockets.pushes,
        late: sockets.late,
        pings: sockets.pings,
        local_errors: sockets.local,
    }
}

fn by_second(counts: &BTreeMap<u64, u64>) -> Vec<u64> {
    let seconds = counts.keys().next_back().map_or(0, |last| last + 1);
    (0..seconds)
        .map(|second| counts.get(&second).copied().unwrap_or(0))
        .collect()
}

fn retries(series: &Series, retries_max: u64) -> Retries {
    let calls = series.logical_calls.as_deref().cloned().unwrap_or_default();
    let succeeded = calls.until_done.count();
    Retries {
        first_tries: series.scheduled.saturating_sub(series.retries),
        retries: series.retries,
        retries_max,
        succeeded,
        succeeded_at_first: calls.at_first,
        gave_up: calls.gave_up,
        out_of_budget: calls.out_of_budget,
        cut_off: calls.cut_off,
        attempts_per_success: (succeeded > 0).then(|| calls.attempts as f64 / succeeded as f64),
        attempts_max: calls.attempts_max,
        until_done_us: Quantiles::from(&calls.until_done),
    }
}

#[cfg(test)]
mod tests;
