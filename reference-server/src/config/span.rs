//! A duration as people write it: `500ms`, `2s`, `1.5m`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, f64); 5] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// A duration from `MIN_MS` to `MAX_MS` milliseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span<const MIN_MS: u64, const MAX_MS: u64>(Duration);

impl<const MIN_MS: u64, const MAX_MS: u64> Span<MIN_MS, MAX_MS> {
    /// For defaults.
    pub(crate) const fn from_millis(millis: u64) -> Self {
        assert!(MIN_MS <= millis && millis <= MAX_MS, "default out of range");
        Self(Duration::from_millis(millis))
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no length of time, expected for example 500ms, 2s or 1.5m");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
        let seconds = number.parse::<f64>().map_err(|_| wrong())? * factor;
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        let range = Duration::from_millis(MIN_MS)..=Duration::from_millis(MAX_MS);
        if !range.contains(&duration) {
            return Err(format!(
                "{text} is out of range, expected {} to {}",
                written(*range.start()),
                written(*range.end())
            ));
        }
        Ok(Self(duration))
    }
}

/// The shortest form without a fraction.
fn written(duration: Duration) -> String {
    let micros = duration.as_micros();
    for (unit, each) in [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000)] {
        if micros != 0 && micros.is_multiple_of(each) {
            return format!("{}{unit}", micros / each);
        }
    }
    if micros == 0 {
        "0s".to_owned()
    } else {
        format!("{micros}us")
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> fmt::Debug for Span<MIN_MS, MAX_MS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0))
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> Serialize for Span<MIN_MS, MAX_MS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(self.0))
    }
}

impl<'de, const MIN_MS: u64, const MAX_MS: u64> Deserialize<'de> for Span<MIN_MS, MAX_MS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> JsonSchema for Span<MIN_MS, MAX_MS> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Span_{MIN_MS}_{MAX_MS}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "duration",
            "pattern": r"^[0-9]+(\.[0-9]+)?(us|ms|s|m|h)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Any = Span<0, 3_600_000>;

    #[test]
    fn spans_are_parsed_and_printed_in_short_form() {
        let table = [
            ("500ms", "500ms"),
            ("2s", "2s"),
            ("1.5s", "1500ms"),
            ("0.5m", "30s"),
            ("60m", "1h"),
            ("250us", "250us"),
            ("0s", "0s"),
            ("120s", "2m"),
        ];
        for (text, back) in table {
            assert_eq!(written(Any::parse(text).unwrap().get()), back, "{text}");
        }
    }

    #[test]
    fn invalid_spans_are_rejected_with_an_example() {
        for text in ["", "5", "s", "-1s", "1 s", "1sec", "1e3s", "..s", "NaNs", "2h"] {
            assert!(Any::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Span::<1, 60_000>::parse("5m").unwrap_err(),
            "5m is out of range, expected 1ms to 1m"
        );
    }
}
