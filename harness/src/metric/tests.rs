use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;

#[test]
fn a_metric_has_one_name_for_files_and_for_code() {
    let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), Metric::ALL.len(), "no name is used twice");
    for metric in Metric::ALL.iter().copied() {
        assert_eq!(Metric::from_name(metric.name()), Some(metric));
        assert_eq!(serde_json::to_value(metric).unwrap(), json!(metric.name()));
        assert_eq!(serde_json::from_value::<Metric>(json!(metric.name())).unwrap(), metric);
        let snake = metric
            .name()
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(snake, "{}", metric.name());
        assert!(metric.doc().ends_with('.'), "{}", metric.name());
    }
    assert_eq!(Metric::from_name("response_p98"), None);
}

#[test]
fn the_schema_lists_every_metric_with_its_meaning() {
    let schema = serde_json::to_value(schemars::schema_for!(Metric)).unwrap();
    let choices: Vec<(&str, &str)> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| {
            (
                choice["const"].as_str().unwrap(),
                choice["description"].as_str().unwrap(),
            )
        })
        .collect();
    let declared: Vec<(&str, &str)> = Metric::ALL.iter().map(|metric| (metric.name(), metric.doc())).collect();
    assert_eq!(choices, declared);
    assert_eq!(schema["oneOf"][0]["type"], Json::from("string"));
}

#[test]
fn only_percentiles_need_samples_and_higher_ones_need_more() {
    let least = |name: &str| Metric::from_name(name).unwrap().min_samples();
    for (family, quantiles) in [
        ("response", &["p50", "p90", "p99", "p999"][..]),
        ("until_done", &["p50", "p99"][..]),
        ("freshness", &["p50", "p99"][..]),
        ("notifications_delay", &["p50", "p99"][..]),
    ] {
        for quantile in quantiles {
            let expected = match *quantile {
                "p50" => 10,
                "p90" => 50,
                "p99" => 500,
                _ => 5000,
            };
            assert_eq!(least(&format!("{family}_{quantile}")), expected);
        }
    }
    assert_eq!(least("blast_p99_ratio"), 500);
    let is_percentile = |metric: &&Metric| {
        metric
            .name()
            .split('_')
            .any(|word| word.strip_prefix('p').is_some_and(|rank| rank.parse::<u32>().is_ok()))
    };
    let others = Metric::ALL.iter().filter(|metric| !is_percentile(metric));
    assert!(others.clone().count() > 10);
    for metric in others {
        assert_eq!(metric.min_samples(), 0, "{}", metric.name());
    }
}

#[test]
fn shares_counts_and_maxima_are_judged_block_by_block() {
    for metric in Metric::ALL {
        if metric.unit() == Unit::Share || metric.name().ends_with("_max") {
            assert_eq!(metric.compare(), Compare::EachBlock, "{}", metric.name());
        }
        if matches!(metric.unit(), Unit::Rate | Unit::Ratio) {
            assert_eq!(metric.compare(), Compare::Ratio, "{}", metric.name());
        }
    }
    assert_eq!(Metric::AcknowledgedLost.compare(), Compare::EachBlock);
    assert_eq!(Metric::ServerCpuPerRequest.compare(), Compare::Ratio);
}

#[test]
fn percentiles_come_from_merged_histograms_and_shares_from_sums() {
    for metric in Metric::ALL {
        let is_percentile = metric.min_samples() > 0 && metric.scope() != Scope::Fault;
        assert_eq!(metric.fold() == Fold::Merged, is_percentile, "{}", metric.name());
        if metric.unit() == Unit::Share && metric.scope() != Scope::Fault {
            assert_eq!(metric.fold(), Fold::SumOverSum, "{}", metric.name());
        }
        if metric.name().ends_with("_max") {
            assert_eq!(metric.fold(), Fold::Largest, "{}", metric.name());
        }
        if metric.unit() == Unit::Rate {
            assert_eq!(metric.fold(), Fold::PerSecond, "{}", metric.name());
        }
    }
}

#[test]
fn a_relative_gate_judges_a_ratio() {
    assert_eq!(Metric::ResponseP99.gate_unit(false), Unit::Time);
    assert_eq!(Metric::ResponseP99.gate_unit(true), Unit::Ratio);
}

#[test]
fn the_documentation_lists_the_metrics_as_they_are_declared() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == markdown(),
        "docs/METRICS.md is stale; run: cargo run -p bmt -- metrics > docs/METRICS.md"
    );
}
