//! Callers who try again, until they have what they want or give up: their journeys.
//!
//! ```text
//!   answer ──► Retries::after: done? given up? or a pause (arrival/backoff.rs) ──► due ──► the pacer, as an arrival of its own
//! ```
//!
//! A retry is an arrival like any other, only that the answer decided its intended start: it is admitted, waits for a connection and is measured
//! as an attempt in the second in which it is due. What the *caller* went through, from his first intended start on, is kept apart, with
//! the phase of his first attempt. Entries without `retry` pay one comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use super::dispatch::Job;
use super::reply::Answer;
use super::worker::Worker;
use crate::arrival::{Arrival, Backoff};
use crate::record::{Journeys, Outcome};

/// HTTP's answer to who wants to be what he already is.
const CONFLICT: u16 = 409;

/// Who tries again, and how.
#[derive(Debug, Clone)]
pub struct RetryPlan {
    /// By traffic entry; `None` where nobody does.
    pub entries: Vec<Option<Retry>>,
    /// Callers who may wait to try again at once, over all workers.
    pub waiting: usize,
    /// Seed of the pauses.
    pub seed: u64,
}

/// How the callers of one traffic entry try again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// How often, and after which pauses.
    pub backoff: Backoff,
    /// The outcomes that are tried again.
    pub on: Vec<Outcome>,
    /// Whether a conflict says that an earlier attempt, whose end nobody knows, did the work: so with joins.
    pub conflict_is_done: bool,
    /// From then on nobody tries again.
    pub until_ns: u64,
}

/// What lies behind a request that is a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tried {
    /// Intended start of the first attempt.
    first_ns: u64,
    /// Its phase.
    phase: u32,
    /// Attempts before this one.
    attempts: u16,
    /// One of them may have been done although no answer said so.
    unknown: bool,
}

/// Somebody who waits to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waits {
    at_ns: u64,
    flow: usize,
    ordinal: u64,
    chat: usize,
    tried: Tried,
}

impl Waits {
    fn arrival(&self) -> Arrival {
        Arrival {
            intended_ns: self.at_ns,
            flow: self.flow,
            ordinal: self.ordinal,
            chat: self.chat,
        }
    }
}

/// What an attempt means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Done,
    GivesUp,
    /// The run ends before he would try again.
    CutOff,
    Again(u64),
}

/// One worker's callers who wait to try again.
pub(super) struct Retries {
    plan: Arc<RetryPlan>,
    waiting_max: usize,
    waiting: BinaryHeap<Reverse<Waits>>,
}

impl Retries {
    pub(super) fn new(plan: Arc<RetryPlan>, waiting_max: usize) -> Self {
        Self {
            plan,
            waiting_max,
            waiting: BinaryHeap::new(),
        }
    }

    fn of(&self, job: &Job) -> Option<&Retry> {
        self.plan.entries[job.arrival.flow].as_ref()
    }

    /// When the next one tries again.
    fn next_ns(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse(waits)| waits.at_ns)
    }

    fn take(&mut self) -> Option<(Arrival, Tried)> {
        let Reverse(waits) = self.waiting.pop()?;
        Some((waits.arrival(), waits.tried))
    }

    /// What follows from an attempt of an entry that `retry` says how to try again; who tries again waits from now on.
    fn after(&mut self, retry: &Retry, job: &Job, outcome: Outcome, answer: &Answer<'_>, done_ns: u64) -> Then {
        let made = attempts(job);
        let unknown = job.tried.is_some_and(|tried| tried.unknown);
        if outcome == Outcome::Ok || (unknown && retry.conflict_is_done && answer.status == CONFLICT) {
            return Then::Done;
        }
        if !retry.on.contains(&outcome) {
            return Then::GivesUp;
        }
        let chance = Backoff::chance(self.plan.seed, &job.arrival, made);
        let Some(pause) = retry.backoff.pause(made, answer.asked(), chance) else {
            return Then::GivesUp;
        };
        let at_ns = done_ns.saturating_add(nanos(pause));
        if at_ns >= retry.until_ns {
            return Then::CutOff;
        }
        if self.waiting.len() >= self.waiting_max {
            return Then::GivesUp;
        }
        let Arrival {
            flow, ordinal, chat, ..
        } = job.arrival;
        let tried = Tried {
            first_ns: first_ns(job),
            phase: u32::try_from(first_phase(job)).expect("a profile has fewer phases"),
            attempts: made,
            unknown: unknown || !is_known(outcome),
        };
        self.waiting.push(Reverse(Waits {
            at_ns,
            flow,
            ordinal,
            chat,
            tried,
        }));
        Then::Again(at_ns)
    }
}

