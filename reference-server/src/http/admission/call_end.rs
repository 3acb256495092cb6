//! What a response says about the server, for the limit that adapts.

use axum::http::StatusCode;
use axum::response::Response;
use hotchat_policy::CallEnd;

use crate::http::refusal::Outcome;

/// A time-out and a wait for a connection in vain are drops. A rejection by one shard's breaker or bulkhead, or by the
/// shard itself, is not: it takes no time, and one failing shard must not take the slots of the others. The caller's
/// own mistakes, and a body that was slow to arrive, say nothing.
pub(super) fn call_end(response: &Response) -> CallEnd {
    let Some(Outcome(outcome)) = response.extensions().get() else {
        return if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            CallEnd::Done
        } else {
            CallEnd::Unknown
        };
    };
    match *outcome {
        "overloaded" | "storage_timeout" => CallEnd::Dropped,
        "already_member" | "name_taken" | "not_member" | "not_found" => CallEnd::Done,
        _ => CallEnd::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn only_what_storage_did_counts() {
        for (status, end) in [
            (StatusCode::CREATED, CallEnd::Done),
            (StatusCode::SWITCHING_PROTOCOLS, CallEnd::Done),
            (StatusCode::BAD_REQUEST, CallEnd::Unknown),
        ] {
            assert_eq!(call_end(&status.into_response()), end, "{status}");
        }
        for (outcome, end) in [
            ("already_member", CallEnd::Done),
            ("overloaded", CallEnd::Dropped),
            ("storage_timeout", CallEnd::Dropped),
            ("breaker_open", CallEnd::Unknown),
            ("bulkhead_full", CallEnd::Unknown),
            ("storage_unavailable", CallEnd::Unknown),
            ("unauthorized", CallEnd::Unknown),
            ("body_timeout", CallEnd::Unknown),
        ] {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            response.extensions_mut().insert(Outcome(outcome));
            assert_eq!(call_end(&response), end, "{outcome}");
        }
    }
}
