//! `GET /healthz`: the process is alive. Asks nobody, so that a restart is not ordered for a sick shard.

use axum::Json;
use serde_json::{Value, json};

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}
