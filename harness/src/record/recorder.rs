//! Takes samples, keeps them by second, and hands the seconds over as [`Interval`]s.
//!
//! A recorder belongs to one thread. Whatever produces samples gives them to one of these and sends on what
//! [`Recorder::drain`] returns, once a second; memory is bounded by what happens in that second, however long the cell.

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    Acknowledged, Calls, ClientConnections, Due, Following, HostSeries, Interval, LogicalCalls, Onset, Outcome, Sample,
    Series, Sessions, ShardSecond, Sockets, Times, UnsentCause, WorkerUse,
};

const SECOND_NS: u64 = 1_000_000_000;

/// When each phase of a cell begins and ends, in order and without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseBounds(Vec<(u64, u64)>);

impl PhaseBounds {
    /// From start and end of each phase, as offsets from the start of the cell.
    ///
    /// # Panics
    /// When there is no phase.
    #[must_use]
    pub fn new(bounds: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        let ns = |offset: Duration| u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX);
        let bounds: Vec<_> = bounds.into_iter().map(|(start, end)| (ns(start), ns(end))).collect();
        assert!(!bounds.is_empty(), "a profile has at least one phase");
        Self(bounds)
    }

    /// The phase at `ns`; the last phase also owns everything after it.
    #[must_use]
    pub fn at(&self, ns: u64) -> usize {
        self.0
            .partition_point(|(_, end_ns)| *end_ns <= ns)
            .min(self.0.len() - 1)
    }

    /// When a phase begins.
    #[must_use]
    pub fn start_ns(&self, phase: usize) -> u64 {
        self.0[phase].0
    }

    /// When the last phase ends.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        self.0[self.0.len() - 1].1
    }
}

/// What one worker has measured since its last report: a short row of seconds, oldest first.
#[derive(Debug)]
pub struct Recorder {
    worker: u32,
    series: usize,
    shards: usize,
    /// 0 where there is one, which is not kept apart.
    hosts: usize,
    phases: PhaseBounds,
    /// An answer that comes later is goodput of no phase.
    until_ns: u64,
    open: VecDeque<Interval>,
}

impl Recorder {
    /// A recorder for worker number `worker`, of so many `series`; calls are kept apart for `shards` shards, in tenths
    /// of a second.
    #[must_use]
    pub fn new(worker: u32, series: usize, shards: usize, phases: PhaseBounds) -> Self {
        Self {
            worker,
            series,
            shards,
            hosts: 0,
            until_ns: phases.end_ns(),
            phases,
            open: VecDeque::new(),
        }
    }

    /// The same, what goes to each of `hosts` hosts kept apart as well, where there are several.
    #[must_use]
    pub fn among_hosts(self, hosts: usize) -> Self {
        let hosts = if hosts > 1 { hosts } else { 0 };
        Self { hosts, ..self }
    }

    /// Who measures.
    #[must_use]
    pub fn worker(&self) -> u32 {
        self.worker
    }

    /// Nothing is offered from `ns` on, which is before the last phase ends.
    pub fn ends_at(&mut self, ns: u64) {
        self.until_ns = self.until_ns.min(ns);
    }

    /// The phases.
    #[must_use]
    pub fn phases(&self) -> &PhaseBounds {
        &self.phases
    }

    /// An arrival was due, and whoever sends it was ready to at `now_ns`.
    pub fn due(&mut self, due: &Due, now_ns: u64) {
        let in_onset = Onset::holds(due, self.phases.start_ns(due.phase));
        let interval = self.at(due.phase, due.intended_ns);
        interval.onset.due += u64::from(in_onset);
        for series in counted(interval, due) {
            series.scheduled += 1;
            series.retries += u64::from(due.is_retry);
        }
        interval.schedule_lag.record_ns(now_ns.saturating_sub(due.intended_ns));
    }

    /// An arrival was not offered, because a guard has lowered the rate.
    pub fn withdrawn(&mut self, due: &Due) {
        for series in counted(self.at(due.phase, due.intended_ns), due) {
            series.withdrawn += 1;
        }
    }

