//! What WebSocket connections send and are answered, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::request::{BodyCheckFile, given};
use crate::workload::quantity::Span;

/// A text that each WebSocket connection sends again and again: exactly one of `text` and `json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendFile {
    /// Time between two texts on one connection. Those of all connections are spread evenly.
    pub every: Span,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// JSON. A text in it that is nothing but a value keeps that value's type; `{{text(id)}}` makes a text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub json: Option<Json>,
}

/// What a message has to be like to be the answer to the oldest text of its connection that has none: it has a text in
/// it, or is JSON whose value at a pointer is there and, where that is given, equal to something, or above or below a
/// number. Any message where only `within` is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerFile {
    /// Longest time until the answer; at most, and where it is not given, `generator.timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// A text that is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A pointer to a value of the JSON, such as `/seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// What the value is.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub equals: Option<Json>,
    /// The value is a number above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The value is a number below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

impl AnswerFile {
    /// What it has to be like; `None` where any message is one.
    pub fn check(&self) -> Option<BodyCheckFile> {
        let Self {
            contains,
            json,
            equals,
            above,
            below,
            within: _,
        } = self.clone();
        let is_any = contains.is_none() && json.is_none() && equals.is_none() && above.is_none() && below.is_none();
        (!is_any).then_some(BodyCheckFile {
            contains,
            json,
            equals,
            above,
            below,
        })
    }
}
