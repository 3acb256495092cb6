//! Extracts the deadline that a request was given on arrival.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Shared;
use crate::deadline::Deadline;

impl FromRequestParts<Shared> for Deadline {
    type Rejection = Infallible;

    /// Requests that bypass admission (the admin API) have none.
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::never))
    }
}
