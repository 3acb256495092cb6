//! `GET /readyz`: 200 if every shard answers; otherwise 503 with those that do not.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde_json::json;

use super::Shared;
use super::refusal::Outcome;

/// Longest wait for a shard; all are queried concurrently.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn ready(State(app): State<Shared>) -> Response {
    let asking = app
        .store
        .shards()
        .iter()
        .map(|shard| async move { (shard.index(), shard.answers(PATIENCE).await) });
    let answers = join_all(asking).await;
    let silent: Vec<_> = answers
        .into_iter()
        .filter_map(|(shard, answer)| answer.err().map(|cause| json!({ "shard": shard, "cause": cause })))
        .collect();
    if silent.is_empty() {
        return Json(json!({ "ready": true })).into_response();
    }
    let message = format!("{} of {} shards do not answer", silent.len(), app.store.shards().len());
    let body = json!({ "error": "not_ready", "message": message, "shards": silent });
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    response.extensions_mut().insert(Outcome("not_ready"));
    response
}
