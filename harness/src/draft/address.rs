//! Addresses of requests: their parts, percent-encoding, and which of their parts look like an id or a static file.
//!
//! A leaf.

use std::fmt::Write as _;

/// A request target or a URL, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// Scheme, host and port, without the user; `None` of a target that begins with its path.
    pub(super) origin: Option<String>,
    /// Begins with `/`, or is empty.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// `None` of what is neither a path nor an HTTP URL.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let text = text.split('#').next().unwrap_or_default();
        let (origin, target) = match text.split_once("://") {
            _ if text.starts_with('/') => (None, text),
            Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let host = rest[..end].rsplit('@').next().unwrap_or_default();
                if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return None;
                }
                let origin = format!("{}://{}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
                (Some(origin), &rest[end..])
            }
            _ => return None,
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Some(Self { origin, path, query })
    }
}

/// The text as it may stand in a path or a query; what is percent-encoded stays so.
pub(super) fn encoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let is_escape = *byte == b'%'
            && bytes
                .get(at + 1..at + 3)
                .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        let is_plain = byte.is_ascii_graphic() && !b"\"<>\\^`{|}#%".contains(byte);
        if is_escape || is_plain {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A value as it stands in a path or a query.
pub(super) fn encoded_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What the text stands for; `None` where that is not UTF-8. In queries and forms `+` is a space.
pub(super) fn decoded(text: &str, is_form: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', _, _) if is_form => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

/// The pairs of a query or a form, as they are written.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts.map(|part| match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    })
}

/// Whether a segment of a path looks like an id: a number, a UUID, a long hexadecimal number, a word with a number
/// behind it, or a long token.
pub(super) fn looks_like_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let letters = segment.bytes().filter(u8::is_ascii_alphabetic).count();
    if digits == 0
        || !segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_=~:".contains(&byte))
    {
        return false;
    }
    if letters == 0 {
        return true;
    }
    let is_hex = segment.len() >= 8 && segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_numbered = segment
        .rsplit_once(['-', '_', ':'])
        .is_some_and(|(_, last)| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    is_hex || is_numbered || segment.len() >= 16 || segment.len() >= 8 && digits >= 3
}

/// Extensions of files that a cache or a CDN usually answers.
const STATIC: [&str; 26] = [
    "css",
    "js",
    "mjs",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "ico",
    "webp",
    "avif",
    "bmp",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "mp4",
    "webm",
    "mp3",
    "ogg",
    "wasm",
    "webmanifest",
    "m4s",
    "txt",
];

/// Whether a path is that of a static file.
pub(super) fn is_static(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let extension = last
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| STATIC.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_split() {
        for (text, origin, path, query) in [
            ("/a?b=c?d#e", None, "/a", Some("b=c?d")),
            ("http://h:80", Some("http://h:80"), "", None),
            ("HTTPS://u:p@H/x", Some("https://h"), "/x", None),
            ("http://h?x", Some("http://h"), "", Some("x")),
        ] {
            let origin = origin.map(str::to_owned);
            assert_eq!(Address::read(text), Some(Address { origin, path, query }), "{text}");
        }
        for text in ["", "*", "data:x", "ftp://h/", "http://", "http://a b/"] {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }

    #[test]
    fn ids_are_told_from_words() {
        let ids = [
            "17",
            "2024",
            "018f3c5e-1b2c-7d3e-8f4a-5b6c7d8e9f00",
            "deadbee1",
            "user-123",
            "ord_1a2b3c4d",
            "V1StGXR8Z5jdHi6B",
        ];
        for id in ids {
            assert!(looks_like_id(id), "{id}");
        }
        for word in [
            "v1", "users", "facade", "oauth2", "e-mail", "", "a.b1", "sign-in", "web3", "utf8",
        ] {
            assert!(!looks_like_id(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_read_back_as_it_was_written(text in any::<String>()) {
            prop_assert_eq!(decoded(&encoded_value(&text), false), Some(text.clone()));
            let is_safe = |byte: u8| byte.is_ascii_graphic() && !b"{}#\"".contains(&byte);
            prop_assert!(encoded(&text).bytes().all(is_safe), "{text}");
            let _ = (Address::read(&text), decoded(&text, true), looks_like_id(&text), is_static(&text));
        }
    }
}
