//! `POST /admin/missing` `{chats: [{chat_id, users: […], events: [{revision, body}]}]}` → the same shape, reduced to
//! what is missing: users who are not members of their chat, and events that are not stored as sent. Chats with nothing
//! missing are left out. The body limit bounds the size of a request.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::Shared;
use super::super::body::JsonBody;
use super::super::refusal::Refusal;
use crate::store::Sent;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writes {
    chats: Vec<WritesOfChat>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WritesOfChat {
    chat_id: u64,
    #[serde(default)]
    users: Vec<u64>,
    #[serde(default)]
    events: Vec<Sent>,
}

pub(crate) async fn missing(
    State(app): State<Shared>,
    JsonBody(expected): JsonBody<Writes>,
) -> Result<Json<Writes>, Refusal> {
    let mut chats = Vec::new();
    for expected in expected.chats {
        let WritesOfChat { chat_id, users, events } = expected;
        let missing = app.store.missing(chat_id, users, events).await?;
        if !missing.users.is_empty() || !missing.events.is_empty() {
            chats.push(WritesOfChat {
                chat_id,
                users: missing.users,
                events: missing.events,
            });
        }
    }
    Ok(Json(Writes { chats }))
}
