//! `GET /v1/chats/{id}/members/count` → `{joined}`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::Shared;
use super::caller::Caller;
use super::names::parse_id;
use super::refusal::Refusal;
use crate::deadline::Deadline;

#[derive(Serialize)]
pub(crate) struct MemberCount {
    joined: u64,
}

pub(crate) async fn count(
    State(app): State<Shared>,
    _: Caller,
    deadline: Deadline,
    Path(chat): Path<String>,
) -> Result<Json<MemberCount>, Refusal> {
    let joined = app
        .store
        .count(&deadline, parse_id(&chat)?)
        .await?
        .ok_or_else(Refusal::no_chat)?;
    Ok(Json(MemberCount { joined }))
}
