//! `GET /admin/settings`: the settings in force, defaults included.

use axum::Json;
use axum::extract::State;

use super::super::Shared;
use crate::config::Settings;

pub(crate) async fn settings(State(app): State<Shared>) -> Json<Settings> {
    Json(app.settings.clone())
}
