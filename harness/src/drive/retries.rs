//! Callers who retry until they have what they want or give up: their logical calls.
//!
//! ```text
//!   answer ──► Retries::after: done? given up? or a pause (arrival/backoff.rs) ──► due ──► the pacer, as an arrival
//!                                                                                          of its own
//! ```
//!
//! A retry is an arrival like any other, only that the answer decided its intended start: it is admitted, waits for a
//! connection and is measured as an attempt in the second in which it is due. What the *caller* went through, from the
//! first intended start on, is kept apart, with the phase of the first attempt. Entries without `retry` pay one
//! comparison.
//!
//! Pure: knows jobs and answers; time comes in, and what follows is returned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hotchat_policy::RetryBudget;

use super::job::{Job, Tried};
use crate::arrival::{Arrival, Backoff};
use crate::clock::nanos;
use crate::record::Outcome;
use crate::transport::Answer;

/// HTTP's answer to a caller who wants to be what they already are.
const CONFLICT: u16 = 409;

/// Retries that a budget saves up at most, and that it has at first: a handful of failures in quiet times is retried
/// whatever the budget.
const SAVED_MAX: u32 = 10;

/// Who retries, and how.
#[derive(Debug, Clone)]
pub struct RetryPlan {
    /// By traffic entry; `None` where nobody retries.
    pub entries: Vec<Option<Retry>>,
    /// Pending retries at once, over all workers.
    pub waiting: usize,
    /// Seed of the pauses.
    pub seed: u64,
}

/// How the callers of one traffic entry retry.
#[derive(Debug, Clone)]
pub struct Retry {
    /// How often, and after which pauses.
    pub backoff: Backoff,
    /// The outcomes that are retried.
    pub on: Vec<Outcome>,
    /// Whether a conflict says that an earlier attempt, whose end nobody knows, did the work: so with joins.
    pub conflict_is_done: bool,
    /// From then on nobody retries.
    pub until_ns: u64,
    /// Retries for each first attempt; as many as `backoff` allows if `None`. Each worker keeps its own account.
    pub budget: Option<f64>,
}

/// A pending retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    at_ns: u64,
    flow: usize,
    ordinal: u64,
    item: usize,
    host: usize,
    tried: Tried,
}

impl Pending {
    fn arrival(&self) -> Arrival {
        Arrival {
            intended_ns: self.at_ns,
            flow: self.flow,
            ordinal: self.ordinal,
            item: self.item,
            host: self.host,
        }
    }
}

/// What an attempt means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The logical call has succeeded.
    Done,
    GivesUp,
    /// The run ends before the next attempt.
    CutOff,
    /// The budget of retries is used up.
    OutOfBudget,
    /// The next attempt is due at this time.
    Again(u64),
}

/// One worker's pending retries.
pub(super) struct Retries {
    plan: Arc<RetryPlan>,
    waiting_max: usize,
    waiting: BinaryHeap<Reverse<Pending>>,
    /// By traffic entry.
    budgets: Vec<Option<RetryBudget>>,
}

impl Retries {
    pub(super) fn new(plan: Arc<RetryPlan>, waiting_max: usize) -> Self {
        let entries = plan.entries.iter();
        let budget = |entry: &Option<Retry>| {
            let part = entry.as_ref()?.budget?;
            Some(RetryBudget::try_new(part, SAVED_MAX).expect("the workload bounds it"))
        };
        Self {
            budgets: entries.map(budget).collect(),
            plan,
            waiting_max,
            waiting: BinaryHeap::new(),
        }
    }

    /// Whether the callers of the job retry, so that their answers are to be read.
    pub(super) fn concern(&self, job: &Job) -> bool {
        self.plan.entries[job.arrival.flow].is_some()
    }

    /// When the next one is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse(pending)| pending.at_ns)
    }

    pub(super) fn take(&mut self) -> Option<(Arrival, Tried)> {
        let Reverse(pending) = self.waiting.pop()?;
        Some((pending.arrival(), pending.tried))
    }

    /// Takes all, due or not.
    pub(super) fn abandon(&mut self) -> impl Iterator<Item = (Arrival, Tried)> {
        let pending = std::mem::take(&mut self.waiting).into_iter();
        pending.map(|Reverse(pending)| (pending.arrival(), pending.tried))
    }

    /// What follows from an attempt; `None` where nobody retries. A retry that follows is pending from now on.
    pub(super) fn after(&mut self, job: &Job, outcome: Outcome, answer: &Answer<'_>, done_ns: u64) -> Option<Then> {
        let plan = Arc::clone(&self.plan);
        let retry = plan.entries[job.arrival.flow].as_ref()?;
        Some(self.after_attempt(retry, job, outcome, answer, done_ns))
    }

    fn after_attempt(&mut self, retry: &Retry, job: &Job, outcome: Outcome, answer: &Answer<'_>, done_ns: u64) -> Then {
        let made = job.attempts();
        let budget = self.budgets.get_mut(job.arrival.flow).and_then(Option::as_mut);
        if let (Some(budget), 1) = (budget, made) {
            budget.first_try();
        }
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
        let budget = self.budgets.get_mut(job.arrival.flow).and_then(Option::as_mut);
        if budget.is_some_and(|budget| !budget.retry()) {
            return Then::OutOfBudget;
        }
        let Arrival {
            flow,
            ordinal,
            item,
            host,
            ..
        } = job.arrival;
        let tried = Tried {
            first_ns: job.first_ns(),
            phase: u32::try_from(job.first_phase()).expect("a profile has fewer phases"),
            attempts: made,
            unknown: unknown || !is_known(outcome),
        };
        self.waiting.push(Reverse(Pending {
            at_ns,
            flow,
            ordinal,
            item,
            host,
            tried,
        }));
        Then::Again(at_ns)
    }
}

