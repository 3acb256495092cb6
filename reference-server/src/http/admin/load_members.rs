//! `POST /admin/chats/{id}/members` `{count, first_user_id}` → 201 `{member_count}`: inserts many members at once.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::Shared;
use super::super::body::JsonBody;
use super::super::names::parse_id;
use super::super::refusal::Refusal;

/// Maximum number of members per request.
const MEMBERS_MAX: u64 = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    count: u64,
    first_user_id: u64,
}

#[derive(Serialize)]
pub(crate) struct Loaded {
    member_count: u64,
}

pub(crate) async fn load_members(
    State(app): State<Shared>,
    Path(chat): Path<String>,
    JsonBody(load): JsonBody<Load>,
) -> Result<(StatusCode, Json<Loaded>), Refusal> {
    let chat = parse_id(&chat)?;
    if load.count > MEMBERS_MAX || load.first_user_id.checked_add(load.count).is_none() {
        return Err(Refusal::malformed(format!(
            "count is out of range, expected 0 to {MEMBERS_MAX}"
        )));
    }
    let member_count = app.store.seed(chat, load.first_user_id, load.count).await??;
    Ok((StatusCode::CREATED, Json(Loaded { member_count })))
}
