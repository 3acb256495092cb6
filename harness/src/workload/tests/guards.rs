//! Guards, and figures that are named in one word.

use super::*;

fn with(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    format!("{}guard:\n{rules}", SESSION.trim_start())
}

const SESSION: &str = "
name: shop
question: Does it hold?
target: {url: \"http://127.0.0.1:1\"}
profile: {kind: bmt, base: 100/s, target: 1000/s, steps: 3, hold: 2s, spike_hold: 4s, warm_up: 1s}
traffic:
  browse: {request: {get: /items}, share: 0.9}
  order:
    share: 0.1
    steps:
      - {name: login, post: /login}
      - {name: pay, post: /pay}
observe:
  prometheus: [{url: \"http://127.0.0.1:2/metrics\", series: {busy: pool_busy}}]
variants: [{name: only}]
";

#[test]
fn a_rule_has_a_figure_a_limit_seconds_and_an_action() {
    let text = with(&[
        "{when: browse.error_share, above: 2%, for: 3s, then: back_off}",
        "{when: order.pay.response_p99, above: 500ms, for: 5s, then: back_off, again_after: 20s, because: it is shared}",
        "{when: connections_open_max, above: 2000, for: 1s, then: abort}",
        "{when: order.goodput_rate, below: 10/s, for: 60s, then: hold}",
    ]);
    let text = text.replace("spike_hold: 4s", "spike_hold: 60s");
    let workload = parse("w.yaml", &text, &Overrides::default()).unwrap();
    let rules: Vec<_> = workload
        .guards
        .iter()
        .map(|rule| {
            (
                rule.figure.to_string(),
                rule.bound,
                rule.over_s,
                rule.action,
                rule.again_after_s,
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            (
                "browse.error_share".to_owned(),
                Bound::AtMost(0.02),
                3,
                GuardAction::BackOff,
                None
            ),
            (
                "order.pay.response_p99".to_owned(),
                Bound::AtMost(500_000.0),
                5,
                GuardAction::BackOff,
                Some(20)
            ),
            (
                "connections_open_max".to_owned(),
                Bound::AtMost(2_000.0),
                1,
                GuardAction::Abort,
                None
            ),
            (
                "order.goodput_rate".to_owned(),
                Bound::AtLeast(10.0),
                60,
                GuardAction::Hold,
                None
            ),
        ]
    );
    assert!(workload.guards.iter().all(|rule| rule.base_rate == 100.0));
    let written = serde_json::to_value(&workload.file).unwrap();
    assert_eq!(written["guard"][0]["when"], "browse.error_share");
    assert_eq!(written["guard"][0]["for"], "3s");
}

/// Rules that are refused, each with a part of what is told.
const REFUSED: &[(&str, &str)] = &[
    (
        "{when: brows.error_share, above: 2%, for: 3s, then: hold}",
        "guard.0.when: there is no traffic entry `brows`",
    ),
    (
        "{when: order.paid.error_share, above: 2%, for: 3s, then: hold}",
        "did you mean `order.pay`?",
    ),
    (
        "{when: browse.error_rate, above: 2%, for: 3s, then: hold}",
        "did you mean `browse.error_share`?",
    ),
    (
        "{when: error_share, above: 2%, for: 3s, then: hold}",
        "guard.0.when: the metric is an operation's",
    ),
    (
        "{when: browse.connections_open_max, above: 2, for: 3s, then: hold}",
        "guard.0.when: `connections_open_max` is of no operation",
    ),
    (
        "{when: browse.until_done_p99, above: 2s, for: 3s, then: hold}",
        "guard.0.when: the metric is of retries",
    ),
    (
        "{when: browse.ok_within, above: 2, for: 3s, then: hold}",
        "it needs to know of the whole phase",
    ),
    (
        "{when: busy.series_max, above: 2, for: 3s, then: hold}",
        "guards judge what the generator measures itself",
    ),
    (
        "{when: blast_error_rate, above: 2%, for: 3s, then: hold}",
        "it is of a fault",
    ),
    (
        "{when: database_cpu, above: 2, for: 3s, then: hold}",
        "it is observed, or of the whole phase",
    ),
    (
        "{when: browse.error_share, above: 0.02, for: 3s, then: hold}",
        "guard.0.above: the limit does not fit the metric",
    ),
    (
        "{when: browse.response_p99, below: 2%, for: 3s, then: hold}",
        "guard.0.below: the limit does not fit the metric",
    ),
    (
        "{when: browse.error_share, above: 2%, below: 1%, for: 3s, then: hold}",
        "guard.0.below: a rule has one limit",
    ),
    (
        "{when: browse.error_share, for: 3s, then: hold}",
        "guard.0: the rule has no limit",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 0s, then: hold}",
        "guard.0.for: `0s` is not a number of seconds",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 1500ms, then: hold}",
        "guard.0.for: `1500ms` is not",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 61s, then: hold}",
        "guard.0.for: `61s` is not",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 30s, then: hold}",
        "guard.0.for: the profile is over before",
    ),
    (
        "{when: browse.error_share, above: 2%, then: hold}",
        "guard.0.for: required key `for` is missing",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 3s, then: stop}",
        "guard.0.then: `stop` is not one of the choices",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 3s, then: hold, again_after: 9s}",
        "guard.0.again_after: only a back-off is tried again",
    ),
    (
        "{when: browse.error_share, above: 2%, for: 3s, then: back_off, again_after: 0s}",
        "guard.0.again_after: `0s` is not",
    ),
];

