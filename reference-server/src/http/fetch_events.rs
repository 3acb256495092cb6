//! `GET /v1/chats/{id}/events?after=R&limit=N` → `{events: [{revision, kind, user_id, body}], revision}`: the events
//! after revision R. Pass `revision` as the next `after`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::caller::Caller;
use super::names::parse_id;
use super::refusal::Refusal;
use crate::deadline::Deadline;
use crate::store::Event;

/// Default number of events per answer.
const LIMIT: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    after: u64,
    #[serde(default = "limit")]
    limit: u32,
}

fn limit() -> u32 {
    LIMIT
}

#[derive(Serialize)]
struct Page<'a> {
    events: Vec<Event<'a>>,
    revision: u64,
}

pub(crate) async fn fetch_events(
    State(app): State<Shared>,
    Caller(user): Caller,
    deadline: Deadline,
    Path(chat): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let chat = parse_id(&chat)?;
    let Query(Asked { after, limit }) = asked.map_err(|error| Refusal::malformed(error.body_text()))?;
    if limit == 0 {
        return Err(Refusal::malformed("limit is 0, expected at least 1"));
    }
    // A limit above the server's is not an error: the caller's cursor moves as far as the answer goes.
    let limit = limit.min(app.live.current().fetch.limit.get());
    let fetched = app.store.fetch(&deadline, chat, user.0, after, limit).await??;
    let events = fetched.events()?;
    app.metrics.events.fetched(events.len(), fetched.holes());
    app.fan_out.publisher.fetched(chat);
    let revision = events.last().map_or(after, |event| event.revision);
    Ok(Json(Page { events, revision }).into_response())
}
