//! Admission: the limit on requests in progress, comparable to a thread pool with a bounded queue and a bounded wait.
//!
//! ```text
//! line.rs         the slots, and the line of requests that wait for one
//! bounded_fifo.rs first come, first served                    gradient.rs  as many slots as do not slow calls down
//! codel.rs        short waits and newest first under overload dagor.rs     the least important requests are shed
//! priority.rs     class and user of a request                 call_end.rs  what a response says about the server
//! shed.rs         why a request was not admitted
//! ```
//!
//! A bounded number of requests is in progress; a bounded number waits for a bounded time; the rest are shed at once.
//! `requests.policy` decides who waits, how long, in which order and for how many slots. Here a request also gets its
//! deadline, which all its waits share, this one included.
//!
//! An admitted request runs in a task of its own and holds its slot until its work ends. A caller's disconnect ends the
//! request's waits, including the one for the database, where work that has begun is completed or undone as a whole. A
//! send is the exception: once its statements run, only the deadline and `storage_timeout` end it, so that an event is
//! not stored and left unpublished because its sender disconnected. A time-out may still leave one unpublished, until
//! the chat's next event.
//!
//! Rejected: `tower`'s `ConcurrencyLimit` with `LoadShed`, which either waits without bound or not at all.

mod bounded_fifo;
mod call_end;
mod codel;
mod dagor;
mod gradient;
mod line;
mod priority;
mod shed;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hotchat_policy::{CallEnd, Priority};
use prometheus_client::metrics::gauge::Gauge;

use super::Shared;
use super::refusal::Refusal;
use crate::clock::Clock;
use crate::config::{RequestPolicy, Requests};
use crate::deadline::{Deadline, Ended};
use crate::metrics::RequestMetrics;
use bounded_fifo::BoundedFifo;
use call_end::call_end;
use codel::Codel;
use dagor::Dagor;
use gradient::Gradient;
use line::{Line, Rule};
use priority::priority;

/// The slots, and the queue for them.
pub(crate) struct Admission {
    line: Arc<Line>,
    /// For the hour of the user priorities; `None` if the policy does not look at priorities.
    priorities: Option<Clock>,
    deadline: Duration,
}

impl Admission {
    pub(crate) fn new(requests: &Requests) -> Self {
        let rule: Box<dyn Rule> = match requests.policy {
            RequestPolicy::BoundedFifo => Box::new(BoundedFifo::new(requests)),
            RequestPolicy::Codel(codel) => Box::new(Codel::new(requests, codel)),
            RequestPolicy::Gradient(gradient) => Box::new(Gradient::new(requests, gradient)),
            RequestPolicy::Dagor(dagor) => Box::new(Dagor::new(requests, dagor)),
        };
        Self {
            line: Arc::new(Line::new(rule)),
            priorities: requests.policy.has_priorities().then(Clock::start),
            deadline: requests.deadline.get(),
        }
    }

    /// Shows what only the policy knows.
    pub(crate) fn scrape(&self, metrics: &RequestMetrics) {
        let (slots, level) = self.line.present();
        metrics.limit.set(i64::from(slots));
        metrics.level.set(level.unwrap_or(0));
    }

    fn priority(&self, request: &Request) -> Priority {
        self.priorities
            .as_ref()
            .map_or(Priority::LOWEST, |clock| priority(request, clock.now()))
    }
}

/// Counts in a gauge until dropped.
struct Counted(Gauge);

impl Counted {
    fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) async fn admit(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let (metrics, admission) = (&app.metrics.requests, &app.admission);
    let deadline = Deadline::after(admission.deadline);
    let _caller = deadline.while_held();
    let priority = admission.priority(&request);
    let slot = match admission.line.slot(priority, &metrics.waiting, &deadline).await {
        Ok(slot) => slot,
        Err(shed) => {
            metrics.shed(shed.reason());
            return Refusal::overloaded(shed.message(admission.deadline)).into_response();
        }
    };
    metrics.waited(slot.waited());
    let late = slot.waited() > admission.deadline / 2;
    let in_progress = Counted::enter(&metrics.in_progress);
    request.extensions_mut().insert(deadline.clone());
    let work = app.tasks.spawn(async move {
        let response = next.run(request).await;
        // Work that was cut short because its caller has gone, or because most of its time was over before it began,
        // says nothing about the server.
        let cut_short = deadline.check() == Err(Ended::Gone) || late;
        slot.ended(if cut_short {
            CallEnd::Unknown
        } else {
            call_end(&response)
        });
        drop(in_progress);
        response
    });
    work.await
        .unwrap_or_else(|_panicked| Refusal::internal().into_response())
}
