//! One request, in a buffer that its connection keeps: written as HTTP/1.1 has it, and taken apart again for HTTP/2,
//! which costs a hundredth of what HTTP/2 itself does.
//!
//! A leaf.

use std::fmt::Arguments;
use std::io::Write as _;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Uri};

/// Room for a usual request, so that the first one of a connection does not grow its buffer step by step.
const USUAL: usize = 512;
const HOST: &str = "host";
/// Headers that a request may have.
const HEADERS_MAX: usize = 100;

/// Where requests go, and below which path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    authority: String,
    base: String,
    is_tls: bool,
}

impl Origin {
    /// Requests to `authority` (`host:port`); every path starts with `base`, such as `/base` or nothing.
    #[must_use]
    pub fn new(authority: &str, base: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            base: base.to_owned(),
            is_tls: false,
        }
    }

    /// The same, reached over TLS or not.
    #[must_use]
    pub fn over_tls(self, is_tls: bool) -> Self {
        Self { is_tls, ..self }
    }

    /// What every path starts with.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The URL of a WebSocket at `path`.
    pub(crate) fn websocket_url(&self, path: Arguments<'_>) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}{path}", self.authority, self.base)
    }
}

/// What is to be known of a request beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// More of the answer is wanted than its status.
    pub reads_answer: bool,
    /// Its answer has no body, whatever the answer's head announces: HEAD.
    pub is_head: bool,
    /// It may be sent again when it is not known whether the server has seen it: it writes nothing.
    pub is_repeatable: bool,
}

/// The request that a connection sends.
#[derive(Debug)]
pub struct Request(Vec<u8>);

impl Request {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(USUAL))
    }

    /// Begins a request in place of the one before. `path` follows the base of `to`.
    pub fn start(&mut self, method: &str, to: &Origin, path: Arguments<'_>) -> Head<'_> {
        self.0.clear();
        let Origin { authority, base, .. } = to;
        self.write(format_args!(
            "{method} {base}{path} HTTP/1.1\r\n{HOST}: {authority}\r\n"
        ));
        Head(self)
    }

    /// The whole request.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same request for HTTP/2, and its body. `None` where it cannot be one, as with a header that is none.
    pub(super) fn to_http_2(&self, scheme: Scheme) -> Option<(http::Request<()>, Bytes)> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(&self.0).ok()? else {
            return None;
        };
        let mut request = http::Request::new(());
        *request.version_mut() = http::Version::HTTP_2;
        *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
        let path = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(head.path?.as_bytes())).ok()?;
        let mut uri = Uri::builder().scheme(scheme).path_and_query(path);
        for header in head.headers.iter() {
            if header.name == HOST {
                uri = uri.authority(header.value);
                continue;
            }
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let value = HeaderValue::from_bytes(header.value).ok()?;
            request.headers_mut().append(name, value);
        }
        *request.uri_mut() = uri.build().ok()?;
        Some((request, Bytes::copy_from_slice(&self.0[length..])))
    }

    fn write(&mut self, text: Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to memory cannot fail");
    }
}

/// A request whose head is being written.
#[derive(Debug)]
#[must_use = "a request is whole when its head has ended"]
pub struct Head<'a>(&'a mut Request);

impl Head<'_> {
    /// Adds a header.
    pub fn header(self, name: &str, value: Arguments<'_>) -> Self {
        self.0.write(format_args!("{name}: {value}\r\n"));
        self
    }

    /// The request has no body.
    pub fn end(self) {
        self.0.0.extend_from_slice(b"\r\n");
    }

    /// The request has this body.
    pub fn end_with(self, body: &[u8]) {
        let length = body.len();
        self.0.write(format_args!("content-length: {length}\r\n\r\n"));
        self.0.0.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request) -> &str {
        std::str::from_utf8(request.bytes()).unwrap()
    }

    #[test]
    fn a_request_for_http_2_says_the_same() {
        let mut request = Request::new();
        let head = request.start("POST", &Origin::new("h:80", ""), format_args!("/x"));
        head.header("A-b", format_args!("c")).end_with(b"hello");
        let (asked, body) = request.to_http_2(Scheme::HTTP).unwrap();
        assert_eq!(
            (asked.method(), asked.uri()),
            (&Method::POST, &Uri::from_static("http://h:80/x"))
        );
        assert_eq!(asked.headers()["a-b"], "c");
        assert_eq!(
            (&asked.headers()["content-length"], &body[..]),
            (&HeaderValue::from_static("5"), &b"hello"[..])
        );
    }

    #[test]
    fn a_request_is_whole_and_nothing_is_left_of_the_one_before() {
        let mut request = Request::new();
        let to = Origin::new("h:80", "/base");
        let head = request.start("POST", &to, format_args!("/x"));
        head.header("a", format_args!("{}", 1)).end_with(b"hello");
        assert_eq!(
            written(&request),
            "POST /base/x HTTP/1.1\r\nhost: h:80\r\na: 1\r\ncontent-length: 5\r\n\r\nhello"
        );
        request.start("GET", &to, format_args!("/y?z={}", 2)).end();
        assert_eq!(written(&request), "GET /base/y?z=2 HTTP/1.1\r\nhost: h:80\r\n\r\n");
        let (asked, body) = request.to_http_2(Scheme::HTTPS).unwrap();
        assert_eq!(asked.uri(), "https://h:80/base/y?z=2");
        assert!(asked.headers().is_empty() && body.is_empty(), "{asked:?}");
        assert_eq!(to.websocket_url(format_args!("/live")), "ws://h:80/base/live");
        let to = to.over_tls(true);
        assert_eq!(to.websocket_url(format_args!("/live")), "wss://h:80/base/live");
    }
}
