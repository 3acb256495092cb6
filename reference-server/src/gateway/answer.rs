//! `POST /v1/notifications/{role}` `{chat_id, user_id, revision}` → 204, after the time that an answer takes.

use std::time::Instant;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use super::settings::Settings;
use super::state::State;
use crate::cpu;
use crate::notify::Role;

const ROUTE: &str = "/v1/notifications/";

/// Vendors accept 4 KiB.
const BODY_BYTES_MAX: usize = 4096;

/// What is sent; it is checked, and delivered to nobody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by nobody: there is nobody to deliver it to")]
struct Notification {
    chat_id: u64,
    user_id: u64,
    revision: u64,
}

/// Answers any request.
pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let Some(role) = request.uri().path().strip_prefix(ROUTE).and_then(role_named) else {
        return refusal(StatusCode::NOT_FOUND, "no such route");
    };
    if request.method() != Method::POST {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "notifications are sent with POST");
    }
    let in_progress = state.metrics.begun(role);
    let response = deliver(state, role, request.into_body()).await;
    drop(in_progress);
    state.metrics.answered(role, response.status(), started.elapsed());
    response
}

async fn deliver(state: &State, role: Role, body: Incoming) -> Response<Full<Bytes>> {
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return refusal(StatusCode::BAD_REQUEST, "the body is too large or incomplete");
    };
    if serde_json::from_slice::<Notification>(&body.to_bytes()).is_err() {
        return refusal(StatusCode::BAD_REQUEST, "the body is no notification");
    }
    let (settings, cost) = (state.settings(), state.cost());
    cpu::burn(cost.cpu).await;
    let time = settings.service_time.drawn(state.chance()) + settings.slow(role) + cost.time;
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
    verdict(&settings, state.chance())
}

/// Accepts a notification, or fails as often as is set.
fn verdict(settings: &Settings, chance: f64) -> Response<Full<Bytes>> {
    let (rejected, unavailable) = (settings.rejected.get(), settings.unavailable.get());
    if chance < rejected {
        refusal(StatusCode::BAD_REQUEST, "rejected, as set")
    } else if chance < rejected + unavailable {
        refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable, as set")
    } else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": status.as_u16(), "message": message }).to_string();
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json");
    response
        .body(Full::new(Bytes::from(body)))
        .expect("made from valid parts")
}

fn role_named(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.name() == name)
}
