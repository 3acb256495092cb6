//! A request as a template.
//!
//! Knows templates and checks, and nothing of connections.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::Check;
use super::source::Sources;
use super::text::Template;

/// What is asked for, and what the answer has to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The request.
    pub request: RequestTemplate,
    /// What makes its answer a success.
    pub check: Check,
}

/// What a request does (RFC 9110, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads the head of what GET reads.
    Head,
    /// Asks what can be done.
    Options,
    /// Makes something, or has something done.
    Post,
    /// Puts something in a place.
    Put,
    /// Changes a part of something.
    Patch,
    /// Removes something.
    Delete,
}

impl Method {
    /// As it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// As a workload has it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Options => "options",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// Whether a server expects a body, and wants to be told where there is none.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// A request, its values not yet filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTemplate {
    /// What it does.
    pub method: Method,
    /// Path and query, below the base of the target.
    pub path: Template,
    /// Headers, in order, besides those that the connection needs.
    pub headers: Vec<(String, Template)>,
    /// Its body, where it has one.
    pub body: Option<Body>,
}

impl RequestTemplate {
    /// Names of the sources that its values come from.
    pub(crate) fn sources<'a>(&self, sources: &'a Sources) -> BTreeSet<&'a str> {
        let body = match &self.body {
            Some(Body::Template(body)) => Some(body),
            Some(Body::Bytes(_)) | None => None,
        };
        let headers = self.headers.iter().map(|(_, value)| value);
        let all = headers.chain([&self.path]).chain(body);
        all.flat_map(|template| template.sources(sources)).collect()
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text with values in it.
    Template(Template),
    /// Bytes as they are.
    Bytes(Arc<[u8]>),
}
