//! Sessions against a service in Python's standard library that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use serde_json::Value as Json;
use support::shop::{SHOP, Service, folder};
use support::{bmt, run_in};

/// What a run reports of its only cell.
struct Reported(Json);

impl Reported {
    fn phases(&self) -> &[Json] {
        self.0["cells"][0]["phases"].as_array().unwrap()
    }

    /// Over all phases.
    fn sum(&self, count: impl Fn(&Json) -> &Json) -> u64 {
        self.phases()
            .iter()
            .map(|phase| count(phase).as_u64().unwrap_or(0))
            .sum()
    }

    fn sent(&self, operation: &str) -> u64 {
        self.sum(|phase| &phase["operations"][operation]["sent"])
    }

    fn count(&self, operation: &str, outcome: &str) -> u64 {
        self.sum(|phase| &phase["operations"][operation]["outcomes"][outcome])
    }

    fn sessions(&self, operation: &str, key: &str) -> u64 {
        self.sum(|phase| &phase["operations"][operation]["sessions"][key])
    }

    fn ended_at(&self, operation: &str, step: &str) -> u64 {
        self.sum(|phase| &phase["operations"][operation]["sessions"]["ended_at"][step])
    }

    /// Every session has one end, in each phase.
    fn assert_ends(&self, operation: &str, first_step: &str) {
        for phase in self.phases() {
            let of = |name: &str| &phase["operations"][name];
            let sessions = &of(operation)["sessions"];
            let count = |key: &str| sessions[key].as_u64().unwrap();
            let ended = sessions["ended_at"].as_object().unwrap().values();
            let ended: u64 = ended.map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(
                count("started"),
                count("completed") + ended + count("cut_off"),
                "{sessions}"
            );
            assert_eq!(
                count("started"),
                of(&format!("{operation}.{first_step}"))["scheduled"].as_u64().unwrap()
            );
            assert_eq!(count("started"), of(operation)["scheduled"].as_u64().unwrap());
        }
    }
}

