//! `GET /admin/chats/{id}/audit` → `{joined_rows, count}`: two numbers that must be equal.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::super::Shared;
use super::super::names::parse_id;
use super::super::refusal::Refusal;

#[derive(Serialize)]
pub(crate) struct Audited {
    joined_rows: u64,
    count: u64,
}

pub(crate) async fn audit(State(app): State<Shared>, Path(chat): Path<String>) -> Result<Json<Audited>, Refusal> {
    let audit = app.store.audit(parse_id(&chat)?).await?.ok_or_else(Refusal::no_chat)?;
    Ok(Json(Audited {
        joined_rows: audit.joined_rows,
        count: audit.count,
    }))
}