#[test]
fn a_rule_that_could_never_be_judged_or_do_nothing_is_refused_with_its_place() {
    for (rule, mistake) in REFUSED {
        let told = refused(&with(&[rule]), &[]);
        assert!(
            told.contains(mistake) && told.contains("1 mistake in"),
            "{rule}: {told}"
        );
        assert!(
            told.contains(&format!("  - {}", &rule[..9])),
            "the line is quoted: {told}"
        );
    }
}

#[test]
fn a_rate_that_cannot_be_lowered_is_not_lowered() {
    let constant = "profile: {kind: constant, target: 100/s, hold: 10s}";
    for action in ["hold", "back_off"] {
        let text = with(&[&format!(
            "{{when: browse.error_share, above: 2%, for: 3s, then: {action}}}"
        )]);
        let profile = text.lines().find(|line| line.starts_with("profile")).unwrap();
        let told = refused(&text.replace(profile, constant), &[]);
        assert!(told.contains("guard.0.then: the profile has one rate"), "{told}");
        let own = text
            .replace("share: 0.9", "rate: 9/s")
            .replace("share: 0.1", "rate: 1/s");
        let told = refused(&own, &[]);
        assert!(told.contains("no entry takes a share of it"), "{told}");
    }
    let abort = with(&["{when: browse.error_share, above: 2%, for: 3s, then: abort}"]);
    let profile = abort.lines().find(|line| line.starts_with("profile")).unwrap();
    assert!(parse("w.yaml", &abort.replace(profile, constant), &Overrides::default()).is_ok());
}

#[test]
fn gates_take_the_same_names_and_say_what_a_figure_is_of_only_once() {
    let gates = |gate: &str| format!("{}gates:\n  - {gate}\n", SESSION.trim_start());
    for (one, other) in [
        (
            "{metric: order.pay.response_p99, at_most: 1s}",
            "{metric: response_p99, operation: order.pay, at_most: 1s}",
        ),
        (
            "{metric: busy.series_max, at_most: 40}",
            "{metric: series_max, series: busy, at_most: 40}",
        ),
        (
            "{metric: connections_opened, at_most: 40}",
            "{metric: connections_opened, at_most: 40}",
        ),
    ] {
        let read = |gate| {
            let workload = parse("w.yaml", &gates(gate), &Overrides::default()).unwrap();
            format!("{:?}", workload.gates)
        };
        assert_eq!(read(one), read(other), "{one}");
    }
    for (gate, mistake) in [
        (
            "{metric: order.response_p99, operation: browse, at_most: 1s}",
            "gates.0.operation: `metric` says already that the figure is of `order`",
        ),
        (
            "{metric: busy.series_max, series: busy, at_most: 1}",
            "gates.0.series: `metric` says already that the figure is of `busy`",
        ),
        (
            "{metric: ordr.response_p99, at_most: 1s}",
            "gates.0.metric: there is no traffic entry `ordr`",
        ),
        (
            "{metric: bussy.series_max, at_most: 1}",
            "gates.0.metric: there is no series `bussy`",
        ),
        (
            "{metric: order.deadlocks, at_most: 1}",
            "gates.0.metric: `deadlocks` is of no operation and of no series",
        ),
        (
            "{metric: respnse_p99, operation: order, at_most: 1s}",
            "did you mean `response_p99`?",
        ),
        (
            "{metric: order.respnse_p99, at_most: 1s}",
            "did you mean `order.response_p99`?",
        ),
    ] {
        let told = refused(&gates(gate), &[]);
        assert!(
            told.contains(mistake) && told.contains("1 mistake in"),
            "{gate}: {told}"
        );
    }
}
