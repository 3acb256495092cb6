//! Admission: the limit on requests in progress, comparable to a thread pool with a bounded queue and a bounded wait.
//!
//! A bounded number of requests is in progress; a bounded number waits, first come, first served, for a bounded time;
//! the rest are shed at once. Here a request also gets its deadline, which all its waits share, this one included.
//!
//! An admitted request runs in a task of its own and holds its slot until its work ends. A caller's disconnect ends the
//! request's waits, including the one for the database, where work that has begun is completed or undone as a whole. A
//! send is the exception: once its statements run, only the deadline and `storage_timeout` end it, so that an event is
//! not stored and left unpublished because its sender disconnected. A time-out may still leave one unpublished, until
//! the chat's next event.
//!
//! Rejected: `tower`'s `ConcurrencyLimit` with `LoadShed`, which either waits without bound or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::Shared;
use super::refusal::Refusal;
use crate::config::Requests;
use crate::deadline::Deadline;
use crate::metrics::RequestGauges;

/// The slots, and the queue for them.
pub(crate) struct Admission {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    wait: Duration,
    deadline: Duration,
}

/// Why a request was shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shed {
    QueueFull,
    WaitTimeout,
}

impl Shed {
    fn reason(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WaitTimeout => "wait_timeout",
        }
    }
}

impl Admission {
    pub(crate) fn new(limit: &Requests) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(limit.in_progress.as_usize())),
            waiting: AtomicUsize::new(0),
            waiting_max: limit.waiting.as_usize(),
            wait: limit.wait.get(),
            deadline: limit.deadline.get(),
        }
    }

    async fn turn(&self, gauges: &RequestGauges, deadline: &Deadline) -> Result<OwnedSemaphorePermit, Shed> {
        // Waiting requests are not overtaken: a free permit is handed to them before `try_acquire` can see it.
        match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {}
        }
        let _queued = Queued::enter(self, &gauges.waiting).ok_or(Shed::QueueFull)?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let waited = deadline.bound(self.wait, turn).await;
        let permit = waited.map_err(|_| Shed::WaitTimeout)?;
        Ok(permit.expect("the semaphore is never closed"))
    }
}

/// A place in the queue, given up on drop (also when the caller disconnects).
struct Queued<'a> {
    admission: &'a Admission,
    gauge: &'a Gauge,
}

impl<'a> Queued<'a> {
    fn enter(admission: &'a Admission, gauge: &'a Gauge) -> Option<Self> {
        let before = admission.waiting.fetch_add(1, Ordering::Relaxed);
        gauge.inc();
        let queued = Self { admission, gauge };
        (before < admission.waiting_max).then_some(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.admission.waiting.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

/// Counts as in progress until dropped.
struct InProgress(Gauge);

impl InProgress {
    fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) async fn admit(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let gauges = &app.metrics.requests;
    let deadline = Deadline::after(app.admission.deadline);
    let _caller = deadline.while_held();
    let permit = match app.admission.turn(gauges, &deadline).await {
        Ok(permit) => permit,
        Err(shed) => {
            gauges.shed(shed.reason());
            return refuse(shed, app.admission.wait.min(app.admission.deadline)).into_response();
        }
    };
    let in_progress = InProgress::enter(&gauges.in_progress);
    request.extensions_mut().insert(deadline);
    let work = app.tasks.spawn(async move {
        let response = next.run(request).await;
        drop((permit, in_progress));
        response
    });
    work.await
        .unwrap_or_else(|_panicked| Refusal::internal().into_response())
}

fn refuse(shed: Shed, wait: Duration) -> Refusal {
    Refusal::overloaded(match shed {
        Shed::QueueFull => "too many requests are waiting; retry later".to_owned(),
        Shed::WaitTimeout => format!("the request was not admitted within {wait:?}; retry later"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn admission(waiting: usize, wait_ms: u64) -> Admission {
        let (turns, wait) = (Arc::new(Semaphore::new(1)), Duration::from_millis(wait_ms));
        Admission {
            turns,
            waiting: AtomicUsize::new(0),
            waiting_max: waiting,
            wait,
            deadline: Duration::from_secs(5),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_and_the_queue_are_bounded() {
        let metrics = Metrics::new();
        let (admission, never) = (admission(1, 500), Deadline::never());
        let first = admission.turn(&metrics.requests, &never).await.unwrap();
        let started = tokio::time::Instant::now();
        let (second, third) = tokio::join!(admission.turn(&metrics.requests, &never), async {
            admission.turn(&metrics.requests, &never).await
        });
        assert_eq!(second.unwrap_err(), Shed::WaitTimeout);
        assert_eq!(third.unwrap_err(), Shed::QueueFull);
        assert_eq!(started.elapsed(), Duration::from_millis(500));
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        drop(first);
        assert!(admission.turn(&metrics.requests, &never).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_disconnected_caller_gives_up_its_place() {
        let metrics = Metrics::new();
        let (admission, never) = (admission(1, 500), Deadline::never());
        let _first = admission.turn(&metrics.requests, &never).await.unwrap();
        let gone = tokio::time::timeout(Duration::from_millis(1), admission.turn(&metrics.requests, &never)).await;
        assert!(gone.is_err());
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(metrics.requests.waiting.get(), 0);
    }
}
