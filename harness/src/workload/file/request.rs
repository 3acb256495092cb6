//! Requests, their values and their checks, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// Where values come from: exactly one of `csv`, `jsonl` and `range`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// A file of comma-separated values whose first line names the columns; in the folder of the workload or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
    /// A file with a JSON object on each line, whose keys are the columns; in the folder of the workload or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsonl: Option<String>,
    /// Whole numbers from the first to the last, both included, such as `1..100000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// How an arrival's row is chosen: `in_turn`, `random`, `once`, or `zipf` with an exponent, such as `zipf 1.1`,
    /// which takes the first row most often.
    #[serde(default = "in_turn")]
    pub pick: String,
}

fn in_turn() -> String {
    "in_turn".to_owned()
}

/// A request: exactly one method with its path, and at most one body. Path, headers and bodies may have values in them:
/// `{{id}}` of a range, `{{users.name}}` of a file, `{{uuid}}`, `{{now}}`, `{{env.TOKEN}}`,
/// `{{hmac_sha256(env.KEY, uuid)}}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestFile {
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// Headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A body of JSON. A text in it that is nothing but a value keeps that value's type; `{{text(id)}}` makes a text.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub json: Option<Json>,
    /// A body of form fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<BTreeMap<String, String>>,
    /// A body of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file whose bytes are the body, in the folder of the workload or below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A value that is given, even as null.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// What an answer has to be like to count as `ok`; one that is not is a `wrong_answer`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckFile {
    /// The status that is right, or several; any from 200 to 299 where none is given. One that stands for a failure
    /// counts as `ok` where it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OneOrMany<u16>>,
    /// What a header has to be like; of several all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<OneOrMany<HeaderCheckFile>>,
    /// How many bytes the body has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFile>,
    /// What the body has to be like; of several all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<OneOrMany<BodyCheckFile>>,
}

/// What a header has to be like: it is there and, where that is given, equal to something, or has a text in it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderCheckFile {
    /// Its name.
    pub name: String,
    /// What its value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A text that is in its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// How many bytes a body has.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SizeFile {
    /// It has no fewer bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// It has no more bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// One, or a list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "OneOrMany_for_{T}")]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What a body has to be like: either it has a text in it, or it is JSON whose value at a pointer is there and, where
/// that is given, equal to something, or above or below a number.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BodyCheckFile {
    /// A text that is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A pointer to a value of the JSON, such as `/items/0/price`.
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
