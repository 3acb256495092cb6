//! `POST /v1/chats` `{name}` → 201 `{chat_id, shard}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Shared;
use super::body::JsonBody;
use super::caller::Caller;
use super::names::Named;
use super::refusal::Refusal;
use crate::deadline::Deadline;

#[derive(Serialize)]
pub(crate) struct Created {
    chat_id: u64,
    /// The shard on which the chat lives: rehearsals choose bystanders by it.
    shard: usize,
}

pub(crate) async fn create_chat(
    State(app): State<Shared>,
    _: Caller,
    deadline: Deadline,
    JsonBody(chat): JsonBody<Named>,
) -> Result<(StatusCode, Json<Created>), Refusal> {
    let (chat_id, shard) = app.store.create_chat(&deadline, chat.name.as_str()).await?;
    Ok((StatusCode::CREATED, Json(Created { chat_id, shard })))
}
