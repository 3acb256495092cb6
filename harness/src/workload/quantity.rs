//! Quantities as people write them: `2000/s`, `500ms`, `5%`.
//!
//! Each type parses, prints in the same form, and carries a JSON Schema `format`, by which the shape check
//! ([`super::shape`]) knows which parser judges a value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::figure_name::{self, FigureName};

/// Events per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A part of a whole, held as a fraction: `5%` is 0.05.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// The highest rate that can be written, and the highest that a workload may offer in all.
pub(super) const RATE_MAX: f64 = 1e7;
/// The longest time that can be written: 30 days.
const SPAN_MAX_S: f64 = 30.0 * 86_400.0;

const RATE_FORM: &str = "a rate such as 2000/s, 2.5k/s or 120/min";
const SPAN_FORM: &str = "a length of time such as 250us, 500ms, 2s, 5m or 1h";
const SHARE_FORM: &str = "a percentage such as 5% or 0.5%";

/// Splits `"2.5k/s"` into the number 2.5 and the rest `"k/s"`.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected {RATE_FORM}");
        let (number, unit) = leading_number(text.trim()).ok_or_else(expected)?;
        let (prefix, per) = unit.split_once('/').ok_or_else(expected)?;
        let scale = match prefix {
            "" => 1.0,
            "k" => 1e3,
            _ => return Err(expected()),
        };
        let seconds = match per {
            "s" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        let rate = number * scale / seconds;
        if rate > RATE_MAX {
            return Err(format!("expected a rate of at most {RATE_MAX}/s"));
        }
        Ok(Self(rate))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected {SPAN_FORM}");
        let (number, unit) = leading_number(text.trim()).ok_or_else(expected)?;
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        let seconds = number * seconds;
        if seconds > SPAN_MAX_S {
            return Err(format!("expected a length of time of at most {}h", SPAN_MAX_S / 3600.0));
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| expected())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0.as_micros();
        match us {
            0 => write!(f, "0s"),
            _ if us.is_multiple_of(60_000_000) => write!(f, "{}m", us / 60_000_000),
            _ if us.is_multiple_of(1_000_000) => write!(f, "{}s", us / 1_000_000),
            _ if us.is_multiple_of(1_000) => write!(f, "{}ms", us / 1_000),
            _ => write!(f, "{us}us"),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match leading_number(text.trim()) {
            Some((number, "%")) if number <= 100.0 => Ok(Self(number / 100.0)),
            _ => Err(format!("expected {SHARE_FORM}")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is written as 0.07 is 7 %, whatever the processor makes of the product.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

/// Judges `text` by the parser that `format` names; `None` where the format is not one of ours.
pub(crate) fn check_format(format: &str, text: &str) -> Option<Result<(), String>> {
    match format {
        "rate" => Some(text.parse::<Rate>().map(drop)),
        "duration" => Some(text.parse::<Span>().map(drop)),
        "percentage" => Some(text.parse::<Share>().map(drop)),
        "figure" => {
            let parsed = text.parse::<FigureName>().map(drop);
            Some(parsed.map_err(|_| format!("expected {}", figure_name::form())))
        }
        "ip" => {
            let parsed = text.parse::<std::net::IpAddr>().map(drop);
            Some(parsed.map_err(|_| "expected an IP address such as 10.0.0.5".to_owned()))
        }
        _ => None,
    }
}

macro_rules! written_as_text {
    ($type:ty, $name:literal, $format:literal, $pattern:literal, $form:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern, "examples": [$form] })
            }
        }
    };
}

written_as_text!(Rate, "Rate", "rate", r"^[0-9]+(\.[0-9]+)?k?/(s|min|m|h)$", "2000/s");
written_as_text!(
    Span,
    "Span",
    "duration",
    r"^[0-9]+(\.[0-9]+)?(us|ms|s|m|min|h)$",
    "500ms"
);
written_as_text!(Share, "Share", "percentage", r"^[0-9]+(\.[0-9]+)?%$", "5%");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_per_second_minute_or_hour() {
        for (text, per_second) in [
            ("2000/s", 2000.0),
            ("2.5k/s", 2500.0),
            ("120/min", 2.0),
            ("3600/h", 1.0),
        ] {
            assert_eq!(text.parse(), Ok(Rate(per_second)), "{text}");
        }
    }

    #[test]
    fn malformed_rates_are_rejected_with_the_form() {
        for text in ["", "2000", "/s", "-1/s", "2000/y", "2M/s", "1e9/s", "fast"] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.contains("2000/s"), "{text}: {error}");
        }
    }

    #[test]
    fn a_span_prints_in_the_largest_whole_unit_and_reads_back() {
        for text in ["250us", "500ms", "2s", "5m", "90s", "0s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        assert!("5".parse::<Span>().is_err());
        assert!("5 parsecs".parse::<Span>().is_err());
    }

    #[test]
    fn a_share_is_a_fraction_of_one() {
        assert_eq!("5%".parse(), Ok(Share(0.05)));
        assert!("101%".parse::<Share>().is_err());
        assert!("0.05".parse::<Share>().is_err());
    }
}
