//! All intervals of a cell, merged: seconds of all workers into phases.
//!
//! The same whether the intervals come live or from a file, and in whichever order the workers' came.

use std::collections::BTreeMap;

use super::{
    Acknowledged, ClientConnections, Durations, Following, HostSeries, Interval, Onset, Series, TimeAxis, WorkerUse,
};

/// What a whole cell measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// By phase, in order.
    pub phases: Vec<PhaseTotals>,
    /// By shard and time, where that was asked for.
    pub axis: TimeAxis,
    /// Writes that the target acknowledged, where that was asked for.
    pub acknowledged: Acknowledged,
    /// The generator's connections by second of the cell.
    pub connections: BTreeMap<u64, ClientSecond>,
}

/// What the generator sent in one second, and its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSecond {
    scheduled: u64,
    /// An answer that comes late may make another interval of the second, so these come apart from those scheduled.
    unsent: u64,
    /// Connections opened.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Most that each worker had open.
    open_max: BTreeMap<u32, u64>,
}

impl ClientSecond {
    /// Arrivals of the second that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.scheduled.saturating_sub(self.unsent)
    }

    /// Most connections open at once; with several workers, an upper bound.
    #[must_use]
    pub fn open_max(&self) -> u64 {
        self.open_max.values().sum()
    }

    fn take(&mut self, interval: &Interval) {
        self.scheduled += interval.series.iter().map(|series| series.scheduled).sum::<u64>();
        self.unsent += interval.series.iter().map(Series::unsent).sum::<u64>();
        self.opened += interval.connections.opened;
        self.failed += interval.connections.failed;
        let most = self.open_max.entry(interval.worker).or_default();
        *most = (*most).max(interval.connections.open_max);
    }
}

/// What one phase measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PhaseTotals {
    /// By index of the series.
    pub series: Vec<Series>,
    /// When the pacer woke − intended.
    pub schedule_lag: Durations,
    /// What became of the arrivals of its onset.
    pub onset: Onset,
    /// By worker.
    pub workers: BTreeMap<u32, WorkerUse>,
    connections: ClientConnections,
    hosts: Vec<HostSeries>,
    following: Option<Following>,
    seconds: BTreeMap<u64, Second>,
}

/// What adds up over workers within a second, and of which seconds then give a maximum or a last value.
#[derive(Debug, Clone, Default, PartialEq)]
struct Second {
    workers: BTreeMap<u32, Looks>,
    /// By series.
    retries: BTreeMap<usize, u64>,
    /// Most WebSocket connections that each worker had open, by series and worker.
    sockets: BTreeMap<(usize, u32), u64>,
}

/// What one worker saw when it looked.
#[derive(Debug, Clone, Default, PartialEq)]
struct Looks {
    open_max: u64,
    /// By host.
    hosts_max: Vec<u64>,
    sockets_max: u64,
    stale: Option<u64>,
}

impl Merged {
    /// Nothing measured yet, of so many phases and series.
    #[must_use]
    pub fn new(phases: usize, series: usize) -> Self {
        let totals = PhaseTotals {
            series: vec![Series::default(); series],
            ..PhaseTotals::default()
        };
        Self {
            phases: vec![totals; phases],
            ..Self::default()
        }
    }

    /// Takes in one interval. One of a phase or series that the cell does not have is another cell's; it is left out
    /// and `false` returned.
    pub fn take(&mut self, interval: &Interval) -> bool {
        let Some(phase) = self.phases.get_mut(interval.phase) else {
            return false;
        };
        if interval.series.len() != phase.series.len() {
            return false;
        }
        phase.take(interval);
        self.connections.entry(interval.second).or_default().take(interval);
        self.axis.add(interval.second, &interval.shards);
        if let Some(acknowledged) = &interval.acknowledged {
            self.acknowledged.merge(acknowledged);
        }
        true
    }
}

