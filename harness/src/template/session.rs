//! Several requests after one another, by somebody who remembers what they were answered.
//!
//! Knows requests and checks, and nothing of connections or time that passes.

use std::time::Duration;

use regex::bytes::Regex;

use super::request::Ask;

/// What one arrival of an entry with steps does.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// At least one.
    pub steps: Vec<Step>,
    /// The names of what is captured, by slot.
    pub captured: Vec<String>,
    /// Whether cookies are kept and sent back.
    pub keeps_cookies: bool,
}

/// One request of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, which no other step of the session has.
    pub name: String,
    /// Time between the answer before it and its intended start.
    pub think: Duration,
    /// What is asked for, and what the answer has to be like.
    pub ask: Ask,
    /// What is taken from the answer.
    pub captures: Vec<Capture>,
}

/// What is taken from an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// Where it is kept.
    pub slot: usize,
    /// Where it is found.
    pub from: CaptureFrom,
    /// A later step writes it into a header, so it has to be on one line.
    pub is_for_header: bool,
}

/// Where something is found in an answer.
#[derive(Debug, Clone)]
pub enum CaptureFrom {
    /// In the JSON of the body, at this pointer (RFC 6901).
    Json(String),
    /// In the first header of this name.
    Header(String),
    /// In the cookie of this name that the answer sets.
    Cookie(String),
    /// In the body, by an expression: its first group, or all that it matches where it has none.
    Regex(Regex),
}

impl PartialEq for CaptureFrom {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(one), Self::Json(other))
            | (Self::Header(one), Self::Header(other))
            | (Self::Cookie(one), Self::Cookie(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl CaptureFrom {
    /// Whether it is in the body.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Regex(_))
    }
}
