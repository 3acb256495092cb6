use super::*;

const GOOD: &str = "
name: small
question: Does it hold?
profile: {kind: bmt, base: 100/s, target: 1000/s, steps: 3, hold: 2s, spike_hold: 4s, warm_up: 1s}
chats:
  hot: {members: 100}
  quiet: {count: 20, zipf: 1.0}
traffic:
  hot_join: {operation: join, chats: hot, share: 1}
  quiet_count: {operation: count, chats: quiet, rate: 50/s}
variants:
  - name: before
    settings: {insert: select_not_exists, autoinc_lock_mode: 1, member_count: query_cache}
  - name: after
    settings: {member_count: {aggregate_slots: {slots: 16}}}
gates:
  - {metric: response_p99, operation: hot_join, phase: spike, at_most: 50ms}
  - {metric: goodput_rate, operation: hot_join, phase: spike, variants: [after], relative_to: before, at_least: 5}
quick:
  profile: {hold: 1s}
";

fn refused(text: &str, set: &[&str]) -> String {
    let overrides = Overrides {
        quick: false,
        set: set.iter().map(ToString::to_string).collect(),
    };
    match parse("w.yaml", text, &overrides) {
        Ok(_) => panic!("should have been refused"),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn a_workload_becomes_phases_flows_variants_and_gates() {
    let workload = parse("w.yaml", GOOD, &Overrides::default()).unwrap();
    let phases: Vec<(&str, f64, u64)> = workload
        .profile
        .phases()
        .iter()
        .map(|phase| (phase.name.as_str(), phase.rate, phase.end.as_secs()))
        .collect();
    assert_eq!(
        phases,
        [
            ("warm-up", 100.0, 1),
            ("step 1", 400.0, 3),
            ("step 2", 700.0, 5),
            ("step 3", 1000.0, 7),
            ("base", 100.0, 9),
            ("spike", 1000.0, 13)
        ]
    );
    assert_eq!(workload.hot_group(), Some(0));
    assert_eq!(workload.traffic[1].flow.chats, 20);
    assert_eq!(workload.variants[0].settings["autoinc_lock_mode"], 1);
    assert_eq!(workload.gates[0].bounds, [Bound::AtMost(50_000.0)]);
    assert_eq!(workload.gates[0].variants, ["before", "after"]);
    assert_eq!(workload.gates[1].bounds, [Bound::AtLeast(5.0)]);
}

#[test]
fn quick_and_set_change_the_file_and_set_wins() {
    let overrides = Overrides {
        quick: true,
        set: vec![
            "profile.target=500/s".into(),
            "variants.after.settings.insert=select_not_exists".into(),
        ],
    };
    let workload = parse("w.yaml", GOOD, &overrides).unwrap();
    assert!(workload.quick);
    assert_eq!(workload.profile.end().as_secs(), 1 + 3 + 1 + 4);
    assert_eq!(workload.profile.phases().last().unwrap().rate, 500.0);
    assert_eq!(workload.variants[1].settings["insert"], "select_not_exists");
}

#[test]
fn every_mistake_of_shape_is_told_at_once_with_its_place() {
    let text = GOOD
        .replace("target: 1000/s", "taget: 1000")
        .replace("zipf: 1.0", "zipf: eleven")
        .replace("operation: count", "operation: cuont")
        .replace("autoinc_lock_mode: 1", "autoinc_lock_mode: 7")
        .replace("question: Does it hold?\n", "");
    insta::assert_snapshot!(refused(&text, &[]));
}

#[test]
fn every_mistake_of_meaning_is_told_at_once_with_its_place() {
    let text = GOOD
        .replace("base: 100/s", "base: 2000/s")
        .replace("chats: quiet", "chats: quite")
        .replace("share: 1", "share: 0.5")
        .replace("name: after", "name: before")
        .replace("at_most: 50ms", "at_most: 50")
        .replace("phase: spike, variants", "phase: spyke, variants");
    insta::assert_snapshot!(refused(&text, &[]));
}

#[test]
fn a_mistake_on_the_command_line_says_so() {
    insta::assert_snapshot!(refused(GOOD, &["profile.target=fast"]));
    insta::assert_snapshot!(refused(GOOD, &["profile.stepps=3"]));
    insta::assert_snapshot!(refused(GOOD, &["profile.target"]));
    insta::assert_snapshot!(refused(GOOD, &["variants.nobody.name=x"]));
}

#[test]
fn a_mistake_in_the_quick_block_does_not_wait_for_quick() {
    let text = GOOD.replace("profile: {hold: 1s}", "profile: {hold: 1 sec}");
    assert!(refused(&text, &[]).contains("profile.hold: cannot read `1 sec`"));
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line() {
    let text = GOOD.replace("variants:", "variants: [");
    assert!(refused(&text, &[]).starts_with("w.yaml:"), "{}", refused(&text, &[]));
}

#[test]
fn the_schema_accepts_every_shipped_workload() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            seen += 1;
            for quick in [false, true] {
                load(&path, &Overrides { quick, set: vec![] }).unwrap();
            }
        }
    }
    assert!(seen > 0);
}