/// Whether the outcome says that the work was not done. A server that fails may have done it all the same.
fn is_known(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Timeout | Outcome::ConnectError | Outcome::ServerError)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drive::job;

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
            budget: None,
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
            item: 5,
            host: 0,
        };
        Job {
            arrival,
            phase: 4,
            ..job::tests::job(intended_ns)
        }
    }

    /// The next attempt, as the worker would admit it in a later phase.
    fn again(retries: &mut Retries) -> Job {
        let (arrival, tried) = retries.take().unwrap();
        Job {
            arrival,
            phase: 6,
            tried: Some(tried),
            ..job::tests::job(0)
        }
    }

    const REJECTED: Answer<'_> = Answer {
        status: 429,
        head: b"",
        body: br#"{"error":"throttled","retry_after_ms":30}"#,
    };

    #[test]
    fn the_same_caller_retries_when_asked_and_gives_up_after_the_last_attempt() {
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Throttled]));
        let mut job = first(77, 1_000 * MS);
        for attempt in 1..=2 {
            let done_ns = job.arrival.intended_ns + 7 * MS;
            let then = retries.after_attempt(&retry, &job, Outcome::Throttled, &REJECTED, done_ns);
            assert_eq!(then, Then::Again(done_ns + 30 * MS));
            job = again(&mut retries);
            let Arrival {
                intended_ns,
                flow,
                ordinal,
                item,
                ..
            } = job.arrival;
            assert_eq!((intended_ns, flow, ordinal, item), (done_ns + 30 * MS, 2, 77, 5));
            assert_eq!(
                (job.attempts(), job.first_ns(), job.first_phase()),
                (attempt + 1, 1_000 * MS, 4)
            );
        }
        assert_eq!(
            retries.after_attempt(&retry, &job, Outcome::Throttled, &REJECTED, 9_000 * MS),
            Then::GivesUp
        );
        assert_eq!(retries.next_ns(), None);
    }

    #[test]
    fn only_what_the_workload_names_is_retried() {
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Shed]));
        for (outcome, then) in [
            (Outcome::Ok, Then::Done),
            (Outcome::Shed, Then::Again(100 * MS)),
            (Outcome::Throttled, Then::GivesUp),
            (Outcome::ClientError, Then::GivesUp),
            (Outcome::Timeout, Then::GivesUp),
        ] {
            assert_eq!(
                retries.after_attempt(&retry, &first(1, 0), outcome, &Answer::default(), 0),
                then
            );
        }
    }

    #[test]
    fn who_finds_the_budget_used_up_gives_up() {
        let limited = Retry {
            budget: Some(0.5),
            ..retry(&[Outcome::Shed])
        };
        let plan = RetryPlan {
            entries: vec![None, None, Some(limited.clone())],
            waiting: 1000,
            seed: 1,
        };
        let mut retries = Retries::new(Arc::new(plan), 1000);
        let mut refused = 0;
        for ordinal in 0..100 {
            let then = retries.after_attempt(&limited, &first(ordinal, 0), Outcome::Shed, &Answer::default(), 0);
            refused += usize::from(then == Then::OutOfBudget);
        }
        // Ten that were saved, and one for every two first attempts.
        assert!((40..=42).contains(&refused), "{refused}");
        assert_eq!(retries.waiting.len(), 100 - refused);
        let job = again(&mut retries);
        let then = retries.after_attempt(&limited, &job, Outcome::Shed, &Answer::default(), 0);
        assert_eq!(then, Then::OutOfBudget, "a second retry adds nothing");
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
            retries.after_attempt(&retry, &first(1, 0), before, &Answer::default(), 0);
            let job = again(&mut retries);
            let after = retries.after_attempt(&retry, &job, Outcome::ClientError, &conflict, 0);
            assert_eq!(after, then, "{before:?}");
        }
        let (mut retries, retry) = (retries(10), retry(&[Outcome::Timeout]));
        let then = retries.after_attempt(&retry, &first(1, 0), Outcome::ClientError, &conflict, 0);
        assert_eq!(then, Then::GivesUp, "nobody tried before");
    }

    #[test]
    fn a_retry_too_many_is_given_up_and_one_after_the_end_is_cut_off() {
        let (mut retries, retry) = (retries(2), retry(&[Outcome::Throttled]));
        let mut after = |ordinal, done_ns| {
            retries.after_attempt(
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
