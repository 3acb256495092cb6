//! The push component against a real push gateway: every notification is accounted for, whatever happens to the
//! gateway, and what the two sides count agrees.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use serde_json::Value as Json;
use support::storm::{Place, walk};

/// Members of each chat besides the one who sends: nobody is online, so each message notifies them all.
const ABSENT: u64 = 5;

const WORKLOAD: &str = "
name: small-new-year
question: Is every notification accounted for?
target:
  shards: 1
  gateway: {service_time: {fixed: 5ms}, threads: 1}
  settings:
    durability: relaxed
    notify: {gateway: {connections: {max: 6}, queues: shared, connect_timeout: 500ms, request_timeout: 500ms}}
generator: {connections: 64, waiting: 1000, timeout: 5s}
profile: {kind: bmt, warm_up: 1s, base: 5/s, target: 40/s, steps: 1, hold: 2s, base_hold: 2s, spike_hold: 3s}
arrivals: uniform
chats:
  talking: {count: 20, members: 6}
traffic:
  send: {operation: send, chats: talking, share: 1}
variants:
  - name: plain
  - name: encrypted
    gateway: {tls: true}
    settings: {notify: {gateway: {protocol: h2, connections: {max: 1}}}}
";

const GATES: &str = "
gates:
  - {metric: push_connections_open_max, phase: spike, at_most: 6}
  - {metric: notifications_dropped, phase: spike, at_most: 0}
";

/// On a busy machine a run may be INVALID, or its gates undecided: that is not what is tested here.
const DONE: &[i32] = &[0, 120, 122];

fn count(value: &Json, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Json::as_u64);
    found.unwrap_or_else(|| panic!("{pointer} of {value}"))
}

fn phases(cell: &Json) -> &Vec<Json> {
    cell["phases"].as_array().unwrap()
}

fn sum(cell: &Json, pointer: &str) -> u64 {
    phases(cell).iter().map(|phase| count(phase, pointer)).sum()
}

/// Messages that the server acknowledged.
fn sent(cell: &Json) -> u64 {
    let ok = |phase: &Json| phase["operations"]["send"]["outcomes"]["ok"].as_u64().unwrap_or(0);
    phases(cell).iter().map(ok).sum()
}

/// What became of the notifications of messages, by the server's books.
struct Books {
    enqueued: u64,
    delivered: u64,
    dropped: u64,
    unknown: u64,
}

/// The books of a cell, which balance and hold one notification for each message and absent member.
fn books(cell: &Json) -> Books {
    let books = &cell["notifications"];
    assert_eq!(books["problem"], Json::Null, "{books}");
    let message = &books["roles"]["message"];
    let dropped = message["dropped"].as_object().unwrap().values();
    let seen = Books {
        enqueued: count(message, "/enqueued"),
        delivered: count(message, "/delivered"),
        dropped: dropped.map(|count| count.as_u64().unwrap()).sum(),
        unknown: count(message, "/unknown"),
    };
    let waiting = count(message, "/queued") + count(message, "/in_flight");
    assert_eq!(
        seen.enqueued,
        seen.delivered + seen.dropped + seen.unknown + waiting,
        "{books}"
    );
    assert_eq!(waiting + count(books, "/lag_records"), 0, "the load is over: {books}");
    assert_eq!(seen.enqueued, sent(cell) * ABSENT, "{books}");
    seen
}

/// Two counts of the same thing, read at moments that differ by a little.
fn assert_about(one: u64, other: u64, what: &str) {
    assert!(one.abs_diff(other) <= 3, "{what}: {one} and {other}");
}

