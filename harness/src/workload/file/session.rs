//! The steps of a session, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::request::{CheckFile, RequestFile, given};
use crate::workload::quantity::Span;

/// A step of a session: a pause, `think`, or a request with a `name`; it is written as in `request`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepFile {
    /// A pause between the answer before it and the request after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Span>,
    /// The name under which the result reports the request, behind that of the entry: `order.login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    /// Headers, by name. A `cookie` here is sent in place of the session's own.
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
    /// What the answer has to be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckFile>,
    /// What is taken from an answer that is `ok`, by the name by which later steps know it: `{{token}}`. An answer that
    /// does not have it is a `wrong_answer`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, CaptureFile>,
}

impl StepFile {
    /// Its request, without a name.
    pub fn request(&self) -> RequestFile {
        RequestFile {
            get: self.get.clone(),
            head: self.head.clone(),
            options: self.options.clone(),
            post: self.post.clone(),
            put: self.put.clone(),
            patch: self.patch.clone(),
            delete: self.delete.clone(),
            headers: self.headers.clone(),
            json: self.json.clone(),
            form: self.form.clone(),
            text: self.text.clone(),
            file: self.file.clone(),
        }
    }
}

/// Where something is found in an answer: exactly one of the keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureFile {
    /// A pointer to a value of the body's JSON, such as `/token`. The value keeps its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The name of a cookie that the answer sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A regular expression that the body matches somewhere: its first group, or all that it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}
