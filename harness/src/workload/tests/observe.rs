//! What is observed besides, and gates on it.

use super::*;
use crate::observe::Wanted;

const OBSERVE: &str = r#"observe:
  process: {port: 8080}
  prometheus:
    - {url: "http://127.0.0.1:9100/metrics", every: 500ms, series: {busy: 'pool_busy{pool="db"}', hits: cache_hits_total}}
    - {url: "http://scraper:{{env.PATH}}@other/metrics", series: {wait: queue_wait_seconds}}
  mysql: ["mysql://user:swordfish@db:3306/shop"]
  redis:
    - {url: "redis://:swordfish@cache:6379", series: {ops: total_commands_processed, keys: db0.keys}}
"#;

const GATES: [&str; 4] = [
    "{metric: series_max, series: busy, at_most: 40}",
    "{metric: series_rate, series: hits, at_least: 100/s}",
    "{metric: series_p99, series: wait, at_most: 50ms}",
    "{metric: series_p50, series: wait, phase: spike, at_most: 0.01}",
];

fn with(observe: &str, gates: &[&str]) -> String {
    let (before, after) = GOOD.split_once("gates:").unwrap();
    let (_, quick) = after.split_once("quick:").unwrap();
    let gates: String = gates.iter().map(|gate| format!("  - {gate}\n")).collect();
    let key = if gates.is_empty() { "" } else { "gates:\n" };
    format!("{before}{observe}{key}{gates}quick:{quick}")
}

#[test]
fn what_is_asked_for_is_observed_and_nobody_is_named_in_results() {
    let workload = parse("w.yaml", &with(OBSERVE, &GATES), &Overrides::default()).unwrap();
    let asked = &workload.observe;
    assert_eq!(asked.process, Some(Wanted::Port(8080)));
    assert_eq!(asked.scrapes[0].every.as_millis(), 500);
    assert_eq!(asked.scrapes[1].every.as_millis(), 1000);
    assert_eq!(asked.redis[0].every.as_millis(), 1000);
    assert_eq!(
        workload.series().collect::<Vec<_>>(),
        ["busy", "hits", "wait", "keys", "ops"]
    );
    assert_eq!(workload.gates[2].bounds, [Bound::AtMost(0.05)]);
    assert_eq!(workload.gates[3].bounds, [Bound::AtMost(0.01)]);
    let recorded = serde_json::to_value(&workload.file).unwrap();
    assert_eq!(recorded["observe"]["mysql"][0], "mysql://db:3306/shop");
    assert_eq!(recorded["observe"]["redis"][0]["url"], "redis://cache:6379");
    assert_eq!(recorded["observe"]["prometheus"][1]["url"], "http://other/metrics");
    let told = format!("{workload:?}");
    let shown = told.split("observe: Asked").nth(1).unwrap();
    assert!(!shown.contains("swordfish") && !shown.contains("scraper"), "{shown}");
}

/// What is changed, into what, and what is told of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "{port: 8080}",
        "{}",
        "observe.process: needs exactly one of `pid`, `port` and `name`",
    ),
    (
        "{port: 8080}",
        "{port: 80, name: x}",
        "observe.process: needs exactly one of",
    ),
    (
        "{port: 8080}",
        "{port: 65536}",
        "observe.process.port: 65536 is out of range",
    ),
    (
        "{port: 8080}",
        "{name: bin/x}",
        "observe.process.name: `bin/x` is a path",
    ),
    ("{port: 8080}", "{prot: 80}", "did you mean `port`?"),
    (
        "http://127",
        "https://127",
        "observe.prometheus.0.url: pages of figures are asked for without TLS",
    ),
    (
        "http://127",
        "ftp://127",
        "observe.prometheus.0.url: `ftp` is no such address",
    ),
    (
        "http://127.0.0.1:9100/metrics",
        "metrics",
        "observe.prometheus.0.url: this is not an address",
    ),
    (
        "500ms",
        "1500us",
        "observe.prometheus.0.every: a page cannot be asked for every `1500us`",
    ),
    ("500ms", "2m", "allowed: tenths of a second, from 100ms to 1m"),
    (
        "pool=\"db\"",
        "pool=~\"d.*\"",
        "observe.prometheus.0.series.busy: `pool_busy{pool=~\"d.*\"}` cannot be read from its byte 16 on",
    ),
    ("{wait: queue", "{hits: queue", "there is another series `hits`"),
    (
        "{wait: queue",
        "{1wait: queue",
        "`1wait` cannot be the name of a series",
    ),
    (
        "env.PATH",
        "env.BMT_NO_SUCH",
        "there is no `BMT_NO_SUCH` in the environment",
    ),
    ("env.PATH", "uuid", "a value in it depends on a request"),
    ("env.PATH}}", "env.PATH", "cannot be read as a template"),
    (
        "mysql://user",
        "postgres://user",
        "observe.mysql.0: `postgres` is no such address",
    ),
    (
        "@db:3306/shop",
        "@:3306/shop",
        "observe.mysql.0: this is not an address",
    ),
    (
        "redis://",
        "rediss://",
        "observe.redis.0.url: `rediss` is no such address",
    ),
    (
        "ops: total",
        "busy: total",
        "observe.redis.0.series.busy: there is another series `busy`",
    ),
    (
        "db0.keys",
        "\"db0 keys\"",
        "observe.redis.0.series.keys: `db0 keys` cannot be a field of INFO",
    ),
];

