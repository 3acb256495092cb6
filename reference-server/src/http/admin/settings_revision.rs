//! `GET /admin/settings/revision` → `{revision, applied_at_ms, source, refused: null | {at_ms, source, message}}`: the
//! settings in force, since when and from which source, and the latest change rejected since.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::Shared;
use super::unix_ms;
use crate::config::Source;

#[derive(Serialize)]
pub(crate) struct Revision {
    revision: u64,
    applied_at_ms: u64,
    source: Source,
    refused: Option<Refused>,
}

#[derive(Serialize)]
struct Refused {
    at_ms: u64,
    source: Source,
    message: String,
}

pub(crate) async fn settings_revision(State(app): State<Shared>) -> Json<Revision> {
    let applied = app.live.applied();
    let refused = app.live.refused().map(|refused| Refused {
        at_ms: unix_ms(refused.at),
        source: refused.source,
        message: refused.message.clone(),
    });
    Json(Revision {
        revision: applied.revision,
        applied_at_ms: unix_ms(applied.at),
        source: applied.source,
        refused,
    })
}
