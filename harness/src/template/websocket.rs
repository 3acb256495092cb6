//! A WebSocket as a template: the request for it, and what is said over it.
//!
//! Knows templates and checks, and nothing of connections.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::Check;
use super::source::Sources;
use super::text::Template;

/// WebSocket connections that are held.
#[derive(Debug, Clone, PartialEq)]
pub struct Websocket {
    /// Path and query, below the base of the target.
    pub path: Template,
    /// Headers of the request for it, in order, besides those that it needs.
    pub headers: Vec<(String, Template)>,
    /// How many connections are held; at least one.
    pub hold: u32,
    /// How many of them are opened in a second.
    pub connect_rate: f64,
    /// What each says, where it says anything.
    pub says: Option<Says>,
}

/// What a connection says, again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Says {
    /// Time between two texts on one connection.
    pub every: Duration,
    /// The text.
    pub text: Template,
    /// What a message has to be like to be the answer; `None` where none is waited for.
    pub answer: Option<Check>,
    /// Longest time until the answer or, where none is waited for, until the text has left.
    pub within: Duration,
}

impl Websocket {
    /// What all connections say together, in texts per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let says = self.says.as_ref();
        says.map_or(0.0, |says| f64::from(self.hold) / says.every.as_secs_f64())
    }

    /// Names of the sources that the values of its connections come from.
    pub(crate) fn sources<'a>(&self, sources: &'a Sources) -> BTreeSet<&'a str> {
        let headers = self.headers.iter().map(|(_, value)| value);
        let all = headers.chain([&self.path]);
        all.flat_map(|template| template.sources(sources)).collect()
    }
}
