//! What ended within a second, as far as the rules ask, and the figures of several such seconds.

use std::collections::BTreeMap;

use crate::analyze::figure::{HOST, of_client, of_operation};
use crate::metric::{Metric, Scope};
use crate::record::{
    CellHeader, ClientConnections, ClientSide, Durations, GuardSnapshot, Interval, LogicalCalls, OperationResult,
    Outcome, Quantiles, Retries, Series, Snapshot,
};

/// What a rule's figure is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Requests, by index of their series.
    Requests(Vec<usize>),
    /// Whole sessions, by index of the series of their entry.
    Sessions(Vec<usize>),
    /// What goes to one of several hosts, by its index.
    Host(usize),
    /// The generator's connections.
    Connections,
}

impl Source {
    /// `None` where the cell has nothing that is called so.
    pub(super) fn of(rule: &GuardSnapshot, workload: &Snapshot, header: &CellHeader) -> Option<Self> {
        let Some(operation) = &rule.operation else {
            return Some(Self::Connections);
        };
        if let Some(entry) = workload.traffic.iter().position(|entry| entry.name == *operation) {
            let series = header.series.iter().enumerate();
            let own = series.filter(|(_, name)| name.entry == entry).map(|(index, _)| index);
            return Some(match workload.traffic[entry].is_session() {
                true => Self::Sessions(own.collect()),
                false => Self::Requests(own.collect()),
            });
        }
        let host = operation.strip_prefix(HOST)?;
        workload.hosts.iter().position(|name| name == host).map(Self::Host)
    }
}

/// What ended within some seconds, for one rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ended {
    due: u64,
    pub(super) ended: u64,
    ok: u64,
    response: Durations,
    calls: LogicalCalls,
    connections: ClientConnections,
    /// Most connections that each worker had open.
    open: BTreeMap<u32, u64>,
}

/// Why some seconds do not have a figure.
pub(super) type NoFigure = String;

impl Ended {
    /// Takes in what a worker has reported.
    pub(super) fn take(&mut self, source: &Source, interval: &Interval) {
        match source {
            Source::Requests(indices) => {
                for series in indices.iter().filter_map(|index| interval.series.get(*index)) {
                    self.take_series(series);
                }
            }
            Source::Sessions(indices) => {
                let series = indices.iter().filter_map(|index| interval.series.get(*index));
                for sessions in series.filter_map(|series| series.sessions.as_ref()) {
                    self.take_series(&sessions.whole);
                }
            }
            Source::Host(index) => {
                if let Some(host) = interval.hosts.get(*index) {
                    self.take_series(&host.requests);
                }
            }
            Source::Connections => {
                self.connections.merge_counts(&interval.connections);
                let open = self.open.entry(interval.worker).or_default();
                *open = (*open).max(interval.connections.open_max);
            }
        }
    }

    fn take_series(&mut self, series: &Series) {
        self.due += series.scheduled;
        self.ended += series.unsent() + Outcome::ALL.iter().map(|outcome| series.count(*outcome)).sum::<u64>();
        self.ok += series.count(Outcome::Ok);
        if let Some(ok) = series.times(Outcome::Ok) {
            self.response.merge(&ok.response);
        }
        if let Some(calls) = &series.logical_calls {
            self.calls.merge(calls);
        }
    }

    /// Adds what another worker reported, or what ended in another second.
    pub(super) fn merge(&mut self, other: &Self) {
        self.due += other.due;
        self.ended += other.ended;
        self.ok += other.ok;
        self.response.merge(&other.response);
        self.calls.merge(&other.calls);
        self.connections.merge_counts(&other.connections);
        for (worker, open) in &other.open {
            let mine = self.open.entry(*worker).or_default();
            *mine = (*mine).max(*open);
        }
    }

    /// What ended within all of these seconds.
    pub(super) fn of_all<'a>(seconds: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        let mut open_max = 0u64;
        for second in seconds {
            open_max = open_max.max(second.open.values().sum::<u64>());
            all.merge(second);
        }
        // What was open at once was so within one second.
        all.open = [(0, open_max)].into();
        all
    }

    /// The figure of so many seconds, as a phase of that length would have it.
    pub(super) fn figure(&self, metric: Metric, seconds: u32) -> Result<f64, NoFigure> {
        let absent = || metric.absent().unwrap_or("no data").to_owned();
        if metric.scope() == Scope::Phase {
            let client = ClientSide {
                opened: self.connections.opened,
                open_max: self.open.values().sum::<u64>(),
                handshake_us: (&self.connections.handshake).into(),
                ..ClientSide::default()
            };
            enough(metric, client.handshake_us.count)?;
            return of_client(&client, metric).ok_or_else(absent);
        }
        let samples = match metric.scope() {
            Scope::Retries => self.calls.until_done.count(),
            _ => self.ok,
        };
        enough(metric, samples)?;
        of_operation(&self.operation(metric, seconds), metric, false).ok_or_else(absent)
    }

    fn operation(&self, metric: Metric, seconds: u32) -> OperationResult {
        let succeeded = self.calls.until_done.count();
        OperationResult {
            // Where nothing ends any more, nothing is answered well either: that is a rate, and no part of anything.
            scheduled: match metric {
                Metric::GoodputRate => self.due.max(self.ended),
                _ => self.ended,
            },
            outcomes: [(Outcome::Ok, self.ok)].into(),
            goodput_rate: self.ok as f64 / f64::from(seconds.max(1)),
            response_us: [(Outcome::Ok.name().to_owned(), Quantiles::from(&self.response))].into(),
            retries: Some(Retries {
                succeeded,
                attempts_per_success: (succeeded > 0).then(|| self.calls.attempts as f64 / succeeded as f64),
                until_done_us: Quantiles::from(&self.calls.until_done),
                ..Retries::default()
            }),
            ..OperationResult::default()
        }
    }
}

/// A quantile needs values above it.
fn enough(metric: Metric, samples: u64) -> Result<(), NoFigure> {
    let least = metric.min_samples();
    match samples {
        0 if least > 0 => Err(metric.absent().unwrap_or("no data").to_owned()),
        few if few < least => Err(format!(
            "{few} samples are too few for {}: at least {least}",
            metric.name()
        )),
        _ => Ok(()),
    }
}
