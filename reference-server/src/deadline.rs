//! How long a caller waits for an answer: until a deadline, and only while connected.
//!
//! Created when a request arrives and passed down to its last statement, so that all waits share one limit instead of
//! adding up, and so that work without a waiting caller stops, except work that must not be left half done.
//!
//! Rejected: dropping the request's task when the caller disconnects. That would end the work at any await, including
//! between the commit of an event and its publication; this way the code decides where it ends.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Cheap to clone; clones belong to the same request.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    gone: CancellationToken,
}

/// Why a wait ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its own limit expired.
    Limit,
    /// The request's deadline passed.
    Deadline,
    /// The caller disconnected.
    Gone,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            at: Some(Instant::now() + limit),
            gone: CancellationToken::new(),
        }
    }

    /// For work that no caller can abandon.
    pub(crate) fn never() -> Self {
        Self {
            at: None,
            gone: CancellationToken::new(),
        }
    }

    /// The caller counts as disconnected once the guard is dropped.
    pub(crate) fn while_held(&self) -> DropGuard {
        self.gone.clone().drop_guard()
    }

    /// The same deadline, regardless of the caller: for work that must be completed once begun.
    pub(crate) fn without_caller(&self) -> Self {
        Self {
            at: self.at,
            gone: CancellationToken::new(),
        }
    }

    /// Fails if nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), Ended> {
        if self.gone.is_cancelled() {
            return Err(Ended::Gone);
        }
        match self.at {
            Some(at) if at <= Instant::now() => Err(Ended::Deadline),
            _ => Ok(()),
        }
    }

    /// The rest of `limit`, or of the deadline if that is shorter.
    pub(crate) fn cut(&self, limit: Duration) -> Duration {
        self.at
            .map_or(limit, |at| limit.min(at.saturating_duration_since(Instant::now())))
    }

    /// Runs `work` for at most `limit`; drops it when the limit or the deadline passes or the caller disconnects.
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
    async fn a_wait_ends_when_the_caller_disconnects() {
        let deadline = Deadline::after(ms(100));
        let caller = deadline.while_held();
        let waits = deadline.clone();
        let (ended, ()) = tokio::join!(waits.bound(ms(500), pending::<()>()), async {
            tokio::time::sleep(ms(10)).await;
            drop(caller);
        });
        assert_eq!((ended, deadline.check()), (Err(Ended::Gone), Err(Ended::Gone)));
        assert_eq!(
            deadline.bound(ms(500), ready(7)).await,
            Ok(7),
            "a ready result is returned"
        );
        let seen_through = deadline.without_caller();
        assert_eq!(seen_through.bound(ms(500), pending::<()>()).await, Err(Ended::Deadline));
    }
}
