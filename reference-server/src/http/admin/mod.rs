//! The admin API: operations that a rehearsal needs and members must not have.

pub(crate) mod audit;
pub(crate) mod hot_chats;
pub(crate) mod load_members;
pub(crate) mod missing;
pub(crate) mod notifications;
pub(crate) mod publish;
pub(crate) mod settings;
pub(crate) mod settings_revision;

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::caller::bearer;
use super::refusal::Refusal;

pub(crate) async fn check_token(State(app): State<Shared>, request: Request, next: Next) -> Result<Response, Refusal> {
    if !bearer(request.headers()).is_some_and(|token| app.admin_token.matches(token)) {
        return Err(Refusal::unauthorized(
            "the admin API requires `Authorization: Bearer <admin_token>`",
        ));
    }
    Ok(next.run(request).await)
}

/// As in the public API, work that has begun is completed even if its caller disconnects.
pub(crate) async fn detached(request: Request, next: Next) -> Response {
    let work = tokio::spawn(next.run(request));
    work.await
        .unwrap_or_else(|_panicked| Refusal::internal().into_response())
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
