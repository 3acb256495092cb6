//! Every response other than success: `{error, message, retry_after_ms?}`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::auth::TokenError;
use crate::join_throttle::Throttled;
use crate::store::{EventRefusal, JoinRefusal, StoreError};

/// Retry advice to shed requests: long enough for the load to pass, short enough that a person still waits.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A response other than success.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

/// How a request ended, for the metrics; stored in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome(pub(crate) &'static str);

#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error,
            message: message.into(),
            retry_after: None,
        }
    }

    fn later(self) -> Self {
        self.after(RETRY_AFTER)
    }

    fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "settings_refused", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn not_member(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_member", message)
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn no_chat() -> Self {
        Self::not_found("no such chat")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "method not allowed on this route",
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is too large, expected at most {limit} bytes"),
        )
    }

    pub(crate) fn body_timeout(limit: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            format!("the body did not arrive within {limit:?}"),
        )
    }

    pub(crate) fn overloaded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).later()
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "internal server error; see the server's log for the cause",
        )
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::unauthorized(error.to_string())
    }
}

impl From<JoinRefusal> for Refusal {
    fn from(refusal: JoinRefusal) -> Self {
        match refusal {
            JoinRefusal::AlreadyMember => Self::new(
                StatusCode::CONFLICT,
                "already_member",
                "this user is already a member of this chat",
            ),
            JoinRefusal::NameTaken => Self::new(
                StatusCode::CONFLICT,
                "name_taken",
                "this name is taken in this chat; choose another",
            ),
            JoinRefusal::NoChat => Self::no_chat(),
        }
    }
}

impl From<Throttled> for Refusal {
    fn from(throttled: Throttled) -> Self {
        let message = "Many people are joining this chat right now. Please try again in a moment.";
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", message);
        refusal.retry_after = Some(throttled.retry_after);
        refusal
    }
}

impl From<EventRefusal> for Refusal {
    fn from(refusal: EventRefusal) -> Self {
        match refusal {
            EventRefusal::NotMember => Self::new(
                StatusCode::FORBIDDEN,
                "not_member",
                "this user is not a member of this chat; join it first",
            ),
            EventRefusal::NoChat => Self::no_chat(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NoConnection { .. }
            | StoreError::Contended { .. }
            | StoreError::Expired { .. }
            | StoreError::Abandoned { .. } => Self::overloaded(message),
            StoreError::BreakerOpen { retry_after, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "breaker_open", message).after(retry_after)
            }
            StoreError::BulkheadFull { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "bulkhead_full", message).later()
            }
            StoreError::Timeout { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "storage_timeout", message),
            StoreError::Unavailable { .. } => {
                // The cause may name hosts: it goes to the log, not to the caller.
                tracing::warn!(%message, "storage unavailable");
                let message = "the chat's shard is unreachable; retry later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", message).later()
            }
            StoreError::Internal { .. } => {
                tracing::error!(%message, "storage call failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let millis = self
            .retry_after
            .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let body = Body {
            error: self.error,
            message: self.message,
            retry_after_ms: millis,
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(millis) = millis {
            // The header carries whole seconds only.
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
        }
        response.extensions_mut().insert(Outcome(self.error));
        response
    }
}
