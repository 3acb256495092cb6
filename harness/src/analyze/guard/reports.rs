//! From what workers report, in their own time, to whole seconds of all of them.
//!
//! A worker reports a second just after its end, what it measured first and then up to when that was all. A second is
//! whole when every worker has said so. Where a worker is so late that it reports several seconds at once, they count
//! as the last of them.

use std::collections::BTreeMap;

use super::ended::{Ended, Source};
use crate::record::Interval;

const SECOND_NS: u64 = 1_000_000_000;

/// What one worker has reported.
#[derive(Debug, Clone, Default)]
struct Worker {
    until_ns: u64,
    /// Since then, by rule.
    news: Vec<Ended>,
}

/// Reports of workers that run.
#[derive(Debug)]
pub(super) struct Reports {
    /// Of each rule, what its figure is made of.
    sources: Vec<Option<Source>>,
    workers: Vec<Worker>,
    /// Seconds that are not whole yet, by rule.
    seconds: BTreeMap<u64, Vec<Ended>>,
    next: u64,
}

impl Reports {
    pub(super) fn new(sources: Vec<Option<Source>>, workers: usize) -> Self {
        let worker = Worker {
            until_ns: 0,
            news: vec![Ended::default(); sources.len()],
        };
        Self {
            workers: vec![worker; workers],
            sources,
            seconds: BTreeMap::new(),
            next: 0,
        }
    }

    /// Takes in what a worker has measured; `counts` says whether that is of a phase that is judged.
    pub(super) fn take(&mut self, interval: &Interval, counts: bool) {
        let Some(worker) = self.workers.get_mut(interval.worker as usize).filter(|_| counts) else {
            return;
        };
        for (news, source) in worker.news.iter_mut().zip(&self.sources) {
            if let Some(source) = source {
                news.take(source, interval);
            }
        }
    }

    /// A worker has reported everything that happened before `ns`.
    pub(super) fn until(&mut self, worker: u32, ns: u64) {
        let Some(worker) = self.workers.get_mut(worker as usize) else {
            return;
        };
        let second = (worker.until_ns / SECOND_NS).max((ns / SECOND_NS).saturating_sub(1));
        worker.until_ns = worker.until_ns.max(ns);
        let rules = worker.news.len();
        let second = self
            .seconds
            .entry(second)
            .or_insert_with(|| vec![Ended::default(); rules]);
        for (all, news) in second.iter_mut().zip(&mut worker.news) {
            all.merge(&std::mem::take(news));
        }
    }

    /// The next second that is whole: its number, and what ended in it by rule.
    pub(super) fn next_second(&mut self) -> Option<(u64, Vec<Ended>)> {
        let until_ns = self.workers.iter().map(|worker| worker.until_ns).min()?;
        let second = self.next;
        if (second + 1).saturating_mul(SECOND_NS) > until_ns {
            return None;
        }
        self.next += 1;
        let none = || vec![Ended::default(); self.sources.len()];
        Some((second, self.seconds.remove(&second).unwrap_or_else(none)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Due, PhaseBounds, Recorder, UnsentCause};

    const MS: u64 = 1_000_000;

    /// A report in which so many arrivals ended, and nothing else.
    fn report(worker: u32, ended: u64) -> Interval {
        let bounds = PhaseBounds::new([(std::time::Duration::ZERO, std::time::Duration::from_secs(99))]);
        let mut recorder = Recorder::new(worker, 1, 0, bounds);
        let arrival = Due {
            series: 0,
            phase: 0,
            shard: None,
            host: 0,
            intended_ns: 0,
            is_retry: false,
        };
        (0..ended).for_each(|_| recorder.unsent(&arrival, UnsentCause::QueueFull));
        recorder
            .drain()
            .next()
            .unwrap_or_else(|| Interval::new(worker, 0, 0, 1))
    }

    /// Seconds that became whole, each with how many arrivals ended in it.
    fn whole(reports: &mut Reports) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| reports.next_second())
            .map(|(second, ended)| (second, ended[0].ended))
            .collect()
    }

    #[test]
    fn a_second_is_whole_when_every_worker_has_reported_it() {
        let mut reports = Reports::new(vec![Some(Source::Requests(vec![0]))], 2);
        reports.take(&report(0, 3), true);
        reports.until(0, 1_003 * MS);
        assert_eq!(whole(&mut reports), []);
        reports.take(&report(1, 4), true);
        reports.until(1, 1_009 * MS);
        assert_eq!(whole(&mut reports), [(0, 7)]);
        reports.take(&report(0, 1), true);
        reports.until(0, 2_001 * MS);
        reports.take(&report(0, 2), true);
        reports.until(0, 3_001 * MS);
        reports.take(&report(1, 5), true);
        reports.until(1, 2_004 * MS);
        assert_eq!(whole(&mut reports), [(1, 6)]);
        reports.until(1, 3_000 * MS);
        assert_eq!(
            whole(&mut reports),
            [(2, 2)],
            "a second of which one has nothing to say"
        );
    }

    #[test]
    fn a_report_in_mid_second_counts_in_that_second_and_one_of_several_in_the_last() {
        let mut reports = Reports::new(vec![Some(Source::Requests(vec![0]))], 1);
        reports.take(&report(0, 1), true);
        reports.until(0, 1_004 * MS);
        reports.take(&report(0, 2), true);
        reports.until(0, 1_502 * MS);
        reports.take(&report(0, 4), true);
        reports.until(0, 2_003 * MS);
        reports.take(&report(0, 8), true);
        reports.until(0, 5_900 * MS);
        assert_eq!(whole(&mut reports), [(0, 1), (1, 6), (2, 0), (3, 0), (4, 8)]);
    }

    #[test]
    fn what_is_not_judged_is_not_taken_in_and_an_unknown_worker_neither() {
        let mut reports = Reports::new(vec![Some(Source::Requests(vec![0])), None], 1);
        reports.take(&report(0, 9), false);
        reports.take(&report(7, 9), true);
        reports.until(7, 9_000 * MS);
        reports.until(0, 1_000 * MS);
        assert_eq!(whole(&mut reports), [(0, 0)]);
    }
}
