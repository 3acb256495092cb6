//! `GET /admin/settings`: the settings in force, defaults included. `PATCH /admin/settings` with a JSON merge patch →
//! 200 `{revision, applied_at_ms, settings}`; an invalid patch is rejected whole.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::Shared;
use super::super::body::JsonBody;
use super::super::refusal::Refusal;
use super::unix_ms;
use crate::config::Settings;

#[derive(Serialize)]
pub(crate) struct InForce {
    revision: u64,
    applied_at_ms: u64,
    settings: Settings,
}

pub(crate) async fn settings(State(app): State<Shared>) -> Json<Settings> {
    Json(Settings::clone(&app.live.current()))
}

pub(crate) async fn patch(
    State(app): State<Shared>,
    JsonBody(patch): JsonBody<serde_json::Value>,
) -> Result<Json<InForce>, Refusal> {
    let applied = app
        .live
        .patch(patch, SystemTime::now())
        .map_err(|unfit| Refusal::settings(unfit.to_string()))?;
    Ok(Json(InForce {
        revision: applied.revision,
        applied_at_ms: unix_ms(applied.at),
        settings: Settings::clone(&applied.settings),
    }))
}
