//! What is wrong with a session is told with its place, before anything is sent.

mod support;

use support::bmt;
use support::shop::{SHOP, Service, folder};

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
        "needs either `operation`, `request`, `steps` or `websocket`",
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
        "\"Bearer {{sid}}\", accept-encoding: br}",
        "traffic.order.steps.3.headers.accept-encoding: an answer whose body is looked at cannot be decoded from `br`",
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