/// Whether other programs on this machine kept the gates from being judged; what was counted is right all the same.
fn is_disturbed(run: &Json) -> bool {
    let mut reasons = run["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason.as_str().unwrap());
    reasons.all(|reason| reason.starts_with("inconclusive: ") && reason.contains(": others used "))
}

#[test]
fn what_the_service_counted_is_what_is_reported() {
    let service = Service::start();
    let folder = folder();
    let (run, code) = run_in(folder.path(), SHOP, &service.url(), &[]);
    assert!(code == 0 || is_disturbed(&run), "{code}: {}", run["reasons"]);
    let (counts, run) = (service.counts(), Reported(run));
    let logins = counts.of("POST /login 200") + counts.of("POST /login 401");
    assert!(logins > 100, "{}", counts.0);
    assert_eq!(run.sessions("order", "started"), logins);
    assert_eq!(run.sent("order.login"), logins);
    assert_eq!(run.count("order.login", "client_error"), counts.of("POST /login 401"));
    let went_on = run.count("order.login", "ok");
    assert_eq!(
        went_on + run.count("order.login", "wrong_answer"),
        counts.of("POST /login 200")
    );
    assert_eq!(run.sent("order.form"), went_on);
    assert_eq!(run.count("order.form", "ok"), counts.of("GET /form 200"));
    assert_eq!(
        run.sent("order.order"),
        counts.of("GET /form 200"),
        "a captured value is in no path but its own"
    );
    assert_eq!(run.count("order.order", "ok"), counts.of("POST /orders 201"));
    assert_eq!(run.count("order.order", "client_error"), counts.of("POST /orders 401"));
    assert_eq!(
        counts.of("POST /orders 201") + counts.of("POST /orders 401"),
        run.sent("order.order")
    );
    assert_eq!(run.sessions("order", "completed"), counts.of("POST /orders 201"));
    assert_eq!(run.count("order", "ok"), counts.of("POST /orders 201"));
    assert_eq!(run.ended_at("order", "order"), counts.of("POST /orders 401"));
    assert_eq!(run.ended_at("order", "login"), logins - went_on);
    assert_eq!(
        (run.ended_at("order", "form"), run.sessions("order", "cut_off")),
        (0, 0)
    );
    // Users come in turn, so each kind is a fifth of all but for the last round.
    for (what, count) in [
        ("not let in", run.count("order.login", "client_error")),
        ("given nothing", run.count("order.login", "wrong_answer")),
        ("may not order", run.count("order.order", "client_error")),
    ] {
        assert!(count.abs_diff(logins / 5) <= 1, "{what}: {count} of {logins}");
    }
    assert_eq!(run.count("browse", "ok"), run.sent("browse"));
    let sent = ["browse", "order.login", "order.form", "order.order"].map(|operation| run.sent(operation));
    assert_eq!(sent.iter().sum::<u64>(), counts.all());
    run.assert_ends("order", "login");
    let settle = &run.phases()[1];
    let length_s = settle["end_s"].as_f64().unwrap() - settle["start_s"].as_f64().unwrap();
    assert!((length_s - 2.1).abs() < 1e-6, "the pauses and a time-out: {length_s}");
    // A whole session is longer than its pauses, and no step is.
    let p50 = |operation: &str| {
        run.phases()[0]["operations"][operation]["response_us"]["ok"]["p50"]
            .as_u64()
            .unwrap()
    };
    assert!(
        p50("order") >= 100_000 && p50("order.login") < 100_000,
        "{} {}",
        p50("order"),
        p50("order.login")
    );
}

const SLOW: &str = r"
name: slow
question: What becomes of those who are still there at the end?
profile: {kind: constant, target: 40/s, hold: 3s}
generator: {timeout: 1500ms}
traffic:
  visit:
    share: 1
    cookies: false
    steps:
      - {name: first, get: /slow}
      - {name: second, get: /slow}
      - {name: third, get: /slow}
      - {name: fourth, get: /slow}
variants: [{name: only}]
";

#[test]
fn sessions_that_the_end_of_the_run_cuts_off_are_counted() {
    let service = Service::start();
    let folder = folder();
    let (run, _) = run_in(folder.path(), SLOW, &service.url(), &[]);
    let (counts, run) = (service.counts(), Reported(run));
    run.assert_ends("visit", "first");
    let steps = ["visit.first", "visit.second", "visit.third", "visit.fourth"];
    assert_eq!(
        steps.iter().map(|step| run.sent(step)).sum::<u64>(),
        counts.of("GET /slow 200")
    );
    for step in steps {
        assert_eq!(
            run.count(step, "ok"),
            run.sent(step),
            "{step}: each was answered in time"
        );
    }
    assert_eq!(run.sessions("visit", "completed"), run.count("visit.fourth", "ok"));
    // The fourth step is due 2.4 s after the first; nothing more begins 1.5 s after the profile.
    let cut_off = run.sessions("visit", "cut_off");
    assert!(cut_off > 10, "{cut_off}");
    assert_eq!(
        run.sessions("visit", "started"),
        run.sessions("visit", "completed") + cut_off
    );
    let offered = run.phases()[1]["operations"]["visit.first"]["scheduled"]
        .as_u64()
        .unwrap();
    assert_eq!(
        (run.phases()[1]["name"].as_str(), offered),
        (Some("settle"), 0),
        "nothing new begins"
    );
}

/// What the shop's workload has besides: a slow route, and a WebSocket.
const MORE: &str = r#"
  slow: {request: {get: /slow}, rate: 10/s}
  watch: {websocket: "/live?room={{id}}", hold: 20, connect: 100/s, send: {every: 1s, text: "ping"}, answer: {within: 2s, json: /seq}}
variants:"#;

#[test]
fn a_service_with_sessions_a_slow_route_and_a_websocket_counted_the_same() {
    let service = Service::start();
    let folder = folder();
    let workload = SHOP
        .replace("hold: 3s}", "hold: 3s, warm_up: 1s}")
        .replacen("\nvariants:", MORE, 1);
    let (run, code) = run_in(folder.path(), &workload, &service.url(), &[]);
    assert!(code == 0 || is_disturbed(&run), "{code}: {}", run["reasons"]);
    let (counts, run) = (service.counts(), Reported(run));
    for (operation, counted) in [
        ("browse", vec![]),
        ("slow", vec!["GET /slow 200"]),
        ("order.login", vec!["POST /login 200", "POST /login 401"]),
        ("order.form", vec!["GET /form 200"]),
        ("order.order", vec!["POST /orders 201", "POST /orders 401"]),
        ("watch", vec!["text heard"]),
    ] {
        let counted: u64 = match operation {
            "browse" => (1..=9).map(|id| counts.of(&format!("GET /items/{id} 200"))).sum(),
            _ => counted.into_iter().map(|what| counts.of(what)).sum(),
        };
        assert!(counted > 20, "{operation}: {counted}");
        assert_eq!(run.sent(operation), counted, "{operation}");
    }
    assert_eq!(run.count("watch", "ok"), counts.of("text answered"));
    assert_eq!(run.count("slow", "ok"), counts.of("GET /slow 200"));
    let opened = run.sum(|phase| &phase["operations"]["watch"]["websockets"]["opened"]);
    assert_eq!((opened, counts.of("GET /live 101")), (20, 20));
    assert_eq!(run.sessions("order", "completed"), counts.of("POST /orders 201"));
    run.assert_ends("order", "login");
    let p50 = &run.phases()[1]["operations"]["slow"]["response_us"]["ok"]["p50"];
    assert!(p50.as_u64().unwrap() >= 800_000, "{p50}");
}

#[test]
fn check_shows_the_steps_of_a_session() {
    let folder = folder();
    let file = folder.path().join("workload.yaml");
    std::fs::write(
        &file,
        SHOP.replace("share: 0.5", "rate: 9/s")
            .replacen("rate: 9/s", "share: 1", 1),
    )
    .unwrap();
    let output = bmt(&["check", file.to_str().unwrap(), "--show", "30"])
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, session) = shown.split_once("  order\n").unwrap();
    for line in [
        "  -- login\n  POST /login HTTP/1.1\n",
        "{\"user\":\"ann\",\"key\":\"",
        "  -- form, 100ms after the answer before it\n  GET /form?of=<token> HTTP/1.1\n",
        "  authorization: Bearer <sid>\n",
        "  -- order\n  POST /orders HTTP/1.1\n",
        "\"csrf\":<csrf>,\"cart\":<cart>}\n",
    ] {
        assert!(session.contains(line), "{line}: {shown}");
    }
}
