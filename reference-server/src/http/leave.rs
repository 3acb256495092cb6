//! `DELETE /v1/chats/{id}/members/{user_id}` → 204: the caller leaves.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::Shared;
use super::caller::Caller;
use super::names::parse_id;
use super::refusal::Refusal;
use crate::deadline::Deadline;

pub(crate) async fn leave(
    State(app): State<Shared>,
    Caller(caller): Caller,
    deadline: Deadline,
    Path((chat, user)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let (chat, user) = (parse_id(&chat)?, parse_id(&user)?);
    if user != caller.0 {
        return Err(Refusal::forbidden("callers can only remove themselves"));
    }
    if app.store.leave(&deadline, chat, user).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found("not a member of this chat"))
    }
}