/// Whether the outcome says that the work was not done. A server that fails may have done it all the same.
fn is_known(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Timeout | Outcome::ConnectError | Outcome::ServerError)
}

/// Attempts made with this one.
fn attempts(job: &Job) -> u16 {
    job.tried.map_or(0, |tried| tried.attempts) + 1
}

fn first_ns(job: &Job) -> u64 {
    job.tried.map_or(job.arrival.intended_ns, |tried| tried.first_ns)
}

/// Phase of the first attempt.
pub(super) fn first_phase(job: &Job) -> usize {
    job.tried.map_or(job.phase, |tried| tried.phase as usize)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Worker {
    pub(super) fn next_retry_ns(&self) -> Option<u64> {
        self.retries.as_ref()?.borrow().next_ns()
    }

    pub(super) fn take_retry(&self) -> Option<(Arrival, Tried)> {
        self.retries.as_ref()?.borrow_mut().take()
    }

    /// Whether the callers of a job try again, so that their answers are to be read.
    pub(super) fn tries_again(&self, job: &Job) -> bool {
        let retries = self.retries.as_ref();
        retries.is_some_and(|retries| retries.borrow().of(job).is_some())
    }

    /// An attempt was answered, or got no answer.
    pub(super) fn attempt_ended(&self, job: &Job, outcome: Outcome, answer: &Answer<'_>, done_ns: u64) {
        let Some(retries) = &self.retries else { return };
        let then = {
            let mut retries = retries.borrow_mut();
            let plan = Arc::clone(&retries.plan);
            let Some(retry) = &plan.entries[job.arrival.flow] else {
                return;
            };
            retries.after(retry, job, outcome, answer, done_ns)
        };
        match then {
            Then::Again(at_ns) => self.alarm.set(at_ns),
            Then::Done => self.note_journey(job, done_ns, |journeys| {
                journeys.succeeded(attempts(job), done_ns.saturating_sub(first_ns(job)));
            }),
            Then::GivesUp => self.note_journey(job, done_ns, |journeys| journeys.gave_up += 1),
            Then::CutOff => self.note_journey(job, done_ns, |journeys| journeys.cut_off += 1),
        }
    }

    /// An attempt was never sent: the caller would wait for ever.
    pub(super) fn attempt_unsent(&self, job: &Job, now_ns: u64) {
        if self.tries_again(job) {
            self.note_journey(job, now_ns, |journeys| journeys.gave_up += 1);
        }
    }

    /// The run ends with these under way; whoever waits to try again shares their fate.
    pub(super) fn cut_off_journeys(&self, under_way: &[Job]) {
        let Some(retries) = &self.retries else { return };
        let now_ns = self.clock.now_ns();
        let cut_off = |journeys: &mut Journeys| journeys.cut_off += 1;
        for job in under_way.iter().filter(|job| self.tries_again(job)) {
            self.note_journey(job, now_ns, cut_off);
        }
        let waiting = std::mem::take(&mut retries.borrow_mut().waiting);
        for Reverse(waits) in waiting {
            let arrival = waits.arrival();
            let job = Job {
                phase: waits.tried.phase as usize,
                lane: self.requests.lane(&arrival),
                shard: self.requests.shard(&arrival),
                arrival,
                tried: Some(waits.tried),
            };
            self.note_journey(&job, now_ns, cut_off);
        }
    }

    fn note_journey(&self, job: &Job, ended_ns: u64, note: impl FnOnce(&mut Journeys)) {
        let mut ledger = self.ledger.borrow_mut();
        let interval = ledger.at(first_phase(job), ended_ns);
        note(interval.lanes[job.lane].journeys.get_or_insert_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn retry(on: &[Outcome]) -> Retry {
        Retry {
            backoff: Backoff {
                attempts: 3,
                initial: Duration::from_millis(100),
                multiplier: 2.0,
                max: Duration::from_secs(1),
                jitter: 0.0,
            },
            on: on.to_vec(),
            conflict_is_done: true,
            until_ns: 60_000 * MS,
        }
    }

    fn retries(waiting_max: usize) -> Retries {
        let plan = RetryPlan {
            entries: vec![],
            waiting: waiting_max,
            seed: 1,
        };
        Retries::new(Arc::new(plan), waiting_max)
    }

    fn first(ordinal: u64, intended_ns: u64) -> Job {
        let arrival = Arrival {
            intended_ns,
            flow: 2,
            ordinal,
            chat: 5,
        };
        Job {
            arrival,
            phase: 4,
            lane: 4,
            shard: None,
            tried: None,
        }
    }

    /// The next attempt, as the worker would admit it in a later phase.
    fn again(retries: &mut Retries) -> Job {
        let (arrival, tried) = retries.take().unwrap();
        Job {
            arrival,
            phase: 6,
            lane: 4,
            shard: None,
            tried: Some(tried),
        }
    }

    const REFUSED: Answer<'_> = Answer {
        status: 429,
        retry_after_s: None,
        body: br#"{"error":"throttled","retry_after_ms":30}"#,
    };

    #[test]
    fn the_same_caller_comes_again_when_asked_and_gives_up_after_the_last_attempt() {
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Throttled]));
        let mut job = first(77, 1_000 * MS);
        for attempt in 1..=2 {
            let done_ns = job.arrival.intended_ns + 7 * MS;
            let then = retries.after(&retry, &job, Outcome::Throttled, &REFUSED, done_ns);
            assert_eq!(then, Then::Again(done_ns + 30 * MS));
            job = again(&mut retries);
            let Arrival {
                intended_ns,
                flow,
                ordinal,
                chat,
            } = job.arrival;
            assert_eq!((intended_ns, flow, ordinal, chat), (done_ns + 30 * MS, 2, 77, 5));
            assert_eq!(
                (attempts(&job), first_ns(&job), first_phase(&job)),
                (attempt + 1, 1_000 * MS, 4)
            );
        }
        assert_eq!(
            retries.after(&retry, &job, Outcome::Throttled, &REFUSED, 9_000 * MS),
            Then::GivesUp
        );
        assert_eq!(retries.next_ns(), None);
    }

    #[test]
    fn only_what_the_workload_names_is_tried_again() {
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Shed]));
        for (outcome, then) in [
            (Outcome::Ok, Then::Done),
            (Outcome::Shed, Then::Again(100 * MS)),
            (Outcome::Throttled, Then::GivesUp),
            (Outcome::ClientError, Then::GivesUp),
            (Outcome::Timeout, Then::GivesUp),
        ] {
            assert_eq!(
                retries.after(&retry, &first(1, 0), outcome, &Answer::default(), 0),
                then
            );
        }
    }

    #[test]
    fn a_conflict_is_a_success_only_where_an_earlier_attempt_may_have_been_one() {
        let conflict = Answer {
            status: CONFLICT,
            ..Answer::default()
        };
        for (before, then) in [
            (Outcome::Throttled, Then::GivesUp),
            (Outcome::Timeout, Then::Done),
            (Outcome::ConnectError, Then::Done),
            (Outcome::ServerError, Then::Done),
        ] {
            let (mut retries, retry) = (retries(10), retry(&[before]));
            retries.after(&retry, &first(1, 0), before, &Answer::default(), 0);
            let job = again(&mut retries);
            let after = retries.after(&retry, &job, Outcome::ClientError, &conflict, 0);
            assert_eq!(after, then, "{before:?}");
        }
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Timeout]));
        let then = retries.after(&retry, &first(1, 0), Outcome::ClientError, &conflict, 0);
        assert_eq!(then, Then::GivesUp, "nobody tried before");
    }

    #[test]
    fn who_finds_too_many_waiting_gives_up_and_who_would_be_too_late_is_cut_off() {
        let (mut retries, retry) = (retries(2), retry(&[Outcome::Throttled]));
        let mut after = |ordinal, done_ns| {
            retries.after(
                &retry,
                &first(ordinal, 0),
                Outcome::Throttled,
                &Answer::default(),
                done_ns,
            )
        };
        assert_eq!(after(1, 5 * MS), Then::Again(105 * MS));
        assert_eq!(after(2, 3 * MS), Then::Again(103 * MS));
        assert_eq!(after(3, 0), Then::GivesUp);
        assert_eq!(after(3, 59_900 * MS), Then::CutOff);
        assert_eq!(retries.next_ns(), Some(103 * MS), "in order of time");
        assert_eq!(again(&mut retries).arrival.ordinal, 2);
        assert_eq!(again(&mut retries).arrival.ordinal, 1);
    }
}
