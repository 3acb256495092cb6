//! How long a caller waits for his answer: until a moment, and only while he is there.
//!
//! It is made where a request arrives and goes with it to the last statement, so that the waits on the way share one limit instead of
//! adding up, and so that nothing goes on for nobody, except what must not be left half done.
//!
//! Rejected: dropping the request's task when the caller goes. It would end the work at any await, also between the commit of an event
//! and its being published; this way it ends where the code says so.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Cheap to clone; clones belong to the same request.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    gone: CancellationToken,
}

/// Why a wait has ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By the limit of its own.
    Limit,
    /// By the request's deadline.
    Deadline,
    /// The caller has gone.
    Gone,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            at: Some(Instant::now() + limit),
            gone: CancellationToken::new(),
        }
    }

    /// For work that no caller can give up.
    pub(crate) fn never() -> Self {
        Self {
            at: None,
            gone: CancellationToken::new(),
        }
    }

    /// The caller counts as gone when this is dropped.
    pub(crate) fn while_held(&self) -> DropGuard {
        self.gone.clone().drop_guard()
    }

    /// The same moment, whether the caller is there or not: for what has to be seen through once it has begun.
    pub(crate) fn without_caller(&self) -> Self {
        Self {
            at: self.at,
            gone: CancellationToken::new(),
        }
    }

    /// Whether there is still somebody who waits.
    pub(crate) fn check(&self) -> Result<(), Ended> {
        if self.gone.is_cancelled() {
            return Err(Ended::Gone);
        }
        match self.at {
            Some(at) if at <= Instant::now() => Err(Ended::Deadline),
            _ => Ok(()),
        }
    }

    /// What is left of `limit`, or of the deadline where that is less.
    pub(crate) fn cut(&self, limit: Duration) -> Duration {
        self.at
            .map_or(limit, |at| limit.min(at.saturating_duration_since(Instant::now())))
    }

    /// Does `work` for at most `limit`; it is dropped when that has passed, or the deadline, or when the caller goes.
    pub(crate) async fn bound<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Ended> {
        let own = Instant::now() + limit;
        let (until, ended) = match self.at {
            Some(at) if at < own => (at, Ended::Deadline),
            _ => (own, Ended::Limit),
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.gone.cancelled() => Err(Ended::Gone),
            () = sleep_until(until) => Err(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_shorter_of_its_limit_and_the_deadline() {
        let deadline = Deadline::after(ms(100));
        assert_eq!(deadline.bound(ms(500), ready(7)).await, Ok(7));
        assert_eq!(deadline.bound(ms(40), pending::<()>()).await, Err(Ended::Limit));
        assert_eq!((deadline.cut(ms(500)), deadline.check()), (ms(60), Ok(())));
        let started = Instant::now();
        assert_eq!(deadline.bound(ms(500), pending::<()>()).await, Err(Ended::Deadline));
        assert_eq!(started.elapsed(), ms(60));
        assert_eq!((deadline.cut(ms(500)), deadline.check()), (ms(0), Err(Ended::Deadline)));
        assert_eq!(Deadline::never().cut(ms(500)), ms(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_the_caller_goes() {
        let deadline = Deadline::after(ms(100));
        let caller = deadline.while_held();
        let waits = deadline.clone();
        let (ended, ()) = tokio::join!(waits.bound(ms(500), pending::<()>()), async {
            tokio::time::sleep(ms(10)).await;
            drop(caller);
        });
        assert_eq!((ended, deadline.check()), (Err(Ended::Gone), Err(Ended::Gone)));
        assert_eq!(deadline.bound(ms(500), ready(7)).await, Ok(7), "what is there is taken");
        let seen_through = deadline.without_caller();
        assert_eq!(seen_through.bound(ms(500), pending::<()>()).await, Err(Ended::Deadline));
    }
}
