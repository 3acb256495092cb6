//! A fraction with its range in its type, so that validation and schema cannot disagree.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A number from `MIN_PERCENT` to `MAX_PERCENT` hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Fraction<const MIN_PERCENT: u32, const MAX_PERCENT: u32>(f64);

/// Never NaN: neither constructor accepts it.
impl<const MIN_PERCENT: u32, const MAX_PERCENT: u32> Eq for Fraction<MIN_PERCENT, MAX_PERCENT> {}

impl<const MIN_PERCENT: u32, const MAX_PERCENT: u32> Fraction<MIN_PERCENT, MAX_PERCENT> {
    const MIN: f64 = MIN_PERCENT as f64 / 100.0;
    const MAX: f64 = MAX_PERCENT as f64 / 100.0;

    /// For defaults; an out-of-range value in a constant does not compile.
    pub(crate) const fn new(value: f64) -> Self {
        assert!(Self::MIN <= value && value <= Self::MAX, "default out of range");
        Self(value)
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl<'de, const MIN_PERCENT: u32, const MAX_PERCENT: u32> Deserialize<'de> for Fraction<MIN_PERCENT, MAX_PERCENT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (Self::MIN..=Self::MAX).contains(&value) {
            return Ok(Self(value));
        }
        Err(serde::de::Error::custom(format!(
            "{value} is out of range, expected {} to {}",
            Self::MIN,
            Self::MAX
        )))
    }
}

impl<const MIN_PERCENT: u32, const MAX_PERCENT: u32> JsonSchema for Fraction<MIN_PERCENT, MAX_PERCENT> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Fraction_{MIN_PERCENT}_{MAX_PERCENT}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": Self::MIN, "maximum": Self::MAX })
    }
}
