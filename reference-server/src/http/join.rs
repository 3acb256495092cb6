//! `POST /v1/chats/{id}/members` `{name}` → 201 `{member_id, member_count}`: the caller joins, unless throttled.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::Shared;
use super::body::JsonBody;
use super::caller::Caller;
use super::names::{Named, parse_id};
use super::refusal::Refusal;
use crate::deadline::Deadline;

#[derive(Serialize)]
pub(crate) struct Member {
    member_id: u64,
    member_count: u64,
}

pub(crate) async fn join(
    State(app): State<Shared>,
    Caller(user): Caller,
    deadline: Deadline,
    Path(chat): Path<String>,
    JsonBody(member): JsonBody<Named>,
) -> Result<(StatusCode, Json<Member>), Refusal> {
    let chat = parse_id(&chat)?;
    app.fan_out.joins.admit(chat).await?;
    let joined = app.store.join(&deadline, chat, user.0, member.name.as_str()).await??;
    app.fan_out.publisher.joined(chat, user.0);
    let member = Member {
        member_id: joined.member_id,
        member_count: joined.member_count,
    };
    Ok((StatusCode::CREATED, Json(member)))
}
