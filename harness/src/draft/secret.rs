//! What must not be written: secrets, known by their names or by their looks.
//!
//! A draft is a file that gets committed. What is left out needlessly costs a line to fill in again; a secret that is
//! written costs more, so doubt decides against writing.
//!
//! A leaf but for what a template is.

use serde_json::Value as Json;

use super::found::literal;

/// Stands in the place of a secret.
pub(super) const LEFT_OUT: &str = "FILL-IN";

const IN_NAMES: [&str; 20] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "cookie",
    "session",
    "csrf",
    "xsrf",
    "jwt",
    "bearer",
    "authoriz",
    "authentic",
    "otp",
];
const NAMES: [&str; 11] = [
    "auth",
    "key",
    "sig",
    "sid",
    "pin",
    "cvv",
    "cvc",
    "pass",
    "cardnumber",
    "nonce",
    "xauth",
];
const PREFIXES: [&str; 13] = [
    "eyJ",
    "Bearer ",
    "Basic ",
    "sk_",
    "pk_live",
    "rk_live",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ya29.",
];
/// Letters, digits and their like in one piece, from which on a text looks like a token.
const TOKEN_MIN: usize = 20;

/// Whether what has this name is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    NAMES.contains(&plain.as_str()) || IN_NAMES.iter().any(|part| plain.contains(part))
}

/// Whether a text has the form of a known kind of secret.
pub(super) fn is_secret_value(value: &str) -> bool {
    let value = value.trim_start();
    PREFIXES.iter().any(|prefix| value.starts_with(prefix)) && value.len() > 12
}

/// Whether a segment of a path announces a secret as the next one: `/reset/9f8e…`.
pub(super) fn announces_secret(segment: &str) -> bool {
    let words = [
        "reset",
        "verify",
        "confirm",
        "invite",
        "invitation",
        "unsubscribe",
        "magic",
        "activate",
    ];
    words.iter().any(|word| segment.eq_ignore_ascii_case(word)) || is_secret_name(segment)
}

/// Whether a text has a piece that looks as if made at random.
fn has_token(value: &str) -> bool {
    let pieces = value.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c)));
    pieces.into_iter().any(|piece| {
        let has = |is: fn(&u8) -> bool| piece.bytes().any(|byte| is(&byte));
        piece.len() >= TOKEN_MIN && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    })
}

/// What becomes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// It is written.
    Kept,
    /// Only its name is written, for it may be a secret.
    Withheld,
    /// It says something of the client, or of the connection, and not of the request.
    Dropped,
}

const KEPT: [&str; 5] = ["accept", "accept-encoding", "accept-language", "content-type", "prefer"];
const DROPPED: [&str; 26] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "user-agent",
    "referer",
    "origin",
    "cache-control",
    "pragma",
    "dnt",
    "priority",
    "upgrade-insecure-requests",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "via",
    "forwarded",
    "x-real-ip",
    "x-client-data",
    "content-encoding",
];

/// Judges a header by name and value.
pub(super) fn header(name: &str, value: &str) -> Header {
    let name = name.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_of_client = name.starts_with("sec-") || name.starts_with("x-forwarded-") || DROPPED.contains(&name.as_str());
    if is_of_client || name.is_empty() || !name.bytes().all(is_token) {
        return Header::Dropped;
    }
    if KEPT.contains(&name.as_str()) && !value.contains(char::is_control) {
        return Header::Kept;
    }
    let is_secret = is_secret_name(&name) || is_secret_value(value) || has_token(value);
    match is_secret || value.contains(char::is_control) {
        true => Header::Withheld,
        false => Header::Kept,
    }
}

/// The body with secrets replaced and every text a template that stands for itself; the names of what was replaced are
/// added to `replaced`.
pub(super) fn without_secrets(body: Json, replaced: &mut Vec<String>) -> Json {
    match body {
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(name, value)| {
                let is_plain = matches!(value, Json::String(_) | Json::Number(_));
                if is_plain && is_secret_name(&name) {
                    replaced.push(name.clone());
                    return (name, LEFT_OUT.into());
                }
                let value = without_secrets(value, replaced);
                (name, value)
            });
            Json::Object(entries.collect())
        }
        Json::Array(items) => items.into_iter().map(|item| without_secrets(item, replaced)).collect(),
        Json::String(text) if is_secret_value(&text) => {
            replaced.push("a text that looks like a token".to_owned());
            LEFT_OUT.into()
        }
        Json::String(text) => literal(&text).into(),
        plain => plain,
    }
}

/// Whether a text without a known structure may have a secret in it.
pub(super) fn may_hold_secret(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    let has_name = words.filter(|word| word.len() < 40).any(is_secret_name);
    has_name || PREFIXES.iter().any(|prefix| text.contains(prefix) && prefix.len() > 4) || text.contains("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_kept_withheld_or_dropped() {
        for (name, value, header_is) in [
            ("Accept", "application/json", Header::Kept),
            ("X-Api-Version", "2024-05-01", Header::Kept),
            ("Authorization", "x", Header::Withheld),
            ("Cookie", "a=b", Header::Withheld),
            ("X-API-Key", "abc", Header::Withheld),
            ("x-tenant", "Bearer abcdefghijk", Header::Withheld),
            ("x-request", "a1b2c3d4e5f6a7b8c9d0e1", Header::Withheld),
            ("x-lines", "a\nb", Header::Withheld),
            ("sec-ch-ua", "x", Header::Dropped),
            (":authority", "x", Header::Dropped),
            ("Host", "x", Header::Dropped),
        ] {
            assert_eq!(header(name, value), header_is, "{name}: {value}");
        }
    }

    #[test]
    fn secrets_in_json_are_replaced_wherever_they_stand() {
        let mut replaced = Vec::new();
        let body = serde_json::json!({
            "user": "ann", "author": "x", "login": {"password": "hunter2", "pin": 1234},
            "list": ["eyJhbGciOiJIUzI1NiJ9.e30.x", "{{id}}"], "token": null,
        });
        let body = without_secrets(body, &mut replaced);
        assert_eq!(
            body,
            serde_json::json!({
                "user": "ann", "author": "x", "login": {"password": LEFT_OUT, "pin": LEFT_OUT},
                "list": [LEFT_OUT, "{{\"{{\"}}id}}"], "token": null,
            })
        );
        assert_eq!(replaced, ["password", "pin", "a text that looks like a token"]);
    }
}
