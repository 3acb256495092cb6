//! One way to say which figure is meant: `order.response_p99`.
//!
//! What stands before the last dot is what the figure is of: a traffic entry, a step of one, a host, or an observed
//! series; the metric says which of these it has to be. Gates, guards and whatever else names figures read them here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::mistake::nearest;
use crate::metric::{Metric, Scope};

/// What the form is called in messages.
const FORM: &str = "a metric, or what it is of and the metric, such as order.response_p99";

/// `METRIC`, `OPERATION.METRIC`, `OPERATION.STEP.METRIC`, `host.HOST.METRIC` or `SERIES.METRIC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureName {
    /// The metric.
    pub metric: Metric,
    /// What it is of, where the name says so.
    pub of: Option<String>,
}

/// Text that names no figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no figure: {}", .nearest.as_ref().map_or(FORM.to_owned(), |nearest| format!("did you mean `{nearest}`?")))]
pub struct NoFigure {
    text: String,
    /// The name that was probably meant.
    pub(super) nearest: Option<String>,
}

impl FigureName {
    /// The traffic entry, step or host that it is of.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.of.as_deref().filter(|_| self.metric.scope() != Scope::Series)
    }

    /// The observed series that it is of.
    #[must_use]
    pub fn series(&self) -> Option<&str> {
        self.of.as_deref().filter(|_| self.metric.scope() == Scope::Series)
    }
}

impl FromStr for FigureName {
    type Err = NoFigure;

    fn from_str(text: &str) -> Result<Self, NoFigure> {
        let (of, name) = match text.rsplit_once('.') {
            Some((of, name)) => (Some(of), name),
            None => (None, text),
        };
        match Metric::from_name(name) {
            Some(metric) if of != Some("") => Ok(Self {
                metric,
                of: of.map(str::to_owned),
            }),
            known => {
                let metric = match known {
                    Some(metric) => Some(metric.name().to_owned()),
                    None => nearest(name, Metric::ALL.iter().map(|metric| metric.name())),
                };
                let of = of.filter(|of| !of.is_empty());
                let whole = |metric: String| of.map_or(metric.clone(), |of| format!("{of}.{metric}"));
                Err(NoFigure {
                    text: text.to_owned(),
                    nearest: metric.map(whole),
                })
            }
        }
    }
}

impl fmt::Display for FigureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(of) = &self.of {
            write!(f, "{of}.")?;
        }
        f.write_str(self.metric.name())
    }
}

/// The name of a figure that `text` was probably meant to be.
pub(super) fn nearest_figure(text: &str) -> Option<String> {
    text.parse::<FigureName>().err()?.nearest
}

/// What is allowed where a figure is named, with every metric.
pub(super) fn form() -> String {
    let metrics: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    format!("{FORM}: {}", metrics.join(", "))
}

impl Serialize for FigureName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FigureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for FigureName {
    fn schema_name() -> Cow<'static, str> {
        "FigureName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let metric = generator.subschema_for::<Metric>();
        // Editors complete metrics by the first branch; `bmt check` judges by the format alone.
        json_schema!({
            "description": "A figure: a metric, or what it is of and the metric, such as `order.response_p99`.",
            "type": "string",
            "format": "figure",
            "anyOf": [metric, { "type": "string", "pattern": r"^.+\.[a-z0-9_]+$" }],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_says_the_metric_and_what_it_is_of() {
        for (text, metric, operation, series) in [
            ("response_p99", Metric::ResponseP99, None, None),
            ("order.response_p99", Metric::ResponseP99, Some("order"), None),
            ("order.login.error_share", Metric::ErrorShare, Some("order.login"), None),
            ("host.new.goodput_rate", Metric::GoodputRate, Some("host.new"), None),
            ("connections_open_max", Metric::ConnectionsOpenMax, None, None),
            ("busy.series_max", Metric::SeriesMax, None, Some("busy")),
            ("a b.c.series_p99", Metric::SeriesP99, None, Some("a b.c")),
        ] {
            let name: FigureName = text.parse().unwrap();
            assert_eq!(
                (name.metric, name.operation(), name.series()),
                (metric, operation, series),
                "{text}"
            );
        }
    }

    #[test]
    fn what_names_no_figure_is_told_with_the_nearest_that_does() {
        for (text, nearest) in [
            ("order.respnse_p99", Some("order.response_p99")),
            ("error_rate", Some("error_share")),
            ("order.login.error_rate", Some("order.login.error_share")),
            (".response_p99", Some("response_p99")),
            ("order.", None),
            ("", None),
            ("response_p99.order", None),
            ("xyzzy", None),
        ] {
            let told = text.parse::<FigureName>().unwrap_err();
            assert_eq!(told.nearest.as_deref(), nearest, "{told}");
            assert!(
                told.to_string().contains(&format!("`{text}` names no figure")),
                "{told}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back_as_it_is_written(
            metric in prop::sample::select(Metric::ALL),
            of in prop::option::of("[a-z][a-z_ ]{0,8}(\\.[a-z]{1,5})?"),
        ) {
            let name = FigureName { metric, of };
            prop_assert_eq!(name.to_string().parse::<FigureName>(), Ok(name));
        }
    }
}