impl PhaseTotals {
    fn take(&mut self, interval: &Interval) {
        let second = self.seconds.entry(interval.second).or_default();
        for (index, (mine, theirs)) in self.series.iter_mut().zip(&interval.series).enumerate() {
            mine.merge(theirs);
            if theirs.retries > 0 {
                *second.retries.entry(index).or_default() += theirs.retries;
            }
            if let Some(sockets) = &theirs.sockets {
                let most = second.sockets.entry((index, interval.worker)).or_default();
                *most = (*most).max(sockets.connections.open_max);
            }
        }
        self.schedule_lag.merge(&interval.schedule_lag);
        self.onset.merge(interval.onset);
        self.connections.merge_counts(&interval.connections);
        self.workers.entry(interval.worker).or_default().add(interval.used);
        let looks = second.workers.entry(interval.worker).or_default();
        looks.open_max = looks.open_max.max(interval.connections.open_max);
        for (host, theirs) in interval.hosts.iter().enumerate() {
            if self.hosts.len() <= host {
                self.hosts.resize_with(host + 1, HostSeries::default);
            }
            self.hosts[host].merge(theirs);
            if looks.hosts_max.len() <= host {
                looks.hosts_max.resize(host + 1, 0);
            }
            looks.hosts_max[host] = looks.hosts_max[host].max(theirs.connections.open_max);
        }
        if let Some(theirs) = &interval.following {
            self.following.get_or_insert_default().merge_counts(theirs);
            looks.sockets_max = looks.sockets_max.max(theirs.sockets.open_max);
            looks.stale = theirs.stale.or(looks.stale);
        }
    }

    /// The generator's connections. Workers are summed, so the maximum is an upper bound where there are several.
    #[must_use]
    pub fn connections(&self) -> ClientConnections {
        ClientConnections {
            open_max: self.most(|looks| looks.open_max),
            ..self.connections.clone()
        }
    }

