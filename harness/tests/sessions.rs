//! Sessions against a service in Python's standard library that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use support::{bmt, run_in};

/// The service; it ends with its standard input, and so with the test.
struct Service {
    process: Child,
    port: u16,
}

impl Service {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service.py");
        let mut process = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3: {error}; run ci/setup"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            port: line.trim().parse().unwrap(),
            process,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked, by `METHOD /path STATUS`.
    fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .write_all(b"GET /counts HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        Counts(serde_json::from_str(body).unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Counts(Json);

impl Counts {
    fn of(&self, what: &str) -> u64 {
        self.0[what].as_u64().unwrap_or(0)
    }

    fn all(&self) -> u64 {
        self.0
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum()
    }
}

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

const SHOP: &str = r#"
name: shop
question: Does every step arrive as it was meant?
profile: {kind: constant, target: 120/s, hold: 3s}
generator: {timeout: 2s, workers: 2}
data:
  id: {range: 1..9, pick: random}
  users: {csv: users.csv}
traffic:
  browse:
    request: {get: "/items/{{id}}"}
    check: {body: {json: /price, equals: 3}, size: {at_least: 5, at_most: 50}}
    share: 0.5
  order:
    share: 0.5
    steps:
      - name: login
        post: /login
        json: {user: "{{users.name}}", key: "{{uuid}}"}
        capture: {token: {json: /token}, cart: {json: /cart}, sid: {cookie: sid}}
      - {think: 80ms}
      - {think: 20ms}
      - name: form
        get: /form?of={{token}}
        headers: {authorization: "Bearer {{sid}}"}
        check: {header: {name: Content-Type, equals: text/html}}
        capture: {csrf: {regex: 'name="csrf" value="([^"]*)"'}}
      - name: order
        post: /orders
        headers: {authorization: "Bearer {{token}}"}
        json: {user: "{{users.name}}", key: "{{uuid}}", csrf: "{{csrf}}", cart: "{{cart}}"}
        check: {status: 201, header: {name: location, contains: /orders/}}
variants: [{name: only}]
gates:
  - {metric: error_share, operation: order.form, at_most: 0%}
  - {metric: error_share, operation: order.order, at_most: 40%}
  - {metric: error_share, operation: order, at_most: 65%}
  - {metric: response_p50, operation: order, at_least: 100ms}
  - {metric: response_p50, operation: order.order, at_most: 90ms}
"#;

/// Of five in turn one is not let in, one is given no token, and one may not order.
const USERS: &str = "name\nann\nbob\nlocked\nlost\nbanned\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), USERS).unwrap();
    folder
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

/// What is changed in the shop's workload, into what, and what is told of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "of={{token}}",
        "of={{tokn}}",
        "traffic.order.steps.3.get: there is no value `tokn`",
    ),
    (
        "of={{token}}",
        "of={{tokn}}",
        "allowed: id, users, cart, sid, token, uuid, now, env.NAME",
    ),
    ("of={{token}}", "of={{tokn}}", "did you mean `token`?"),
    (
        "of={{token}}",
        "of={{csrf}}",
        "traffic.order.steps.3.get: `csrf` is captured from the answer to `form`, and not known before",
    ),
    (
        "user: \"{{users.name}}\"",
        "user: \"{{token}}\"",
        "`token` is captured from the answer to `login`",
    ),
    (
        "items/{{id}}",
        "items/{{token}}",
        "traffic.browse.request.get: there is no value `token`",
    ),
    (
        "of={{token}}",
        "of={{token.x}}",
        "`token` is captured from an answer and has no columns",
    ),
    (
        "name: form",
        "text: x",
        "traffic.order.steps.3: the request has no name",
    ),
    (
        "name: form",
        "name: log in",
        "traffic.order.steps.3.name: `log in` cannot be the name of a step",
    ),
    (
        "name: form",
        "name: login",
        "traffic.order.steps.3.name: another step is called `login` already",
    ),
    (
        "- {think: 80ms}",
        "- {think: 80ms, get: /x}",
        "traffic.order.steps.1: it is a pause as well as a request",
    ),
    (
        "- {think: 80ms}",
        "- {think: 0s}",
        "traffic.order.steps.1.think: `0s` is no time at all",
    ),
    (
        "- {think: 80ms}",
        "- {}",
        "traffic.order.steps.1: it is not said what the request does",
    ),
    (
        "    steps:\n",
        "    steps:\n      - {think: 1s}\n",
        "traffic.order.steps.0: nothing has been answered yet",
    ),
    (
        "variants:",
        "      - {think: 1s}\nvariants:",
        "traffic.order.steps.5: no request follows this pause",
    ),
    (
        "request: {get: \"/items/{{id}}\"}",
        "steps: [{think: 1s}]",
        "there is no request among the steps",
    ),
    (
        "request: {get: \"/items/{{id}}\"}",
        "steps: []",
        "there is no request among the steps",
    ),
    (
        "request: {get: \"/items/{{id}}\"}",
        "steps: [{name: a, get: /}]",
        "traffic.browse.check: each answer of a session is checked by itself",
    ),
    (
        "    steps:\n",
        "    retry: {}\n    steps:\n",
        "traffic.order.retry: a session ends where a step fails",
    ),
    (
        "    steps:\n",
        "    request: {get: /}\n    steps:\n",
        "needs either `operation`, `request` or `steps`",
    ),
    (
        "    check: {body",
        "    cookies: true\n    check: {body",
        "traffic.browse.cookies: only sessions keep cookies",
    ),
    (
        "sid: {cookie: sid}",
        "sid: {cookie: sid, header: sid}",
        "traffic.order.steps.0.capture.sid: it is not clear where the value is found",
    ),
    (
        "sid: {cookie: sid}",
        "sid: {}",
        "allowed: exactly one of json: POINTER, header: NAME",
    ),
    (
        "sid: {cookie: sid}",
        "sid: {cookie: a b}",
        "`a b` cannot be the name of a cookie",
    ),
    (
        "sid: {cookie: sid}",
        "sid: {header: ''}",
        "`` cannot be the name of a header",
    ),
    ("sid: {cookie: sid}", "sid: {body: x}", "unknown key `body`"),
    (
        "json: /cart",
        "json: cart",
        "traffic.order.steps.0.capture.cart.json: `cart` is not a pointer into JSON",
    ),
    (
        "([^\"]*)",
        "([^\"]*",
        "traffic.order.steps.3.capture.csrf.regex: cannot read",
    ),
    (
        "cart: {json: /cart}",
        "users: {json: /cart}",
        "capture.users: `users` is a source of values in `data` already",
    ),
    (
        "cart: {json: /cart}",
        "uuid: {json: /cart}",
        "capture.uuid: `uuid` cannot be the name of a value",
    ),
    (
        "get: /form",
        "head: /form",
        "traffic.order.steps.3.capture: the answer to a `head` has no body",
    ),
    (
        "\"Bearer {{sid}}\"}",
        "\"Bearer {{sid}}\", accept-encoding: gzip}",
        "traffic.order.steps.3.headers: an answer from whose body something is captured",
    ),
    (
        "status: 201,",
        "within: 1s,",
        "allowed: a gate on the latency: {metric: response_p99",
    ),
    (
        "at_most: 50}",
        "at_most: 4}",
        "traffic.browse.check.size: no body that is checked is of such a size",
    ),
    (
        "{at_least: 5, at_most: 50}",
        "{}",
        "traffic.browse.check.size: the size has no limit",
    ),
    (
        "contains: /orders/",
        "contains: a, equals: b",
        "it is not clear what the header has to be like",
    ),
    (
        "name: location",
        "name: lo cation",
        "`lo cation` cannot be the name of a header",
    ),
    (
        "operation: order.form",
        "operation: order.from",
        "gates.0.operation: there is no traffic entry `order.from`",
    ),
    (
        "operation: order.form",
        "operation: order.from",
        "did you mean `order.form`?",
    ),
    (
        "{metric: error_share, operation: order.form,",
        "{metric: not_done_share, operation: order.form,",
        "the metric is of retries, and callers of the operation do not retry",
    ),
    (
        "browse:",
        "order.form:",
        "there is a traffic entry `order.form`, as this step would be called",
    ),
    (
        "{csv: users.csv}",
        "{csv: users.csv, pick: once}",
        "requests in a cell, and there are 5 rows",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_before_anything_is_sent() {
    let folder = folder();
    let service = Service::start();
    for (from, to, told) in MISTAKES {
        let text = SHOP.replacen(from, to, 1);
        assert_ne!(text, SHOP, "{from}");
        let file = folder.path().join("workload.yaml");
        std::fs::write(&file, text).unwrap();
        let output = bmt(&["run", file.to_str().unwrap(), "--target", &service.url()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{to}: {said}");
        assert!(said.contains(told), "{to}: {said}");
        assert!(said.contains("workload.yaml:"), "{to}: {said}");
        assert!(said.contains("  allowed: "), "{to}: {said}");
    }
    assert_eq!(service.counts().all(), 0);
}