    /// It was never sent.
    pub fn unsent(&mut self, due: &Due, cause: UnsentCause) {
        let interval = self.at(due.phase, due.intended_ns);
        for series in counted(interval, due) {
            *series.unsent.entry(cause).or_default() += 1;
        }
        if let Some(calls) = calls(interval, due) {
            calls.unsent();
        }
    }

    /// It was sent, and the run ended before its answer.
    pub fn cut_off(&mut self, due: &Due) {
        for series in counted(self.at(due.phase, due.intended_ns), due) {
            series.cut_off += 1;
        }
    }

    /// It was sent and has ended.
    pub fn done(&mut self, sample: &Sample) {
        let due = &sample.due;
        let start_ns = self.phases.start_ns(due.phase);
        let interval = self.at(due.phase, due.intended_ns);
        if Onset::holds(due, start_ns) {
            interval.onset.sent(sample, start_ns);
        }
        for series in counted(interval, due) {
            note_times(series.times_mut(sample.outcome), sample);
            series.ok_retries += u64::from(due.is_retry && sample.outcome == Outcome::Ok);
        }
        if let Some(calls) = calls(interval, due) {
            calls.ended(sample.outcome, sample.response_ns());
        }
        if let Some((phase, second)) = self.answered_in(sample) {
            for series in counted(self.at(phase, sample.done_ns), due) {
                *series.ok_answered.entry(second).or_default() += 1;
            }
        }
    }

    /// The phase in which an `ok` answer was complete, and the second of it. What comes in while the cell drains is
    /// goodput of no phase.
    fn answered_in(&self, sample: &Sample) -> Option<(usize, u64)> {
        if sample.outcome != Outcome::Ok || sample.done_ns >= self.until_ns {
            return None;
        }
        let phase = self.phases.at(sample.done_ns);
        let since_ns = sample.done_ns - self.phases.start_ns(phase).min(sample.done_ns);
        Some((phase, since_ns / SECOND_NS))
    }

    /// The sessions that began with an arrival as `due`, of which something happens at `ns`.
    pub fn sessions(&mut self, due: &Due, ns: u64) -> &mut Sessions {
        self.at(due.phase, ns).series[due.series]
            .sessions
            .get_or_insert_default()
    }

    /// A session has ended with an answer: `sample` is of the whole of it.
    pub fn session_done(&mut self, sample: &Sample) {
        let due = &sample.due;
        let whole = &mut self.sessions(due, sample.done_ns).whole;
        note_times(whole.times_mut(sample.outcome), sample);
        if let Some((phase, second)) = self.answered_in(sample) {
            let sessions = self.sessions(&Due { phase, ..*due }, sample.done_ns);
            *sessions.whole.ok_answered.entry(second).or_default() += 1;
        }
    }

    /// The target acknowledged writes with its answer to this arrival.
    pub fn acknowledged(&mut self, due: &Due) -> &mut Acknowledged {
        self.at(due.phase, due.intended_ns).acknowledged.get_or_insert_default()
    }

    /// The logical calls of a series whose first attempt was due in `phase`, where one has ended at `ended_ns`.
    pub fn logical_calls(&mut self, series: usize, phase: usize, ended_ns: u64) -> &mut LogicalCalls {
        self.at(phase, ended_ns).series[series]
            .logical_calls
            .get_or_insert_default()
    }

    /// Notes something about the sender's connections to a host at `now_ns`.
    pub fn connections(&mut self, host: usize, now_ns: u64, note: impl Fn(&mut ClientConnections)) {
        let interval = self.at(self.phases.at(now_ns), now_ns);
        note(&mut interval.connections);
        if let Some(host) = interval.hosts.get_mut(host) {
            note(&mut host.connections);
        }
    }

    /// Notes how many connections are open at `now_ns`: in all, and to each host.
    pub fn open(&mut self, now_ns: u64, hosts: impl Iterator<Item = usize>) {
        let interval = self.at(self.phases.at(now_ns), now_ns);
        let mut all = 0;
        for (host, open) in hosts.enumerate() {
            let open = open as u64;
            all += open;
            if let Some(host) = interval.hosts.get_mut(host) {
                host.connections.open_max = host.connections.open_max.max(open);
            }
        }
        interval.connections.open_max = interval.connections.open_max.max(all);
    }

