//! The gateway's admin address: `GET /metrics`, `GET /admin/settings`, and `PATCH /admin/settings` with a JSON merge
//! patch, which is applied whole or not at all.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::file::GatewayFile;
use super::state::State;
use crate::auth::FixedToken;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Admin {
    token: FixedToken,
    state: Arc<State>,
}

pub(super) fn routes(file: &GatewayFile, state: Arc<State>) -> Router {
    let token = FixedToken::new(file.admin_token.bytes());
    Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/settings", get(settings).patch(patch))
        .with_state(Admin { token, state })
}

async fn metrics(Extract(admin): Extract<Admin>) -> Response {
    match admin.state.page() {
        Ok(page) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn settings(Extract(admin): Extract<Admin>, headers: HeaderMap) -> Response {
    if !admin.allows(&headers) {
        return unauthorized();
    }
    Json(&*admin.state.settings()).into_response()
}

async fn patch(Extract(admin): Extract<Admin>, headers: HeaderMap, Json(patch): Json<Value>) -> Response {
    if !admin.allows(&headers) {
        return unauthorized();
    }
    match admin.state.patch(patch) {
        Ok(settings) => Json(&*settings).into_response(),
        Err(unfit) => refusal(StatusCode::BAD_REQUEST, "settings_refused", &unfit.to_string()),
    }
}

impl Admin {
    fn allows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        bearer.is_some_and(|token| self.token.matches(token))
    }
}

fn unauthorized() -> Response {
    let message = "the admin API requires `Authorization: Bearer <admin_token>`";
    refusal(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn refusal(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({ "error": error, "message": message }))).into_response()
}
