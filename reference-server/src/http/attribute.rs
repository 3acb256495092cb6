//! Counts a request for its chat, and for the country (`x-country`) and app (`x-app`) that the caller states.
//!
//! Only authenticated requests count: nobody without a token can make a chat look hot. Requests shed before admission
//! are counted by the admission limit, not here.

use axum::body::HttpBody;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::names::parse_id;
use crate::traffic::Kind;

/// State of the layer around a route.
#[derive(Clone)]
pub(crate) struct Counted {
    pub(crate) app: Shared,
    pub(crate) kind: Kind,
}

pub(crate) async fn attribute(
    State(Counted { app, kind }): State<Counted>,
    chat: Result<Path<String>, PathRejection>,
    request: Request,
    next: Next,
) -> Response {
    let cell = cell(&app, request.headers());
    let asked = request.body().size_hint().lower();
    let response = next.run(request).await;
    let chat = chat.ok().and_then(|Path(chat)| parse_id(&chat).ok());
    if let Some(chat) = chat.filter(|_| is_load(response.status())) {
        let answered = response.body().size_hint().lower();
        app.traffic.count(kind, chat, cell, asked.saturating_add(answered));
    }
    response
}

fn cell(app: &Shared, headers: &HeaderMap) -> usize {
    app.traffic
        .labels()
        .cell(said(headers, "x-country"), said(headers, "x-app"))
}

fn said<'a>(headers: &'a HeaderMap, header: &str) -> Option<&'a str> {
    headers.get(header)?.to_str().ok()
}

/// Whether the request came from an authenticated caller and reached an existing chat.
fn is_load(status: StatusCode) -> bool {
    let turned_away = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE,
    ];
    !turned_away.contains(&status)
}
