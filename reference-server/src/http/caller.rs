//! Identifies the caller: the user of the bearer token.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Shared;
use super::refusal::Refusal;
use crate::auth::{TokenError, UserId};

/// The calling user; a route that takes this rejects unauthenticated requests.
pub(crate) struct Caller(pub(crate) UserId);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or(TokenError::Malformed)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Ok(Self(app.tokens.verify(token, now)?))
    }
}

/// The bearer token of a request, if present.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
