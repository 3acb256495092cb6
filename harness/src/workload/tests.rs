use super::*;

mod gates;
mod gateway;
mod guards;
mod limits;
mod observe;
mod overriding;
mod process;
mod profiles;
mod websockets;

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
        ..Overrides::default()
    };
    match parse("w.yaml", text, &overrides) {
        Ok(_) => panic!("should have been rejected"),
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
    assert_eq!(workload.traffic[1].flow.items, 20);
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
        ..Overrides::default()
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

/// Members online, something changed, something broken.
const FOLLOWED: &str = "
name: followed
question: Do members see it?
profile: {kind: spike, base: 1/s, target: 20/s, base_hold: 5s, spike_hold: 10s, warm_up: 2s}
chats:
  hot: {members: 100}
  quiet: {count: 20}
traffic:
  hot_send: {operation: send, chats: hot, share: 1}
  hot_fetch: {operation: {follow: {online: 100, connect: 50/s}}, chats: hot}
variants:
  - name: open
    settings: {push_throttle: none}
  - name: throttled
    settings: {push_throttle: {fixed: {drop: 0.9}}}
changes:
  - {phase: spike, after: 2s, settings: {push_throttle: none}, variants: [throttled]}
faults:
  - {phase: spike, after: 1s, for: 3s, inject: kill_redis}
  - {after: 4s, for: 2s, inject: {disconnect_members: 10%}}
gates:
  - {metric: freshness_p99, phase: spike, at_most: 2s}
  - {metric: stale_members_end, phase: settle, at_most: 0}
";

#[test]
fn members_changes_and_faults_get_their_place_in_time() {
    let workload = parse("w.yaml", FOLLOWED, &Overrides::default()).unwrap();
    assert_eq!(workload.online(), 100);
    assert!(workload.needs_redis());
    assert!(workload.traffic.iter().any(|traffic| workload.is_followed(traffic)));
    let change = &workload.changes[0];
    assert_eq!(
        (change.at.as_secs(), &change.variants[..]),
        (9, &["throttled".to_owned()][..])
    );
    let seconds: Vec<(u64, u64)> = workload
        .faults
        .iter()
        .map(|fault| (fault.at.as_secs(), fault.until.as_secs()))
        .collect();
    assert_eq!(seconds, [(4, 6), (8, 11)], "in order of time");
}

#[test]
fn redis_is_started_where_something_is_counted_in_it() {
    let table = [
        ("join_throttle: none", false),
        ("join_throttle: bus", false),
        ("join_throttle: local", false),
        ("join_throttle: redis", true),
        ("join_throttle: {local_shared: {processes: 1}}", true),
        ("push_throttle: {fixed: {drop: 0.5}}", true),
    ];
    for (setting, needed) in table {
        let variant = format!("variants:\n  - name: one\n    settings: {{{setting}}}\n");
        let workload = parse("w.yaml", &without_variants(&variant), &Overrides::default()).unwrap();
        assert_eq!(workload.needs_redis(), needed, "{setting}");
        let changed = format!("variants:\n  - name: one\nchanges:\n  - {{after: 1s, settings: {{{setting}}}}}\n");
        let workload = parse("w.yaml", &without_variants(&changed), &Overrides::default()).unwrap();
        assert_eq!(workload.needs_redis(), needed, "changed to {setting}");
    }
}

/// The good workload with these variants instead of its own.
fn without_variants(instead: &str) -> String {
    let before = GOOD.split("variants:").next().unwrap();
    format!("{before}{instead}")
}

#[test]
fn mistakes_about_members_changes_and_faults_are_told_with_their_place() {
    let text = FOLLOWED
        .replace("online: 100, connect: 50/s", "online: 200, connect: 50/s")
        .replace("chats: hot, share: 1}", "chats: quiet, share: 1}")
        .replace("variants: [throttled]", "variants: [throtled]")
        .replace("for: 3s", "for: 30s")
        .replace("after: 4s", "after: 40s");
    insta::assert_snapshot!(refused(&text, &[]));
    let none = FOLLOWED.replace(
        "{operation: {follow: {online: 100, connect: 50/s}}, chats: hot}",
        "{operation: count, chats: hot, rate: 1/s}",
    );
    insta::assert_snapshot!(refused(&none, &[]));
    insta::assert_snapshot!(refused(FOLLOWED, &["generator.sources=[localhost]"]));
    insta::assert_snapshot!(refused(FOLLOWED, &["traffic.hot_fetch.rate=5/s"]));
}

/// Every kind of fault, none in the way of another.
const BROKEN: &str = "
faults:
  - {after: 1s, for: 1s, inject: {pause_shard: 0}}
  - {after: 2s, for: 1s, inject: {kill_shard: 1}}
  - {after: 1s, for: 5s, inject: {slow_disk: {shard: 1, by: 50ms}}}
  - {after: 1s, for: 5s, inject: {slow_queries: {shard: 1, hold: 200ms}}}
  - {after: 3s, for: 1s, inject: {cut_connections: 0}}
  - {after: 3s, for: 1s, inject: {delay_connections: {shard: 0, by: 20ms}}}
  - {after: 1s, for: 1s, inject: pause_server}
";

#[test]
fn every_fault_of_a_shard_names_it() {
    let workload = parse("w.yaml", &format!("{GOOD}{BROKEN}"), &Overrides::default()).unwrap();
    let mut targets: Vec<(&str, String)> = workload
        .faults
        .iter()
        .map(|fault| (fault.inject.kind(), fault.inject.target()))
        .collect();
    targets.sort();
    let expected = [
        ("cut_connections", "shard 0"),
        ("delay_connections", "shard 0"),
        ("kill_shard", "shard 1"),
        ("pause_server", "server"),
        ("pause_shard", "shard 0"),
        ("slow_disk", "shard 1"),
        ("slow_queries", "shard 1"),
    ];
    assert_eq!(targets, expected.map(|(kind, target)| (kind, target.to_owned())));
}

#[test]
fn mistakes_about_faults_are_told_with_their_place() {
    let text = format!("{GOOD}{BROKEN}")
        .replace("pause_shard: 0", "pause_shard: 2")
        .replace("slow_disk: {shard: 1, by: 50ms}", "slow_disk: {shard: 7, by: 0s}")
        .replace("cut_connections: 0", "kill_shard: 1")
        .replace("{after: 2s, for: 1s", "{after: 2s, for: 2s")
        .replace("inject: pause_server", "inject: pause_redis");
    insta::assert_snapshot!(refused(&text, &[]));
    let text = format!("{GOOD}{BROKEN}").replace("pause_server", "pause_sever");
    insta::assert_snapshot!(refused(&text, &[]));
    let text = format!("{GOOD}{BROKEN}").replace("hold: 200ms", "by: 200ms");
    insta::assert_snapshot!(refused(&text, &[]));
}

#[test]
fn processes_that_bmt_did_not_start_get_no_faults() {
    let refused = |text: &str| {
        let overrides = Overrides {
            foreign: true,
            ..Overrides::default()
        };
        parse("w.yaml", text, &overrides)
            .err()
            .map(|mistakes| mistakes.to_string())
    };
    insta::assert_snapshot!(refused(&format!("{GOOD}{BROKEN}")).unwrap());
    let stopped = FOLLOWED.replace("kill_redis", "stop_publish");
    insta::assert_snapshot!(refused(&stopped).unwrap());
    let disconnected = FOLLOWED.replace("  - {phase: spike, after: 1s, for: 3s, inject: kill_redis}\n", "");
    assert_eq!(refused(&disconnected), None, "members are bmt's own");
}

/// The publish role stops from 8 s to 11 s, and a setting is changed at 9 s.
#[test]
fn a_paused_server_gets_no_admin_calls() {
    let paused = |after: &str, lasts: &str| {
        let pause = format!("{{after: {after}, for: {lasts}, inject: pause_server}}");
        FOLLOWED
            .replace("kill_redis", "stop_publish")
            .replace("{after: 4s, for: 2s, inject: {disconnect_members: 10%}}", &pause)
    };
    for (after, lasts, mistake) in [
        ("7s", "1200ms", "faults.0.after: `stop_publish` begins at 8.0 s"),
        ("10s", "2s", "faults.0.for: `stop_publish` ends at 11.0 s"),
        (
            "10s",
            "700ms",
            "allowed: a time before 10.0 s or after 11.2 s of the cell",
        ),
        ("8500ms", "1s", "changes.0.after: the settings change at 9.0 s"),
    ] {
        let told = refused(&paused(after, lasts), &[]);
        assert!(
            told.contains(mistake) && told.contains("while `pause_server` lasts") && told.contains("1 mistake in"),
            "{after} for {lasts}: {told}"
        );
    }
    let between = parse("w.yaml", &paused("9200ms", "1s"), &Overrides::default());
    assert!(between.is_ok(), "{}", between.err().unwrap());
}

#[test]
fn a_gate_on_a_fault_names_the_one_that_it_means() {
    let gate = |gate: &str| format!("{FOLLOWED}  - {gate}\n");
    for (text, fault, judged_in) in [
        (
            "{metric: blast_p99_ratio, fault: kill_redis, at_most: 1.5}",
            1,
            "fault 2 kill_redis",
        ),
        (
            "{metric: blast_error_rate, fault: 1, at_most: 0%}",
            0,
            "fault 1 disconnect_members",
        ),
    ] {
        let workload = parse("w.yaml", &gate(text), &Overrides::default()).unwrap();
        let gate = workload.gates.last().unwrap();
        assert_eq!(
            (gate.fault, &gate.phases[..]),
            (Some(fault), &[judged_in.to_owned()][..])
        );
    }
    let mistakes = [
        "{metric: blast_p99_ratio, at_most: 2}",
        "{metric: acknowledged_lost, fault: 3, at_most: 0}",
        "{metric: acknowledged_lost, fault: kill_redi, at_most: 0}",
        "{metric: fail_fast_s, fault: kill_redis, at_most: 2s}",
        "{metric: blast_error_rate, fault: 1, phase: spike, at_most: 0}",
        "{metric: freshness_p99, fault: 1, at_most: 2s}",
    ];
    insta::assert_snapshot!(refused(&gate(&mistakes.join("\n  - ")), &[]));
    let calm = GOOD.replace("gates:\n", "gates:\n  - {metric: recovered_s, at_most: 5s}\n");
    insta::assert_snapshot!(refused(&calm, &[]));
}

/// Rejected clients retry, and gates judge their logical calls.
const RETRIED: &str = "
name: retried
question: When have all joined?
profile: {kind: spike, base: 10/s, target: 100/s, base_hold: 5s, spike_hold: 10s, warm_up: 1s}
chats: {hot: {}, quiet: {count: 20}}
traffic:
  join: {operation: join, chats: hot, share: 1, retry: {attempts: 8, on: [throttled, timeout], settle: 7s}}
  count: {operation: count, chats: quiet, rate: 5/s}
variants: [{name: only}]
gates:
  - {metric: until_done_p99, operation: join, phase: spike, at_most: 9s}
  - {metric: not_done_share, operation: join, phase: spike, at_most: 1%}
  - {metric: ok_within, within: 5s, operation: join, phase: spike, at_most: 1800}
";

#[test]
fn pending_retries_get_time_to_settle() {
    let workload = parse("w.yaml", RETRIED, &Overrides::default()).unwrap();
    let settle = workload.profile.phases().last().unwrap();
    assert_eq!((settle.name.as_str(), settle.rate), ("settle", 0.0));
    assert_eq!((settle.start.as_secs(), settle.end.as_secs()), (16, 23));
    let join = workload.traffic.iter().find(|traffic| traffic.name == "join").unwrap();
    let retry = join.retry.as_ref().unwrap();
    assert_eq!(retry.on, [Retryable::Throttled, Retryable::Timeout]);
    assert_eq!(retry.backoff_max.0.as_secs(), 10, "the rest has its defaults");
    assert_eq!(workload.retry_until(retry).as_secs(), 23);
    let ok_within = workload.gates.last().unwrap();
    assert_eq!(ok_within.within.unwrap().as_secs(), 5);
}

#[test]
fn the_settle_phase_is_as_long_as_the_longest_need() {
    let end = |set: &[&str]| {
        let overrides = Overrides {
            set: set.iter().map(ToString::to_string).collect(),
            ..Overrides::default()
        };
        parse("w.yaml", FOLLOWED, &overrides).unwrap().profile.end().as_secs()
    };
    // A time-out of 5 s, 5 s until stale, and 2 s.
    let offered = 17;
    assert_eq!(end(&[]), offered + 12);
    let quiet = "traffic.quiet_count={operation: count, chats: quiet, rate: 1/s, retry: {settle: 4s}}";
    assert_eq!(end(&[quiet]), offered + 12, "both settle at the same time");
    assert_eq!(end(&[&quiet.replace("4s", "20s")]), offered + 20);
    assert_eq!(
        end(&["traffic.hot_send.retry={settle: 4s}"]),
        offered + 4 + 12,
        "the last message comes later"
    );
}

#[test]
fn mistakes_about_retries_are_told_with_their_place() {
    let text = RETRIED
        .replace("attempts: 8", "attempts: 0, backoff: 5s, backoff_max: 1s")
        .replace("on: [throttled, timeout]", "on: [throttled, conflict]");
    insta::assert_snapshot!(refused(&text, &[]));
    let text = RETRIED
        .replace("attempts: 8", "backoff: 5s, backoff_max: 1s")
        .replace(
            "metric: until_done_p99, operation: join",
            "metric: until_done_p99, operation: count",
        )
        .replace("metric: not_done_share,", "metric: not_done_share, within: 1s,")
        .replace(
            "within: 5s, operation: join, phase: spike",
            "within: 5500ms, operation: join",
        );
    insta::assert_snapshot!(refused(&text, &[]));
    let text = RETRIED.replace("metric: ok_within, within: 5s", "metric: ok_within");
    insta::assert_snapshot!(refused(&text, &[]));
    insta::assert_snapshot!(refused(FOLLOWED, &["traffic.hot_fetch.retry={}"]));
}

#[test]
fn joins_admitted_is_of_the_phase_and_of_no_operation() {
    let gate = |more: &str| format!("{RETRIED}  - {{metric: joins_admitted, {more}phase: spike, at_most: 3500}}\n");
    let workload = parse("w.yaml", &gate(""), &Overrides::default()).unwrap();
    assert_eq!(workload.gates.last().unwrap().bounds, [Bound::AtMost(3500.0)]);
    for (more, mistake) in [
        ("operation: join, ", "gates.3.operation: the metric is of all joins"),
        ("within: 5s, ", "gates.3.within: the metric is of the whole phase"),
    ] {
        let told = refused(&gate(more), &[]);
        assert!(told.contains(mistake) && told.contains("1 mistake in"), "{told}");
    }
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
fn malformed_yaml_is_rejected_with_its_line() {
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
                let overrides = Overrides {
                    quick,
                    ..Overrides::default()
                };
                load(&path, &overrides).unwrap();
            }
        }
    }
    assert!(seen > 0);
}
