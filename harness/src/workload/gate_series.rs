//! Gates on observed series: which series, and whether it can have the figure.

use std::collections::BTreeMap;

use super::file::{GateFile, SeriesOf, WorkloadFile};
use super::judge::Judge;
use super::shape::join;
use crate::metric::{Metric, Scope};
use crate::observe::RedisInfo;

impl Judge<'_> {
    /// The series that the figure is of.
    pub(super) fn gate_series(&mut self, path: &str, gate: &GateFile, file: &WorkloadFile) {
        let at = match gate.metric.series() {
            Some(_) => join(path, "metric"),
            None => join(path, "series"),
        };
        let all: Vec<&str> = file.observe.series().map(|(name, _)| name).collect();
        match (gate.series(), gate.metric().scope() == Scope::Series) {
            (Some(name), true) => drop(self.known(&at, name, "series", &all)),
            (None, true) if all.is_empty() => self.mistake(
                &at,
                "the metric is of a series, and none is observed",
                "a series in `observe.prometheus` or `observe.redis`",
            ),
            (None, true) => {
                self.mistake(
                    &at,
                    "the metric is of a series, but no `series` is given",
                    all.join(", "),
                );
            }
            (Some(_), false) => self.mistake(
                &at,
                "the metric is not of a series",
                "leave it out, or judge series_rate, series_max, series_p50, series_p90, series_p99 or series_p999",
            ),
            (None, false) => {}
        }
        if gate.metric().scope() == Scope::Series && gate.operation.is_some() {
            self.mistake(
                &join(path, "operation"),
                "the metric is of a series, which belongs to no operation",
                "leave it out",
            );
        }
    }

    /// A series is one kind of thing, so all gates on it take it for the same.
    pub(super) fn uses_of_series(&mut self, file: &WorkloadFile) {
        let lists = [("gates", &file.gates), ("expect", &file.expect)];
        let mut uses: BTreeMap<&str, (&str, Metric)> = BTreeMap::new();
        for (key, list) in lists {
            for (index, gate) in list.iter().enumerate() {
                let (Some(name), Some(kind)) = (gate.series(), kind(gate.metric())) else {
                    continue;
                };
                let path = format!("{key}.{index}.metric");
                let (before, metric) = *uses.entry(name).or_insert((kind, gate.metric()));
                if before != kind {
                    self.mistake(
                        &path,
                        format!(
                            "`{}` is of a {kind}, and another gate takes `{name}` for a {before}, by `{}`",
                            gate.metric().name(),
                            metric.name()
                        ),
                        "of a counter series_rate, of a gauge series_max, of a histogram series_p50 to series_p999",
                    );
                } else {
                    self.kind_of_series(&path, gate.metric(), kind, name, file);
                }
            }
        }
    }

    /// Some series are told to be of another kind by what they are called.
    fn kind_of_series(&mut self, path: &str, metric: Metric, kind: &str, name: &str, file: &WorkloadFile) {
        let of = file.observe.series().find(|(known, _)| *known == name);
        let told = match of.map(|(_, of)| of) {
            Some(SeriesOf::Page(selector)) if is_counter(selector) => "counter",
            Some(SeriesOf::Redis(field)) if RedisInfo::is_counter(field) => "counter",
            Some(SeriesOf::Redis(_)) => "gauge",
            _ => return,
        };
        if told != kind {
            self.mistake(
                path,
                format!(
                    "`{}` is of a {kind}, and the name of `{name}` is a {told}'s",
                    metric.name()
                ),
                match told {
                    "counter" => "series_rate, or another series",
                    _ => "series_max, or another series",
                },
            );
        }
    }
}

/// What a series has to be for the metric.
fn kind(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::SeriesRate => Some("counter"),
        Metric::SeriesMax => Some("gauge"),
        Metric::SeriesP50 | Metric::SeriesP90 | Metric::SeriesP99 | Metric::SeriesP999 => Some("histogram"),
        _ => None,
    }
}

/// Whether the convention of names says so.
fn is_counter(selector: &str) -> bool {
    let name = selector.split('{').next().unwrap_or_default().trim();
    ["_total", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}
