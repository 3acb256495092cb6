//! The page of the documentation that lists the metrics.

use std::fmt::Write as _;

use super::declare::Metric;
use super::kind::{Compare, Fold, Scope, Unit};

/// `docs/METRICS.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for metric in Metric::ALL {
        let samples = match metric.min_samples() {
            0 => "–".to_owned(),
            samples => samples.to_string(),
        };
        let absent = metric
            .absent()
            .map(|absent| format!(" Absent {absent}."))
            .unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {samples} | {}{absent} |",
            metric.name(),
            unit(metric.unit()),
            scope(metric.scope()),
            fold(metric.fold()),
            compare(metric.compare()),
            metric.doc(),
        );
    }
    let windowed = Metric::ALL.iter().filter(|metric| metric.is_windowed());
    let windowed: Vec<String> = windowed.map(|metric| format!("`{}`", metric.name())).collect();
    let _ = writeln!(page, "\nGuards can judge {}.", windowed.join(", "));
    page
}

const HEAD: &str = "\
# Metrics

<!-- Made by `bmt metrics`; change harness/src/metric/declare.rs instead. -->

The figures that a gate or an expectation of a workload can judge.

One name says which figure is meant: `response_p99` of the entry `order` is `order.response_p99`, of its step `login`
`order.login.response_p99`, of the host `new` `host.new.response_p99`; `series_max` of the series `busy` is `busy.series_max`. Gates take
such a name as `metric`, guards as `when`.

- **Unit**: the unit of a limit. A gate with `relative_to` judges the ratio of two variants, one with `relative_to_phase` that of two
  phases of one variant, and its limit is a plain number.
- **Of**: what the figure is of. *Operation* and *retries* need `operation` in the gate, or before the name, *series* needs `series`; *fault* takes `fault`
  instead of `phase`.
- **Made of**: how the figure of a phase comes from its seconds, and from workers and shards.
- **Compared**: *ratio* compares blocks by the logarithms of their values, and gives an interval; *each block* judges every block by itself,
  and one that violates the limit fails the gate. Where a block of a ratio measures 0, each block is judged by itself.
- **Samples**: the least number in a block from which the figure is meaningful. With fewer the block does not count; with none it fails the gate.

| Metric | Unit | Of | Made of | Compared | Samples | Meaning |
| --- | --- | --- | --- | --- | --- | --- |
";

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "time (`50ms`)",
        Unit::Rate => "rate (`2000/s`)",
        Unit::Share => "percentage (`1%`)",
        Unit::Number => "number",
        Unit::Seconds => "seconds (`2s`)",
        Unit::Ratio => "ratio",
        Unit::Own => "the series' own; a time (`50ms`) is in seconds",
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Operation => "operation",
        Scope::Retries => "retries",
        Scope::Phase => "phase",
        Scope::Members => "members",
        Scope::Joins => "joins",
        Scope::Push => "push component",
        Scope::Series => "series",
        Scope::Fault => "fault",
    }
}

fn fold(fold: Fold) -> &'static str {
    match fold {
        Fold::Sum => "sum",
        Fold::PerSecond => "sum over seconds",
        Fold::Merged => "merged histograms",
        Fold::SumOverSum => "sum over sum",
        Fold::Largest => "largest",
        Fold::Last => "last",
    }
}

fn compare(compare: Compare) -> &'static str {
    match compare {
        Compare::Ratio => "ratio",
        Compare::EachBlock => "each block",
    }
}
