//! One HTTP/1.1 request, in a buffer that its connection keeps.
//!
//! A leaf.

use std::fmt::Arguments;
use std::io::Write as _;

/// Room for a usual request, so that the first one of a connection does not grow its buffer step by step.
const USUAL: usize = 512;

/// Where requests go, and below which path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    authority: String,
    base: String,
}

impl Origin {
    /// Requests to `authority` (`host:port`); every path starts with `base`, such as `/base` or nothing.
    #[must_use]
    pub fn new(authority: &str, base: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            base: base.to_owned(),
        }
    }

    /// The URL of a WebSocket at `path`.
    pub(crate) fn websocket_url(&self, path: Arguments<'_>) -> String {
        format!("ws://{}{}{path}", self.authority, self.base)
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
        let Origin { authority, base } = to;
        self.write(format_args!("{method} {base}{path} HTTP/1.1\r\nhost: {authority}\r\n"));
        Head(self)
    }

    /// The whole request.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
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
        assert_eq!(to.websocket_url(format_args!("/live")), "ws://h:80/base/live");
    }
}