#[test]
fn every_mistake_is_told_with_what_is_allowed_and_no_password() {
    for (from, to, told) in MISTAKES {
        let text = with(&OBSERVE.replace(from, to), &[]);
        let said = refused(&text, &[]);
        assert!(said.contains(told), "{to}: {said}");
        assert!(said.contains("w.yaml:"), "{said}");
        assert!(!said.contains("swordfish"), "{said}");
    }
    let set = refused(&with(OBSERVE, &[]), &["observe.mysql.0=postgres://user:swordfish@db"]);
    assert!(set.contains("--set observe.mysql.0=postgres://***@db"), "{set}");
}

#[test]
fn a_gate_names_a_series_that_can_have_the_figure() {
    for (gate, told) in [
        (
            "{metric: series_max, series: bussy, at_most: 4}",
            "gates.0.series: there is no series `bussy`\n",
        ),
        (
            "{metric: series_max, series: bussy, at_most: 4}",
            "allowed: busy, hits, wait, keys, ops",
        ),
        (
            "{metric: series_max, series: bussy, at_most: 4}",
            "did you mean `busy`?",
        ),
        (
            "{metric: series_max, at_most: 4}",
            "gates.0.series: the metric is of a series, but no `series` is given",
        ),
        (
            "{metric: deadlocks, series: busy, at_most: 4}",
            "gates.0.series: the metric is not of a series",
        ),
        (
            "{metric: series_max, series: busy, operation: hot_join, at_most: 4}",
            "gates.0.operation: the metric is of a series, which belongs to no operation",
        ),
        (
            "{metric: series_max, series: hits, at_most: 4}",
            "gates.0.metric: `series_max` is of a gauge, and the name of `hits` is a counter's",
        ),
        (
            "{metric: series_max, series: ops, at_most: 4}",
            "gates.0.metric: `series_max` is of a gauge, and the name of `ops` is a counter's",
        ),
        (
            "{metric: series_p99, series: keys, at_most: 4}",
            "gates.0.metric: `series_p99` is of a histogram, and the name of `keys` is a gauge's",
        ),
        (
            "{metric: series_max, series: wait, at_most: 4}\n  - {metric: series_p50, series: wait, at_most: 4}",
            "gates.1.metric: `series_p50` is of a histogram, and another gate takes `wait` for a gauge, by `series_max`",
        ),
        (
            "{metric: series_rate, series: hits, at_most: 4}",
            "gates.0.at_most: the limit does not fit the metric",
        ),
    ] {
        let said = refused(&with(OBSERVE, &[gate]), &[]);
        assert!(said.contains(told), "{gate}: {said}");
    }
    let usual = OBSERVE.replace(", series: {ops: total_commands_processed, keys: db0.keys}", "");
    let gate = "{metric: series_rate, series: redis_commands, at_most: 4/s}";
    parse("w.yaml", &with(&usual, &[gate]), &Overrides::default()).unwrap();
    let none = refused(&with("", &["{metric: series_max, series: x, at_most: 4}"]), &[]);
    assert!(none.contains("there is no series `x`"), "{none}");
}