    /// What went to each of several hosts, in order; empty where there is one.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSeries> {
        let hosts = self.hosts.iter().cloned().enumerate();
        hosts
            .map(|(index, mut host)| {
                let of_host = |looks: &Looks| looks.hosts_max.get(index).copied().unwrap_or(0);
                host.connections.open_max = self.most(of_host);
                host
            })
            .collect()
    }

    /// What members saw: the most sockets of any second, and who was stale at the end.
    #[must_use]
    pub fn following(&self) -> Option<Following> {
        let mut following = self.following.clone()?;
        following.sockets.open_max = self.most(|looks| looks.sockets_max);
        let stale = |second: &Second| {
            let counts = second.workers.values().filter_map(|looks| looks.stale);
            counts.reduce(|sum, count| sum + count)
        };
        following.stale = self.seconds.values().rev().find_map(stale);
        Some(following)
    }

    /// Most retries of some series that were due in one second.
    #[must_use]
    pub fn retries_max(&self, series: &[usize]) -> u64 {
        let of_second = |second: &Second| series.iter().filter_map(|index| second.retries.get(index)).sum();
        self.seconds.values().map(of_second).max().unwrap_or(0)
    }

    /// Most WebSocket connections of some series that were open at once. Workers are summed, so it is an upper bound
    /// where there are several.
    #[must_use]
    pub fn sockets_open_max(&self, series: &[usize]) -> u64 {
        let of_second = |second: &Second| {
            let own = second.sockets.iter().filter(|((index, _), _)| series.contains(index));
            own.map(|(_, most)| most).sum()
        };
        self.seconds.values().map(of_second).max().unwrap_or(0)
    }

    /// CPU over wall time of the busiest worker, 0 to 1.
    #[must_use]
    pub fn worker_cpu(&self) -> f64 {
        self.workers.values().map(|used| used.share()).fold(0.0, f64::max)
    }

    fn most(&self, count: impl Fn(&Looks) -> u64) -> u64 {
        let of_second = |second: &Second| second.workers.values().map(&count).sum();
        self.seconds.values().map(of_second).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{Due, Joined, Outcome, PhaseBounds, Recorder, Sample, SocketEnd, UnsentCause};

    const MS: u64 = 1_000_000;

    /// What a worker notes; times in milliseconds.
    #[derive(Debug, Clone)]
    enum Note {
        Ended {
            due_ms: u64,
            takes_ms: u64,
            series: usize,
            outcome: usize,
            is_retry: bool,
        },
        Unsent {
            due_ms: u64,
            series: usize,
        },
        Connected {
            at_ms: u64,
            open: u64,
        },
        Looked {
            at_ms: u64,
            stale: u64,
        },
        Held {
            at_ms: u64,
            series: usize,
            open: u64,
        },
        Used {
            at_ms: u64,
            cpu_ms: u64,
        },
        Reports,
    }

    fn note() -> impl Strategy<Value = Note> {
        let at = 0u64..6_000;
        prop_oneof![
            4 => (at.clone(), 0u64..4_000, 0usize..4, 0usize..10, any::<bool>()).prop_map(
                |(due_ms, takes_ms, series, outcome, is_retry)| Note::Ended { due_ms, takes_ms, series, outcome, is_retry }
            ),
            1 => (at.clone(), 0usize..4).prop_map(|(due_ms, series)| Note::Unsent { due_ms, series }),
            1 => (at.clone(), 0u64..50).prop_map(|(at_ms, open)| Note::Connected { at_ms, open }),
            1 => (at.clone(), 0u64..50).prop_map(|(at_ms, stale)| Note::Looked { at_ms, stale }),
            1 => (at.clone(), 0usize..4, 0u64..50).prop_map(|(at_ms, series, open)| Note::Held { at_ms, series, open }),
            1 => (at, 0u64..900).prop_map(|(at_ms, cpu_ms)| Note::Used { at_ms, cpu_ms }),
            1 => Just(Note::Reports),
        ]
    }

    fn phases() -> PhaseBounds {
        let ms = Duration::from_millis;
        PhaseBounds::new([(ms(0), ms(2_500)), (ms(2_500), ms(6_000))])
    }

    fn hold(recorder: &mut Recorder, series: usize, at_ns: u64, open: u64) {
        let sockets = recorder.sockets(series, at_ns);
        sockets.connections.opened += 1;
        sockets.connections.open_max = sockets.connections.open_max.max(open);
        sockets.connections.upgrade.record_ns(at_ns);
        *sockets.ends.entry(SocketEnd::Closed).or_default() += 1;
        *sockets.local.entry(UnsentCause::NoFile).or_default() += 1;
        sockets.messages += open;
    }

    fn play(recorder: &mut Recorder, note: &Note) -> Vec<Interval> {
        let due = |series, due_ms: u64, is_retry| Due {
            series,
            phase: phases().at(due_ms * MS),
            shard: Some((due_ms % 2) as u16),
            host: (due_ms % 2) as usize,
            intended_ns: due_ms * MS,
            is_retry,
        };
        match note {
            Note::Ended {
                due_ms,
                takes_ms,
                series,
                outcome,
                is_retry,
            } => {
                let due = due(*series, *due_ms, *is_retry);
                recorder.due(&due, due.intended_ns + 7_001);
                recorder.done(&Sample {
                    due,
                    sent_ns: due.intended_ns + 9_003,
                    done_ns: due.intended_ns + takes_ms * MS + 10_007,
                    outcome: Outcome::ALL[*outcome],
                    own_ns: 8_000,
                });
                recorder.sessions(&due, due.intended_ns).whole.scheduled += 1;
                *recorder
                    .sessions(&due, due.intended_ns)
                    .ended_at
                    .entry(*outcome)
                    .or_default() += 1;
                recorder.session_done(&Sample {
                    due,
                    sent_ns: due.intended_ns,
                    done_ns: due.intended_ns + 3 * takes_ms * MS,
                    outcome: Outcome::ALL[*outcome],
                    own_ns: 9_000,
                });
                recorder.acknowledged(&due).joined.push(Joined {
                    chat: *due_ms,
                    user: *takes_ms,
                });
                recorder
                    .logical_calls(*series, due.phase, due.intended_ns)
                    .succeeded(2, takes_ms * MS);
            }
            Note::Unsent { due_ms, series } => recorder.unsent(&due(*series, *due_ms, false), UnsentCause::QueueFull),
            Note::Connected { at_ms, open } => {
                let host = (at_ms % 2) as usize;
                recorder.connections(host, at_ms * MS, |connections| connections.opened += 1);
                recorder.open(at_ms * MS, [*open as usize, 1].into_iter());
            }
            Note::Looked { at_ms, stale } => recorder.following(at_ms * MS).stale = Some(*stale),
            Note::Held { at_ms, series, open } => hold(recorder, *series, at_ms * MS, *open),
            Note::Used { at_ms, cpu_ms } => recorder.used(
                at_ms * MS,
                WorkerUse {
                    cpu_ns: cpu_ms * MS,
                    wall_ns: 1_000 * MS,
                    run_delay_ns: Some(*at_ms),
                },
            ),
            Note::Reports => return recorder.drain().collect(),
        }
        Vec::new()
    }

    fn merged<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> Merged {
        let mut merged = Merged::new(2, 4);
        intervals
            .into_iter()
            .for_each(|interval| assert!(merged.take(interval)));
        merged
    }

    proptest! {
        /// Whatever the workers note and whenever they report: what is read back from the file is what was merged live,
        /// and reporting often or once makes no difference.
        #[test]
        fn intervals_from_the_file_merge_to_the_live_result(
            notes in prop::collection::vec(note(), 0..80),
            workers in prop::sample::select(vec![1u32, 3]),
        ) {
            let recorders = || (0..workers).map(|worker| Recorder::new(worker, 4, 2, phases()).among_hosts(2)).collect::<Vec<_>>();
            let (mut reporting, mut silent) = (recorders(), recorders());
            let mut live = Vec::new();
            for (place, note) in notes.iter().enumerate() {
                let worker = place % workers as usize;
                live.extend(play(&mut reporting[worker], note));
                if !matches!(note, Note::Reports) {
                    play(&mut silent[worker], note);
                }
            }
            live.extend(reporting.iter_mut().flat_map(|recorder| recorder.drain().collect::<Vec<_>>()));
            let file: String = live.iter().map(|interval| serde_json::to_string(interval).unwrap() + "\n").collect();
            let read: Vec<Interval> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(&read, &live, "lossless");
            prop_assert_eq!(merged(&read), merged(&live));
            let once: Vec<Interval> = silent.iter_mut().flat_map(|recorder| recorder.drain().collect::<Vec<_>>()).collect();
            let (often, once) = (merged(&live), merged(&once));
            prop_assert_eq!(&often.phases, &once.phases);
            prop_assert_eq!(&often.axis, &once.axis);
        }
    }

    #[test]
    fn connections_of_a_second_are_those_of_all_workers_and_reports() {
        let interval = |worker: u32, (opened, open_max): (u64, u64), (scheduled, unsent): (u64, u64)| {
            let mut interval = Interval::new(worker, 0, 3, 1);
            interval.connections.opened = opened;
            interval.connections.open_max = open_max;
            interval.series[0].scheduled = scheduled;
            interval.series[0].unsent = [(UnsentCause::QueueFull, unsent)].into();
            interval
        };
        let mut merged = Merged::new(1, 1);
        for interval in [
            interval(0, (4, 7), (10, 0)),
            interval(0, (1, 5), (0, 3)),
            interval(1, (2, 2), (10, 0)),
        ] {
            assert!(merged.take(&interval));
        }
        let second = &merged.connections[&3];
        assert_eq!((second.sent(), second.opened, second.open_max()), (17, 7, 9));
    }

    #[test]
    fn an_interval_of_another_cell_is_left_out() {
        let mut merged = Merged::new(1, 2);
        assert!(!merged.take(&Interval::new(0, 1, 0, 2)), "no such phase");
        assert!(!merged.take(&Interval::new(0, 0, 0, 3)), "no such series");
        assert_eq!(merged, Merged::new(1, 2));
    }
}
