//! `POST /admin/missing` `{chats: [{chat_id, users: […], events: [{revision, body}]}]}` → `{chats: [{chat_id, users: […], revisions: […]}]}`:
//! which of these users are no members of their chat, and which of these events are not stored as they were sent. Chats that lack
//! nothing are left out. One request takes as many as fit into its body.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::Shared;
use super::super::body::JsonBody;
use super::super::refusal::Refusal;
use crate::store::Sent;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    chats: Vec<ExpectedOfChat>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedOfChat {
    chat_id: u64,
    #[serde(default)]
    users: Vec<u64>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    revision: u64,
    body: String,
}

#[derive(Serialize)]
pub(crate) struct Missing {
    chats: Vec<MissingOfChat>,
}

#[derive(Serialize)]
struct MissingOfChat {
    chat_id: u64,
    users: Vec<u64>,
    revisions: Vec<u64>,
}

pub(crate) async fn missing(
    State(app): State<Shared>,
    JsonBody(expected): JsonBody<Expected>,
) -> Result<Json<Missing>, Refusal> {
    let mut chats = Vec::new();
    for expected in expected.chats {
        let events = expected.events.into_iter().map(|event| Sent {
            revision: event.revision,
            body: event.body,
        });
        let events: Vec<Sent> = events.collect();
        let missing = app.store.missing(expected.chat_id, &expected.users, &events).await?;
        if !missing.users.is_empty() || !missing.revisions.is_empty() {
            chats.push(MissingOfChat {
                chat_id: expected.chat_id,
                users: missing.users,
                revisions: missing.revisions,
            });
        }
    }
    Ok(Json(Missing { chats }))
}
