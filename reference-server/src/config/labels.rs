//! Which values of `x-country` and `x-app` are counted separately: callers must not be able to create metric series.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::AtMost;
use super::unfit::Unfit;

/// Combinations of country and app, `other` included: each tracked chat has a counter for each.
const CELLS_MAX: usize = 600;

/// Label for every value that is not listed.
pub(crate) const OTHER: &str = "other";

/// The label values by which requests are counted; anything else counts as `other`. At most 600 combinations of the
/// two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Labels {
    /// Values of the header `x-country`.
    pub(crate) countries: AtMost<Label, 250>,
    /// Values of the header `x-app`.
    pub(crate) apps: AtMost<Label, 20>,
}

impl Labels {
    /// Rejects too many combinations.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let cells = (self.countries.as_slice().len() + 1) * (self.apps.as_slice().len() + 1);
        if cells <= CELLS_MAX {
            return Ok(());
        }
        Err(Unfit {
            key: "labels".to_owned(),
            message: format!(
                "{cells} combinations of countries and apps, `{OTHER}` included, are too many, expected at most {CELLS_MAX}; \
                 list fewer of either"
            ),
        })
    }
}

/// 1 to 32 of `A–Z a–z 0–9 _ . -`, but not `other`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Label(String);

impl Label {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Label {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text == OTHER {
            return Err(format!("`{OTHER}` is reserved for unlisted values; leave it out"));
        }
        if (1..=32).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is no label, expected 1 to 32 of A-Z a-z 0-9 _ . -"))
    }
}

impl JsonSchema for Label {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,32}$" })
    }
}
