//! A target of one's own that bmt starts, and what is done before and after the load, as they are written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::request::{CheckFile, RequestFile};
use crate::workload::quantity::Span;
use crate::workload::secret::{HIDDEN, looks_secret};

/// When a program is ready: exactly one of `http` and `port`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadyFile {
    /// A path below the base of the target that is answered with a status from 200 to 299.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// `true`: a connection is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<bool>,
    /// How long it may take.
    #[serde(default = "half_a_minute")]
    pub within: Span,
}

/// Something that is done before or after the load: exactly one of `request` and `command`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookFile {
    /// A request to the target, sent once. `{{env.NAME}}`, `{{uuid}}` and `{{now}}` stand for values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFile>,
    /// What the answer to `request` has to be like; any status from 200 to 299 where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckFile>,
    /// A program and its arguments, as in `target.command`, whose exit status has to be 0. `{{port}}` is the target's.
    /// Needs `--allow-commands`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// How long it may take.
    #[serde(default = "half_a_minute")]
    pub within: Span,
}

impl Default for ReadyFile {
    fn default() -> Self {
        Self {
            http: None,
            port: None,
            within: half_a_minute(),
        }
    }
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

/// An environment as results record it.
pub(super) fn without_secrets<S: Serializer>(env: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(env.iter().map(|(name, value)| match looks_secret(name, value) {
        true => (name, HIDDEN),
        false => (name, value.as_str()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_told_by_its_name_or_its_password() {
        for (name, value, is_secret) in [
            ("MODE", "fast", false),
            ("DB", "sqlite::memory:", false),
            ("DB", "postgres://db.example/shop?mode=a:b@c", false),
            ("DB", "postgres://shop@db.example/shop", false),
            ("DB", "postgres://shop:swordfish@db.example/shop", true),
            ("api_token", "x", true),
            ("STRIPE_KEY", "", true),
            ("DbPassword", "x", true),
        ] {
            assert_eq!(looks_secret(name, value), is_secret, "{name}={value}");
        }
    }
}
