//! Gates and expectations.

use super::*;

fn with(list: &str, conditions: &[&str]) -> String {
    let before = GOOD.split("gates:").next().unwrap();
    let conditions: String = conditions
        .iter()
        .map(|condition| format!("  - {condition}\n"))
        .collect();
    format!("{before}{list}:\n{conditions}")
}

#[test]
fn an_expectation_has_the_form_of_a_gate() {
    let text = with(
        "expect",
        &[
            "{metric: response_p99, operation: hot_join, phase: spike, variants: [before], at_least: 50ms, inconclusive: fail}",
        ],
    );
    let workload = parse("w.yaml", &text, &Overrides::default()).unwrap();
    assert!(workload.gates.is_empty());
    let [expectation] = &workload.expectations[..] else {
        panic!("one expectation was written")
    };
    assert_eq!(expectation.bounds, [Bound::AtLeast(50_000.0)]);
    assert_eq!(expectation.inconclusive, Some(Inconclusive::Fail));
    let recorded = serde_json::to_value(&workload.file).unwrap();
    assert_eq!(recorded["expect"][0]["inconclusive"], "fail");
}

#[test]
fn a_mistake_in_an_expectation_names_it() {
    let told = refused(
        &with("expect", &["{metric: response_p99, phase: spike, at_most: 50ms}"]),
        &[],
    );
    assert!(
        told.contains("expect.0.operation: the metric is an operation's"),
        "{told}"
    );
    let told = refused(
        &with("expect", &["{metric: deadlocks, at_most: 0, inconclusive: maybe}"]),
        &[],
    );
    assert!(
        told.contains("expect.0.inconclusive: `maybe`") && told.contains("pass, fail"),
        "{told}"
    );
}

#[test]
fn a_limit_that_nothing_or_everything_keeps_is_refused() {
    for (gate, mistake) in [
        (
            "{metric: goodput_rate, operation: hot_join, at_most: 10/s, at_least: 11/s}",
            "gates.0.at_most: no figure can be at most this and at least `at_least`",
        ),
        (
            "{metric: deadlocks, at_least: -1}",
            "gates.0.at_least: no figure can be as low as -1",
        ),
        ("{metric: deadlocks, at_most: .inf}", "`.inf`"),
        ("{metric: deadlocks, at_most: .nan}", "`.nan`"),
    ] {
        let told = refused(&with("gates", &[gate]), &[]);
        assert!(
            told.contains(mistake) && told.contains("1 mistake in"),
            "{gate}: {told}"
        );
    }
    let both = "{metric: goodput_rate, operation: hot_join, at_most: 10/s, at_least: 10/s}";
    let both = parse("w.yaml", &with("gates", &[both]), &Overrides::default());
    assert!(both.is_ok(), "{}", both.err().unwrap());
}

#[test]
fn no_variant_is_compared_with_itself() {
    let gate =
        |more: &str| format!("{{metric: response_p50, operation: hot_join, relative_to: before, {more}at_most: 1.1}}");
    for variants in ["variants: [before], ", "variants: [after, before], "] {
        let told = refused(&with("gates", &[&gate(variants)]), &[]);
        assert!(
            told.contains("`before` would be compared with itself") && told.contains("1 mistake in"),
            "{told}"
        );
    }
    let all = parse("w.yaml", &with("gates", &[&gate("")]), &Overrides::default()).unwrap();
    assert_eq!(all.gates[0].variants, ["after"], "all the others");
    let alone = with("gates", &[&gate("")]).replace(
        "  - name: after\n    settings: {member_count: {aggregate_slots: {slots: 16}}}\n",
        "",
    );
    let told = refused(&alone, &[]);
    assert!(
        told.contains("gates.0.relative_to: there is no other variant"),
        "{told}"
    );
}

#[test]
fn a_phase_is_compared_with_another_of_the_same_variant() {
    let gate = |more: &str| format!("{{metric: response_p99, operation: hot_join, {more}, at_most: 2}}");
    let text = with("gates", &[&gate("relative_to_phase: base")]);
    let workload = parse("w.yaml", &text, &Overrides::default()).unwrap();
    let gate_of = &workload.gates[0];
    assert_eq!(gate_of.relative_to_phase.as_deref(), Some("base"));
    assert!(!gate_of.phases.contains(&"base".to_owned()), "{:?}", gate_of.phases);
    assert_eq!(gate_of.bounds, [Bound::AtMost(2.0)], "a ratio is a plain number");
    for (more, mistake) in [
        (
            "phase: base, relative_to_phase: base",
            "`base` would be compared with itself",
        ),
        ("relative_to_phase: step 9", "there is no phase `step 9`"),
        (
            "relative_to: before, relative_to_phase: base",
            "either `relative_to` or `relative_to_phase`",
        ),
    ] {
        let told = refused(&with("gates", &[&gate(more)]), &[]);
        assert!(
            told.contains(mistake) && told.contains("1 mistake in"),
            "{more}: {told}"
        );
    }
}