#[test]
fn what_the_push_component_counts_is_what_the_gateway_counts() {
    let place = Place::of(&format!("{WORKLOAD}{GATES}"));
    let run = place.result(&[], DONE);
    for cell in run["cells"].as_array().unwrap() {
        let is_plain = cell["variant"] == "plain";
        let most = if is_plain { 6 } else { 1 };
        let seen = books(cell);
        assert!(seen.enqueued > 500, "{}", seen.enqueued);
        assert_eq!((seen.delivered, seen.dropped, seen.unknown), (seen.enqueued, 0, 0));
        assert_eq!(count(&cell["notifications"], "/answers/204"), seen.delivered);
        for phase in phases(cell) {
            let push = &phase["connections"]["push"];
            assert!(count(push, "/open_max") <= most, "{push}");
            assert!(count(push, "/gateway/open_max") <= most, "{push}");
            assert_eq!(push["refused"], 0, "{push}");
            assert!(
                push["request_us"].as_f64().unwrap() >= 5_000.0,
                "the service time: {push}"
            );
        }
        assert_about(
            sum(cell, "/connections/push/opened"),
            sum(cell, "/connections/push/gateway/accepted"),
            "connections",
        );
        assert_about(
            sum(cell, "/connections/push/requests"),
            sum(cell, "/connections/push/gateway/requests"),
            "requests",
        );
        let spike = phases(cell).last().unwrap();
        assert_eq!(has_tls(cell), !is_plain);
        assert!(spike["resources"]["gateway"]["rss_max_bytes"].as_u64().unwrap() > 0);
        assert_axis(cell);
    }
    let logs = walk(&place.out());
    assert_eq!(logs.iter().filter(|file| file.ends_with("gateway.log")).count(), 2);
    let markdown = std::fs::read_to_string(support::run_directory(&place.out()).join("report.md")).unwrap();
    for table in [
        "## Connections",
        "| push component |",
        "| databases |",
        "## Notifications",
    ] {
        assert!(markdown.contains(table), "{table}: {markdown}");
    }
    place.assert_nothing_left();
}

/// Whether any connection of the push component was encrypted.
fn has_tls(cell: &Json) -> bool {
    let mut all = phases(cell).iter();
    all.any(|phase| phase["connections"]["push"]["tls_us"].is_number())
}

/// Generator, push component and databases stand second by second on the axis of what was sent.
fn assert_axis(cell: &Json) {
    let axis = &cell["connection_axis"];
    let total = |pointer: &str| -> u64 {
        let list = axis.pointer(pointer).and_then(Json::as_array);
        let list = list.unwrap_or_else(|| panic!("{pointer} of {axis}"));
        list.iter().map(|value| value.as_u64().unwrap_or(0)).sum()
    };
    let offered: u64 = sum(cell, "/operations/send/sent");
    assert_eq!(total("/sent"), offered);
    assert_eq!(total("/client/opened"), sum(cell, "/connections/client/opened"));
    assert_about(
        total("/push/opened"),
        sum(cell, "/connections/push/opened"),
        "push axis",
    );
    assert!(total("/push/requests") >= sum(cell, "/connections/push/requests").saturating_sub(3));
    assert!(
        total("/database/requests") > 0 && total("/database/open_max") > 0,
        "{axis}"
    );
}

#[test]
fn every_fault_of_the_gateway_is_felt_and_no_notification_vanishes() {
    let faults = "
faults:
  - {phase: spike, after: 1s, for: 1s, inject: kill_gateway}
  - {phase: spike, after: 4s, for: 1500ms, inject: pause_gateway}
  - {phase: spike, after: 7s, for: 1s, inject: cut_gateway}
";
    let workload = WORKLOAD.replace("spike_hold: 3s", "spike_hold: 10s");
    let place = Place::of(&format!("{workload}{faults}"));
    let run = place.result(&["--variant", "plain"], DONE);
    let cell = &run["cells"][0];
    assert_eq!(cell["ended_early"], Json::Null, "no fault is taken for a lost target");
    let seen = books(cell);
    assert!(
        seen.delivered > 300,
        "most of the time the gateway is there: {}",
        seen.delivered
    );
    assert!(seen.dropped > 0, "nobody listens where it was killed or cut off");
    assert!(seen.unknown > 0, "a gateway that stands still does not answer");
    let failed = &cell["notifications"]["roles"]["message"]["dropped"]["failed"];
    assert!(failed.as_u64().unwrap() > 0, "{cell}");
    for (fault, kind) in cell["faults"].as_array().unwrap().iter().zip(["kill", "pause", "cut"]) {
        assert_eq!(fault["kind"], format!("{kind}_gateway"));
        assert_eq!(
            (&fault["target"], &fault["problem"]),
            (&Json::from("gateway"), &Json::Null)
        );
        assert!(fault["end_s"].as_f64() > fault["start_s"].as_f64(), "{fault}");
    }
    // It was started again, and observed under its new id.
    let observed = walk(&place.out())
        .into_iter()
        .find(|file| file.ends_with("observed.jsonl"));
    let text = std::fs::read_to_string(observed.unwrap()).unwrap();
    let samples = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let pids = samples.filter_map(|sample| sample["processes"]["gateway"]["pid"].as_u64());
    assert_eq!(pids.collect::<std::collections::BTreeSet<u64>>().len(), 2);
    place.assert_nothing_left();
}
