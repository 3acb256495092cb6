//! `POST /v1/chats/{id}/events` `{kind, body}` → 201 `{revision}`: the caller sends an event.
//!
//! Once its statements run, a caller's disconnect ends neither them nor what follows, so a stored event is published.
//! If the statements end without an answer (a time-out, a broken connection) the event may be stored and not published,
//! and a full bus rejects the record; members then learn of the event with the chat's next one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::body::JsonBody;
use super::caller::Caller;
use super::names::parse_id;
use super::refusal::Refusal;
use crate::deadline::Deadline;
use crate::store::Kind;

/// The event; the body limit bounds its text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    kind: Kind,
    body: String,
}

#[derive(Serialize)]
pub(crate) struct Stored {
    revision: u64,
}

pub(crate) async fn send_event(
    State(app): State<Shared>,
    Caller(user): Caller,
    deadline: Deadline,
    Path(chat): Path<String>,
    JsonBody(event): JsonBody<NewEvent>,
) -> Result<(StatusCode, Json<Stored>), Refusal> {
    let chat = parse_id(&chat)?;
    let revision = app
        .store
        .send(&deadline, chat, user.0, event.kind, &event.body)
        .await??;
    app.metrics.events.stored(event.kind);
    app.fan_out.publisher.sent(chat, revision, event.kind, user.0).await;
    Ok((StatusCode::CREATED, Json(Stored { revision })))
}
