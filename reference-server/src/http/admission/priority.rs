//! How important a request is: by what it does, then by who calls.
//!
//! The order of what it does is fixed, and follows what a member loses. A message that is not sent or not read is the
//! service itself; a leave makes room; a push connection can be tried again; a join, a new chat and a count can wait,
//! and a rush consists of them.
//!
//! Who calls is what the token says, before its signature is checked: a request that is about to be shed must not cost
//! a MAC. A caller who lies about that is shed or let in as the named user would be, and in the latter case rejected
//! with 401 a few microseconds later, so forged tokens gain a look at the door and no work. They do count in the
//! histogram. A request without a token, or with one that cannot be genuine (malformed or expired), comes after all
//! others.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use hotchat_policy::Priority;

use crate::auth::claimed_user;
use crate::http::caller::bearer;

/// Seconds; everybody's user priority is drawn anew after it.
const HOUR: u64 = 3600;

/// The most important first; the last is for requests that are nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Send,
    Fetch,
    Leave,
    Push,
    Join,
    Create,
    Count,
    Nobody,
}

/// `unix` is the time since the Unix epoch.
pub(super) fn priority(request: &Request, unix: Duration) -> Priority {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let class = class(request.method(), path.unwrap_or_default());
    of(class, bearer(request.headers()), unix.as_secs())
}

fn of(class: Class, token: Option<&str>, unix_s: u64) -> Priority {
    match token.and_then(|token| claimed_user(token, unix_s)) {
        Some(user) if class != Class::Nobody => Priority::of(class as u8, user.0, unix_s / HOUR),
        _ => Priority::LOWEST,
    }
}

fn class(method: &Method, path: &str) -> Class {
    match (method.as_str(), path) {
        ("POST", "/v1/chats/{id}/events") => Class::Send,
        ("GET" | "HEAD", "/v1/chats/{id}/events") => Class::Fetch,
        ("DELETE", "/v1/chats/{id}/members/{user_id}") => Class::Leave,
        ("GET" | "HEAD", "/v1/push") => Class::Push,
        ("POST", "/v1/chats/{id}/members") => Class::Join,
        ("POST", "/v1/chats") => Class::Create,
        ("GET" | "HEAD", "/v1/chats/{id}/members/count") => Class::Count,
        _ => Class::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 7 * HOUR;

    #[test]
    fn every_route_has_a_class_and_the_rest_is_nobody() {
        let table = [
            (Method::POST, "/v1/chats/{id}/events", Class::Send),
            (Method::GET, "/v1/chats/{id}/events", Class::Fetch),
            (Method::DELETE, "/v1/chats/{id}/members/{user_id}", Class::Leave),
            (Method::GET, "/v1/push", Class::Push),
            (Method::POST, "/v1/chats/{id}/members", Class::Join),
            (Method::POST, "/v1/chats", Class::Create),
            (Method::GET, "/v1/chats/{id}/members/count", Class::Count),
            (Method::PUT, "/v1/chats", Class::Nobody),
            (Method::GET, "", Class::Nobody),
        ];
        for (at, (method, path, expected)) in table.into_iter().enumerate() {
            assert_eq!(class(&method, path), expected, "{method} {path}");
            assert_eq!(expected as usize, at.min(hotchat_policy::CLASSES - 1));
        }
    }

    #[test]
    fn a_request_that_cannot_be_genuine_is_the_least_important() {
        let mac = "0".repeat(64);
        let later = NOW + 1;
        let wrong = [
            String::new(),
            "7".to_owned(),
            format!("7.{later}"),
            format!("7.{later}.{}", &mac[1..]),
            format!("7.{NOW}.{mac}"),
            format!("x.{later}.{mac}"),
            format!("-7.{later}.{mac}"),
        ];
        assert_eq!(of(Class::Send, None, NOW), Priority::LOWEST);
        for token in &wrong {
            assert_eq!(of(Class::Send, Some(token), NOW), Priority::LOWEST, "{token}");
        }
        // Its signature is not looked at.
        let token = format!("7.{later}.{mac}");
        assert_eq!(of(Class::Send, Some(&token), NOW), Priority::of(0, 7, 7));
        assert_eq!(of(Class::Nobody, Some(&token), NOW), Priority::LOWEST);
    }

    #[test]
    fn a_user_has_another_priority_in_the_next_hour() {
        let token = |user: u64| format!("{user}.{}.{}", 9 * HOUR, "0".repeat(64));
        let moved = (0..100).filter(|user| {
            let of = |now| of(Class::Join, Some(&token(*user)), now);
            assert_eq!(of(NOW), of(NOW + HOUR - 1));
            of(NOW) != of(NOW + HOUR)
        });
        assert!(moved.count() > 90);
    }
}
