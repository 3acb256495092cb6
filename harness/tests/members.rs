//! Members who are online, on a real server with a real Redis: who sees what, when, and what happens when things break.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use serde_json::Value as Json;
use support::storm::Place;

const MEMBERS: u64 = 100;

const WORKLOAD: &str = "
name: small-hot-chat
question: Do all members see everything, and who does not?
target:
  shards: 1
  settings:
    hot_chat: {fetches: 50, window: 1s, release: 0.2, ttl: 5s}
    trailing_push: {within: 800ms}
generator: {connections: 200, waiting: 1000, timeout: 3s}
profile: {kind: spike, warm_up: 1s, base: 4/s, target: 20/s, base_hold: 2s, spike_hold: 3s}
arrivals: uniform
chats:
  hot: {members: 100}
  quiet: {count: 5, members: 5}
traffic:
  hot_send: {operation: send, chats: hot, share: 1}
  hot_fetch: {operation: {follow: {online: 100, connect: 200/s, delay: 20ms, poll: 10m, stale_after: 1s}}, chats: hot}
  quiet_fetch: {operation: fetch, chats: quiet, rate: 10/s}
variants:
  - name: unthrottled
    settings: {push_throttle: none}
  - name: throttled
    settings: {push_throttle: {fixed: {drop: 0.9}}}
  - name: no trailing
    settings: {push_throttle: {fixed: {drop: 0.9}}, trailing_push: none}
";

/// The figures of a variant's phases.
fn phases<'a>(run: &'a Json, variant: &str) -> &'a Vec<Json> {
    let cells = run["cells"].as_array().unwrap();
    let cell = cells.iter().find(|cell| cell["variant"] == variant).unwrap();
    cell["phases"].as_array().unwrap()
}

fn sum(phases: &[Json], pointer: &str) -> u64 {
    let value = |phase: &Json| phase.pointer(pointer).and_then(Json::as_u64).unwrap();
    phases.iter().map(value).sum()
}

/// Nobody was passed over, and all of them have everything that was sent.
fn assert_nothing_lost(phases: &[Json]) {
    assert_eq!(sum(phases, "/fanout/revisions_skipped"), 0);
    let last = phases.last().unwrap();
    assert_eq!(last["name"], "settle");
    assert_eq!(last["fanout"]["stale_members_end"], 0, "{}", last["fanout"]);
    let (events, received) = (sum(phases, "/fanout/events"), sum(phases, "/fanout/freshness_us/count"));
    assert!(events > 50, "{events}");
    assert_eq!(received, events * MEMBERS, "each member has each event exactly once");
}

#[test]
fn throttling_saves_fetches_and_only_the_trailing_push_lets_everybody_catch_up() {
    let place = Place::of(WORKLOAD);
    let run = place.result(&[], &[0]);
    let fetches = |variant: &str| sum(phases(&run, variant), "/fanout/fetches");
    for variant in ["unthrottled", "throttled"] {
        assert_nothing_lost(phases(&run, variant));
    }
    assert!(
        fetches("throttled") * 2 < fetches("unthrottled"),
        "{} of {}",
        fetches("throttled"),
        fetches("unthrottled")
    );
    assert_eq!(sum(phases(&run, "unthrottled"), "/fanout/server/pushes_dropped"), 0);
    assert!(sum(phases(&run, "throttled"), "/fanout/server/pushes_dropped") > 0);
    assert!(sum(phases(&run, "throttled"), "/fanout/server/trailing_pushes") > 0);
    let settled = phases(&run, "no trailing").last().unwrap();
    assert!(
        settled["fanout"]["stale_members_end"].as_u64().unwrap() > 0,
        "{}",
        settled["fanout"]
    );
    assert_eq!(
        phases(&run, "throttled")[1]["connections"]["members"]["open_max"],
        MEMBERS
    );
    place.assert_nothing_left();
}

#[test]
fn what_breaks_and_what_is_changed_is_in_the_result_and_no_event_is_lost() {
    let broken = WORKLOAD.replace("spike_hold: 3s", "spike_hold: 6s")
        + "
changes:
  - {phase: spike, after: 4s, settings: {push_throttle: {fixed: {drop: 0.5}}}}
faults:
  - {phase: spike, after: 500ms, for: 1s, inject: kill_redis}
  - {phase: spike, after: 2s, for: 1s, inject: stop_publish}
  - {phase: spike, after: 3500ms, for: 500ms, inject: {disconnect_members: 10%}}
";
    let place = Place::of(&broken);
    let run = place.result(&["--variant", "throttled"], &[0]);
    let phases = phases(&run, "throttled");
    assert_nothing_lost(phases);
    let cell = &run["cells"][0];
    for (fault, kind) in ["kill_redis", "stop_publish", "disconnect_members"].iter().enumerate() {
        let fault = &cell["faults"][fault];
        assert_eq!(
            (&fault["kind"], &fault["problem"]),
            (&Json::from(*kind), &Json::Null),
            "{fault}"
        );
        assert!(
            fault["end_s"].as_f64().unwrap() > fault["start_s"].as_f64().unwrap(),
            "{fault}"
        );
    }
    let change = &cell["changes"][0];
    assert_eq!(change["problem"], Json::Null, "{change}");
    assert!(change["revision"].as_u64().unwrap() > 1, "{change}");
    let lost = sum(phases, "/connections/members/closed");
    assert!(
        (1..=MEMBERS / 2).contains(&lost),
        "about a tenth lost their connection: {lost}"
    );
    assert_eq!(
        sum(phases, "/connections/members/opened"),
        MEMBERS + lost,
        "and came back"
    );
    assert!(sum(phases, "/fanout/server/redis_errors") > 0);
    let markdown = std::fs::read_to_string(support::run_directory(&place.out()).join("report.md")).unwrap();
    assert!(markdown.contains("Changed and broken on purpose"), "{markdown}");
    place.assert_nothing_left();
}
