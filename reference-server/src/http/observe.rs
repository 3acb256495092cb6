//! Counts and times every request, including those whose caller disconnected.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::refusal::Outcome;

pub(crate) async fn observe(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut watch = Watch {
        app: &app,
        path,
        started: Instant::now(),
        outcome: "disconnected",
    };
    let response = next.run(request).await;
    watch.outcome = match response.extensions().get::<Outcome>() {
        Some(outcome) => outcome.0,
        None if is_done(response.status()) => "ok",
        None => "internal",
    };
    response
}

fn is_done(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// Counts on drop: after the response, or when the caller's connection has gone.
struct Watch<'a> {
    app: &'a Shared,
    path: Option<MatchedPath>,
    started: Instant,
    outcome: &'static str,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let route = self.path.as_ref().map_or("(none)", MatchedPath::as_str);
        self.app
            .metrics
            .http
            .finished(route, self.outcome, self.started.elapsed());
    }
}
