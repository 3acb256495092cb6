//! The JSON body of a request: at most 64 KiB, and received within the configured time.

use std::error::Error;

use axum::body::{Bytes, HttpBody, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::Shared;
use super::refusal::Refusal;

/// Larger than any request needs.
pub(crate) const LIMIT_BYTES: usize = 64 * 1024;

/// A body, read and parsed.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Refusal> {
        let body = request.into_body();
        // A body whose announced size is too large is not read at all.
        if body.size_hint().lower() > LIMIT_BYTES as u64 {
            return Err(Refusal::body_too_large(LIMIT_BYTES));
        }
        let reading = tokio::time::timeout(app.body_timeout, to_bytes(body, LIMIT_BYTES)).await;
        let bytes: Bytes = match reading {
            Err(_) => return Err(Refusal::body_timeout(app.body_timeout)),
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) if is_too_large(&error) => return Err(Refusal::body_too_large(LIMIT_BYTES)),
            Ok(Err(error)) => return Err(Refusal::malformed(format!("failed to read the body: {error}"))),
        };
        let parsed = serde_json::from_slice(&bytes);
        parsed
            .map(Self)
            .map_err(|error| Refusal::malformed(format!("invalid body: {error}")))
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    error
        .source()
        .is_some_and(<dyn Error>::is::<http_body_util::LengthLimitError>)
}
