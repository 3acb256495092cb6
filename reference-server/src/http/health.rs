//! `GET /healthz`: the process is alive. Checks no dependency, so that a failing shard does not trigger a restart.

use axum::Json;
use serde_json::{Value, json};

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}