    /// The WebSocket connections of a series at `ns`.
    pub fn sockets(&mut self, series: usize, ns: u64) -> &mut Sockets {
        self.at(self.phases.at(ns), ns).series[series]
            .sockets
            .get_or_insert_default()
    }

    /// What members saw at `ns`.
    pub fn following(&mut self, ns: u64) -> &mut Following {
        self.at(self.phases.at(ns), ns).following.get_or_insert_default()
    }

    /// The worker used so much in a stretch that began at `from_ns`.
    pub fn used(&mut self, from_ns: u64, used: WorkerUse) {
        self.at(self.phases.at(from_ns), from_ns).used.add(used);
    }

    /// Everything since the last call, oldest second first.
    pub fn drain(&mut self) -> impl Iterator<Item = Interval> {
        self.open.drain(..)
    }

    fn at(&mut self, phase: usize, ns: u64) -> &mut Interval {
        let second = ns / SECOND_NS;
        let key = (second, phase);
        let place = self
            .open
            .iter()
            .rposition(|interval| (interval.second, interval.phase) <= key);
        match place {
            Some(place) if (self.open[place].second, self.open[place].phase) == key => &mut self.open[place],
            _ => {
                let place = place.map_or(0, |place| place + 1);
                let mut interval = Interval::new(self.worker, phase, second, self.series);
                interval.shards.resize_with(self.shards, ShardSecond::default);
                interval.hosts.resize_with(self.hosts, HostSeries::default);
                self.open.insert(place, interval);
                &mut self.open[place]
            }
        }
    }
}

/// Where the arrival is counted: in its own series, and in that of its host.
fn counted<'a>(interval: &'a mut Interval, due: &Due) -> impl Iterator<Item = &'a mut Series> {
    let host = interval.hosts.get_mut(due.host).map(|host| &mut host.requests);
    std::iter::once(&mut interval.series[due.series]).chain(host)
}

fn note_times(times: &mut Times, sample: &Sample) {
    times.response.record_ns(sample.response_ns());
    times.service.record_ns(sample.service_ns());
    times.net.record_ns(sample.net_ns());
}

