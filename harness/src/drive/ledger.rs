//! What one worker has measured and not yet reported: a short row of seconds, oldest first.
//!
//! A request ends at the latest one time-out after its intended start, so a second is complete once the time-out has passed
//! since its end. Only that many seconds are ever held, however long the run.

use std::collections::VecDeque;
use std::time::Duration;

use super::Live;
use super::dispatch::Job;
use super::request::Promise;
use crate::record::{Calls, Interval, Outcome, ShardSecond};

const SECOND_NS: u64 = 1_000_000_000;

pub(crate) struct Ledger {
    lanes: usize,
    /// Shards that are told apart.
    shards: usize,
    keep_s: u64,
    open: VecDeque<Interval>,
    live: Live,
}

impl Ledger {
    pub(crate) fn new(lanes: usize, shards: usize, timeout: Duration) -> Self {
        Self {
            lanes,
            shards,
            // One second for the rounding of the time-out, one for the sweep that enforces it.
            keep_s: timeout.as_secs() + 2,
            open: VecDeque::new(),
            live: Live::default(),
        }
    }

    /// The interval of an instant in a phase.
    pub(crate) fn at(&mut self, phase: usize, ns: u64) -> &mut Interval {
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
                let mut interval = Interval::new(phase, second, self.lanes);
                interval.shards.resize_with(self.shards, ShardSecond::default);
                self.open.insert(place, interval);
                &mut self.open[place]
            }
        }
    }

    pub(crate) fn due(&mut self, job: &Job, now_ns: u64) {
        let intended_ns = job.arrival.intended_ns;
        let interval = self.at(job.phase, intended_ns);
        interval.lanes[job.lane].scheduled += 1;
        interval.lanes[job.lane].retries += u64::from(job.tried.is_some());
        interval.schedule_lag.record_ns(now_ns.saturating_sub(intended_ns));
        self.live.due += 1;
    }

    pub(crate) fn unsent(&mut self, job: &Job) {
        let interval = self.at(job.phase, job.arrival.intended_ns);
        interval.lanes[job.lane].unsent += 1;
        if let Some(calls) = calls(interval, job) {
            calls.unsent();
        }
        self.live.failed += 1;
    }

    /// A request was sent, and the run ended before its answer.
    pub(crate) fn cut_off(&mut self, job: &Job) {
        self.at(job.phase, job.arrival.intended_ns).lanes[job.lane].cut_off += 1;
    }

    /// One request ended. `sent_ns` is when it was handed to its connection.
    pub(crate) fn done(&mut self, job: &Job, outcome: Outcome, sent_ns: u64, done_ns: u64) {
        let response_ns = done_ns.saturating_sub(job.arrival.intended_ns);
        let service_ns = done_ns.saturating_sub(sent_ns);
        let interval = self.at(job.phase, job.arrival.intended_ns);
        interval.lanes[job.lane].record(outcome, response_ns, service_ns);
        if let Some(calls) = calls(interval, job) {
            calls.ended(outcome, response_ns);
        }
        match outcome {
            Outcome::Ok => self.live.ok += 1,
            _ if outcome.is_refusal() => self.live.refused += 1,
            _ => self.live.failed += 1,
        }
        self.live.response.record_ns(response_ns);
    }

    /// An answer of outcome `ok` was complete so many seconds into the phase.
    pub(crate) fn ok_answered(&mut self, lane: usize, phase: usize, second: u64, done_ns: u64) {
        let answered = &mut self.at(phase, done_ns).lanes[lane].ok_answered;
        *answered.entry(second).or_default() += 1;
    }

    /// The server acknowledged a write.
    pub(crate) fn promised(&mut self, job: &Job, promise: Promise) {
        let interval = self.at(job.phase, job.arrival.intended_ns);
        let acknowledged = interval.acknowledged.get_or_insert_default();
        match promise {
            Promise::Joined(joined) => acknowledged.joined.push(joined),
            Promise::Sent(sent) => acknowledged.sent.push(sent),
        }
    }

    pub(crate) fn take_live(&mut self) -> Live {
        std::mem::take(&mut self.live)
    }

    /// The oldest interval, if nothing can be added to it any more.
    pub(crate) fn take_complete(&mut self, now_ns: u64) -> Option<Interval> {
        let complete = self.open.front()?.second + self.keep_s < now_ns / SECOND_NS;
        if complete { self.open.pop_front() } else { None }
    }

    /// Puts an interval back that could not be reported yet.
    pub(crate) fn put_back(&mut self, interval: Interval) {
        self.open.push_front(interval);
    }

    pub(crate) fn take_rest(&mut self) -> impl Iterator<Item = Interval> {
        self.open.drain(..)
    }
}

/// The job's tenth of a second on its shard, where shards are told apart.
fn calls<'a>(interval: &'a mut Interval, job: &Job) -> Option<&'a mut Calls> {
    let second = interval.shards.get_mut(usize::from(job.shard?))?;
    Some(second.at(job.arrival.intended_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_that_can_still_change_are_held() {
        let mut ledger = Ledger::new(1, 0, Duration::from_secs(5));
        let mut held_max = 0;
        for second in 0..1000 {
            ledger.at(0, second * SECOND_NS).lanes[0].scheduled += 1;
            while let Some(interval) = ledger.take_complete(second * SECOND_NS) {
                assert!(interval.second + 5 < second);
            }
            held_max = held_max.max(ledger.open.len());
        }
        assert_eq!(held_max, 8);
    }

    #[test]
    fn a_second_that_two_phases_share_is_kept_apart() {
        let mut ledger = Ledger::new(1, 0, Duration::from_secs(1));
        ledger.at(1, 2_600_000_000).lanes[0].scheduled += 1;
        ledger.at(0, 2_400_000_000).lanes[0].scheduled += 2;
        ledger.at(1, 2_700_000_000).lanes[0].scheduled += 1;
        let seen: Vec<_> = ledger
            .take_rest()
            .map(|interval| (interval.second, interval.phase, interval.lanes[0].scheduled))
            .collect();
        assert_eq!(seen, [(2, 0, 2), (2, 1, 2)]);
    }
}
