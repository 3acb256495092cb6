//! `PUT /admin/publish` `{running}`: stops or starts the publish role; returns the same body once that is done.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::Shared;
use super::super::body::JsonBody;
use super::super::refusal::Refusal;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    running: bool,
}

pub(crate) async fn publish(
    State(app): State<Shared>,
    JsonBody(publish): JsonBody<Publish>,
) -> Result<Json<Publish>, Refusal> {
    if publish.running {
        app.fan_out.role.start().await.map_err(|error| {
            tracing::error!(%error, "failed to start the publish role");
            Refusal::internal()
        })?;
    } else {
        app.fan_out.role.stop().await;
    }
    Ok(Json(publish))
}