/// The tenth of a second on its shard in which the arrival was due, where shards are told apart.
fn calls<'a>(interval: &'a mut Interval, due: &Due) -> Option<&'a mut Calls> {
    let second = interval.shards.get_mut(usize::from(due.shard?))?;
    Some(second.at(due.intended_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = SECOND_NS;

    fn recorder() -> Recorder {
        let seconds = Duration::from_millis;
        let phases = PhaseBounds::new([(seconds(0), seconds(2_500)), (seconds(2_500), seconds(9_000))]);
        Recorder::new(3, 2, 0, phases)
    }

    fn due(series: usize, phase: usize, intended_ns: u64) -> Due {
        Due {
            series,
            phase,
            shard: None,
            host: 0,
            intended_ns,
            is_retry: false,
        }
    }

    #[test]
    fn a_second_that_two_phases_share_is_kept_apart() {
        let mut recorder = recorder();
        recorder.due(&due(0, 1, 2_600_000_000), 2_600_000_000);
        recorder.due(&due(0, 0, 2_400_000_000), 2_400_000_000);
        recorder.due(&due(0, 1, 2_700_000_000), 2_700_000_000);
        let seen: Vec<_> = recorder
            .drain()
            .map(|interval| {
                (
                    interval.worker,
                    interval.second,
                    interval.phase,
                    interval.series[0].scheduled,
                )
            })
            .collect();
        assert_eq!(seen, [(3, 2, 0, 1), (3, 2, 1, 2)]);
    }

    #[test]
    fn an_arrival_belongs_to_its_intended_second_and_its_answer_to_the_moment_of_the_answer() {
        let mut recorder = recorder();
        recorder.done(&Sample {
            due: due(1, 0, 2 * S),
            sent_ns: 2 * S + 4_000_000,
            done_ns: 4 * S,
            outcome: Outcome::Ok,
            own_ns: 1_000_000,
        });
        let intervals: Vec<Interval> = recorder.drain().collect();
        let times = intervals[0].series[1].times(Outcome::Ok).unwrap();
        assert_eq!((intervals[0].second, intervals[0].phase), (2, 0));
        assert_eq!(times.response.max_us(), Some(2_000_000));
        assert_eq!(times.service.max_us(), Some(1_996_000));
        assert_eq!(times.net.max_us(), Some(1_999_000));
        assert_eq!((intervals[1].second, intervals[1].phase), (4, 1));
        // The second phase began at 2.5 s, so 4 s is in its second second.
        assert_eq!(intervals[1].series[1].ok_answered, [(1, 1)].into());
    }

    #[test]
    fn the_onset_of_a_phase_counts_what_was_due_and_what_was_sent_in_it() {
        const MS: u64 = 1_000_000;
        // The second phase begins at 2.5 s; the last arrival is not of its onset.
        let onset = [
            (2_500, 2_501, 0),
            (2_599, 2_609, 0),
            (2_501, 2_610, 1),
            (2_501, 2_700, 50),
            (2_501, 2_700, 91),
        ];
        let mut recorder = recorder();
        for (due_ms, sent_ms, own_ms) in onset.into_iter().chain([(2_600, 2_600, 0)]) {
            let due = due(0, 1, due_ms * MS);
            recorder.due(&due, due.intended_ns);
            recorder.done(&Sample {
                due,
                sent_ns: sent_ms * MS,
                done_ns: 8 * S,
                outcome: Outcome::Timeout,
                own_ns: own_ms * MS,
            });
        }
        recorder.due(&due(0, 1, 2_502 * MS), 2_502 * MS);
        recorder.unsent(&due(0, 1, 2_502 * MS), UnsentCause::QueueFull);
        let found: Vec<Onset> = recorder.drain().map(|interval| interval.onset).collect();
        // One was late by the target, one is unsent.
        let expected = Onset {
            due: 6,
            sent: 2,
            own_late: 2,
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn an_answer_after_the_profile_is_no_goodput() {
        let mut recorder = recorder();
        recorder.done(&Sample {
            due: due(0, 1, 8 * S),
            sent_ns: 8 * S,
            done_ns: 9 * S,
            outcome: Outcome::Ok,
            own_ns: 0,
        });
        assert!(
            recorder
                .drain()
                .all(|interval| interval.series[0].ok_answered.is_empty())
        );
    }

    #[test]
    fn an_answer_after_the_load_was_ended_is_no_goodput() {
        let mut recorder = recorder();
        let sample = |done_ns| Sample {
            due: due(0, 0, S),
            sent_ns: S,
            done_ns,
            outcome: Outcome::Ok,
            own_ns: 0,
        };
        recorder.ends_at(2 * S);
        recorder.done(&sample(2 * S - 1));
        recorder.done(&sample(2 * S));
        let mut merged = super::super::Merged::new(2, 2);
        recorder.drain().for_each(|interval| assert!(merged.take(&interval)));
        let series = &merged.phases[0].series[0];
        assert_eq!(
            (series.count(Outcome::Ok), series.ok_answered.values().sum::<u64>()),
            (2, 1)
        );
    }

    #[test]
    fn what_is_withdrawn_is_counted_beside_what_is_scheduled() {
        let mut recorder = recorder().among_hosts(2);
        recorder.due(&due(1, 0, S), S);
        recorder.withdrawn(&due(1, 0, S));
        let interval = recorder.drain().next().unwrap();
        let series = &interval.series[1];
        assert_eq!((series.scheduled, series.withdrawn, series.unsent()), (1, 1, 0));
        assert_eq!(interval.hosts[0].requests.withdrawn, 1);
    }

    #[test]
    fn nothing_is_held_after_it_was_handed_over() {
        let mut recorder = recorder();
        for second in 0..1000 {
            recorder.due(&due(0, 1, second * S), second * S);
            assert_eq!(recorder.drain().count(), 1);
        }
        assert_eq!(recorder.drain().count(), 0);
    }
}
