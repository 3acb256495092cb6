//! The push gateway beside the reference server.

use super::*;

const NOTIFIED: &str = "
name: notified
question: Does the push component keep up?
target:
  gateway: {service_time: {fixed: 5ms}, handshake_cpu: 1ms, tls: true, threads: 1}
  settings: {notify: {gateway: {protocol: h1}}}
profile: {kind: bmt, base: 10/s, target: 100/s, steps: 2, hold: 2s, spike_hold: 4s, warm_up: 1s}
chats:
  quiet: {count: 20, members: 5}
traffic:
  send: {operation: send, chats: quiet, share: 1}
variants:
  - name: unbounded
    settings: {notify: {gateway: {connections: unbounded}}}
  - name: bounded
    settings: {notify: {gateway: {connections: {max: 8}}}}
    gateway: {service_time: {fixed: 1ms}, heap: {budget: {mib: 16}}}
gates:
  - {metric: push_connections_open_max, variants: [bounded], phase: spike, at_most: 8}
  - {metric: notifications_dropped, variants: [bounded], phase: spike, at_most: 0}
";

#[test]
fn a_variants_gateway_is_the_targets_with_its_own_laid_over() {
    let workload = parse("w.yaml", NOTIFIED, &Overrides::default()).unwrap();
    let gateway = |variant: usize| workload.variants[variant].gateway.clone().unwrap();
    assert!(gateway(0).is_tls && gateway(1).is_tls);
    assert_eq!((gateway(0).threads, gateway(1).threads), (Some(1), Some(1)));
    let settings = |variant: usize| serde_json::Value::Object(gateway(variant).settings);
    assert_eq!(
        settings(0),
        serde_json::json!({ "service_time": { "fixed": "5ms" }, "handshake_cpu": "1ms" })
    );
    assert_eq!(
        settings(1),
        serde_json::json!({
            "service_time": { "fixed": "1ms" }, "handshake_cpu": "1ms", "heap": { "budget": { "mib": 16 } }
        })
    );
    let without = NOTIFIED.replace(
        "  gateway: {service_time: {fixed: 5ms}, handshake_cpu: 1ms, tls: true, threads: 1}\n",
        "",
    );
    let told = refused(&without, &[]);
    assert!(
        told.contains("variants.0.settings.notify.gateway: variant `unbounded` has no push gateway"),
        "{told}"
    );
    assert!(told.contains("1 mistake in"), "the other variant has one: {told}");
}

#[test]
fn settings_of_the_gateway_are_judged_with_line_and_column() {
    for (written, wrong, told_at, problem) in [
        (
            "handshake_cpu: 1ms",
            "handshake_cpu: often",
            "w.yaml:5:",
            "cannot read `often`",
        ),
        (
            "handshake_cpu: 1ms",
            "handshake_gpu: 1ms",
            "w.yaml:5:",
            "unknown key `handshake_gpu`",
        ),
        ("threads: 1", "threads: 100", "w.yaml:5:", "100 is out of range"),
        ("mib: 16", "mib: many", "w.yaml:17:", "`many` is not allowed here"),
    ] {
        let told = refused(&NOTIFIED.replace(written, wrong), &[]);
        assert!(told.contains(told_at) && told.contains(problem), "{told}");
    }
    let nearest = refused(&NOTIFIED.replace("handshake_cpu: 1ms", "handshake_gpu: 1ms"), &[]);
    assert!(nearest.contains("did you mean `handshake_cpu`"), "{nearest}");
}

#[test]
fn what_bmt_fills_in_is_not_written() {
    let text = NOTIFIED.replace("{protocol: h1}", "{url: \"http://127.0.0.1:9000\"}");
    let told = refused(&text, &[]);
    assert!(
        told.contains("`url` is that of the push gateway that bmt starts for the cell")
            && told.contains("1 mistake in"),
        "{told}"
    );
}

#[test]
fn a_push_component_may_have_a_gateway_of_somebody_elses() {
    let text = NOTIFIED
        .replace(
            "  gateway: {service_time: {fixed: 5ms}, handshake_cpu: 1ms, tls: true, threads: 1}\n",
            "",
        )
        .replace(
            "    gateway: {service_time: {fixed: 1ms}, heap: {budget: {mib: 16}}}\n",
            "",
        )
        .replace("{protocol: h1}", "{url: \"http://127.0.0.1:9000\"}");
    let workload = parse("w.yaml", &text, &Overrides::default()).unwrap();
    assert!(workload.variants.iter().all(|variant| variant.gateway.is_none()));
}

#[test]
fn a_gateway_that_nothing_is_sent_to_and_one_that_cannot_be_started_are_refused() {
    let silent = NOTIFIED
        .split("gates:")
        .next()
        .unwrap()
        .replace("  settings: {notify: {gateway: {protocol: h1}}}\n", "")
        .replace("    settings: {notify: {gateway: {connections: unbounded}}}\n", "")
        .replace("    settings: {notify: {gateway: {connections: {max: 8}}}}\n", "");
    let told = refused(&silent, &[]);
    assert!(told.contains("target.gateway: nothing is sent to it"), "{told}");
    let told = refused(NOTIFIED, &["target.url=http://127.0.0.1:1"]);
    for place in ["target.gateway", "variants.1.gateway"] {
        let mistake = format!("{place}: a push gateway is started beside the reference server");
        assert!(told.contains(&mistake), "{told}");
    }
}

#[test]
fn figures_of_the_push_component_need_one() {
    let gate = GOOD.replace(
        "metric: response_p99, operation: hot_join,",
        "metric: notifications_dropped,",
    );
    let told = refused(&gate.replace("at_most: 50ms", "at_most: 0"), &[]);
    assert!(
        told.contains("gates.0.metric: the metric is of the push component, and no variant has one"),
        "{told}"
    );
}

#[test]
fn faults_of_the_gateway_need_one_in_every_variant() {
    let fault = "faults:\n  - {phase: spike, after: 1s, for: 1s, inject: kill_gateway}\n";
    let workload = parse("w.yaml", &format!("{NOTIFIED}{fault}"), &Overrides::default()).unwrap();
    assert_eq!(workload.faults[0].inject, Injection::KillGateway);
    let told = refused(&format!("{GOOD}{fault}"), &[]);
    assert!(
        told.contains("faults.0.inject: no push gateway is started in some variant"),
        "{told}"
    );
    let twice = format!("{NOTIFIED}{fault}  - {{phase: spike, after: 1500ms, for: 1s, inject: pause_gateway}}\n");
    let told = refused(&twice, &[]);
    assert!(told.contains("faults.1: overlaps `kill_gateway` (gateway)"), "{told}");
}
