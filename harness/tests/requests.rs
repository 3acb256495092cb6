//! Requests that a workload describes, against a service that counts what it gets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value as Json;
use sha2::Sha256;
use support::{KEY, Server, bmt, run_directory, run_in};

/// A shop: items by number, and orders of those who log in with a token. It counts every request by method and path.
struct Shop {
    server: Server,
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

const TOKENS: [(&str, &str); 3] = [("ann", "t 1"), ("bob", "t\"2"), ("eve", "t3")];

impl Shop {
    fn start() -> Self {
        let seen: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let counts = Arc::clone(&seen);
        let server = Server::answering(move |request, _| {
            let (line, _) = request.split_once(" HTTP/1.1").unwrap();
            *counts.lock().unwrap().entry(line.to_owned()).or_default() += 1;
            let (status, body) = answer(line, request);
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        });
        Self { server, seen }
    }

    fn seen(&self, begins: &str) -> u64 {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|(line, _)| line.starts_with(begins))
            .map(|(_, count)| count)
            .sum()
    }
}

fn answer(line: &str, request: &str) -> (&'static str, String) {
    if let Some(id) = line.strip_prefix("GET /items/") {
        // The seventh costs nothing, which is wrong.
        let price = if id == "7" { 0 } else { 3 };
        return ("200 OK", format!("{{\"item\":{{\"price\":{price}}}}}"));
    }
    if line == "GET /gone" {
        return ("404 Not Found", "{}".to_owned());
    }
    if line == "POST /orders" {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let order: Json = serde_json::from_str(body).unwrap();
        let token = head
            .lines()
            .find_map(|line| line.strip_prefix("authorization: Bearer "))
            .unwrap();
        let is_known = TOKENS.contains(&(order["user"].as_str().unwrap(), token));
        let is_signed = order["signed"] == signature(order["key"].as_str().unwrap());
        let is_whole = order["item"].as_u64().is_some_and(|item| (1..=9).contains(&item));
        return match is_known && is_signed && is_whole && head.contains("content-type: application/json") {
            true => ("201 Created", "{}".to_owned()),
            false => ("400 Bad Request", "{}".to_owned()),
        };
    }
    ("500 Internal Server Error", String::new())
}

fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SHOP: &str = r#"
name: shop
question: Does every request arrive as it was meant?
profile: {kind: constant, target: 200/s, hold: 3s}
generator: {timeout: 5s}
data:
  id: {range: 1..9, pick: random}
  users: {csv: users.csv}
traffic:
  browse:
    request: {get: "/items/{{id}}"}
    check: {status: 200, body: {json: /item/price, above: 0}}
    share: 0.7
  order:
    request:
      post: /orders
      headers: {Authorization: "Bearer {{users.token}}"}
      json: {item: "{{id}}", user: "{{users.name}}", key: "{{uuid}}", signed: "{{hmac_sha256(env.BMT_TEST_KEY, uuid)}}"}
    check: {status: 201}
    share: 0.2
  gone:
    request: {get: /gone}
    check: {status: [404, 410]}
    share: 0.1
variants: [{name: only}]
gates:
  - {metric: error_share, operation: order, at_most: 0%}
  - {metric: error_share, operation: gone, at_most: 0%}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = TOKENS.map(|(name, token)| format!("{name},\"{}\"\n", token.replace('"', "\"\"")));
    std::fs::write(
        folder.path().join("users.csv"),
        format!("name,token\n{}", rows.concat()),
    )
    .unwrap();
    folder
}

#[test]
fn what_the_service_counted_is_what_is_reported() {
    let shop = Shop::start();
    let folder = folder();
    let (run, code) = run_in(folder.path(), SHOP, &shop.server.url(), &[]);
    assert_eq!(code, 0, "{}", run["reasons"]);
    let of = |operation: &str| &run["cells"][0]["phases"][0]["operations"][operation];
    let count = |operation: &str, outcome: &str| of(operation)["outcomes"][outcome].as_u64().unwrap_or(0);
    for (operation, line) in [
        ("browse", "GET /items/"),
        ("order", "POST /orders"),
        ("gone", "GET /gone"),
    ] {
        let sent = of(operation)["sent"].as_u64().unwrap();
        assert!(sent > 20, "{operation}: {sent}");
        assert_eq!(shop.seen(line), sent, "{operation}");
    }
    assert_eq!(count("browse", "wrong_answer"), shop.seen("GET /items/7"));
    assert!(shop.seen("GET /items/7") > 10, "a ninth of all");
    assert_eq!(
        count("browse", "ok") + count("browse", "wrong_answer"),
        shop.seen("GET /items/")
    );
    assert_eq!(count("order", "ok"), shop.seen("POST /orders"));
    assert_eq!(
        count("gone", "ok"),
        shop.seen("GET /gone"),
        "a failure that was asked for is a success"
    );
    assert_eq!(
        shop.seen(""),
        ["browse", "order", "gone"]
            .iter()
            .map(|operation| of(operation)["sent"].as_u64().unwrap())
            .sum::<u64>()
    );
    let mut waiting = vec![run_directory(folder.path())];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            let text = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(KEY), "{}", path.display());
        }
    }
    assert!(files > 3, "{files}");
}

#[test]
fn check_shows_the_requests_that_a_run_would_send() {
    let folder = folder();
    let file = folder.path().join("workload.yaml");
    std::fs::write(&file, SHOP).unwrap();
    let shown = || {
        let output = bmt(&["check", file.to_str().unwrap(), "--show", "30"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = shown();
    assert!(first.contains("  GET /items/"), "{first}");
    assert!(first.contains("  authorization: Bearer t 1"), "{first}");
    assert!(first.contains("\"user\":\"ann\",\"key\":\""), "{first}");
    assert!(first.contains(",\"signed\":\"***\"}"), "{first}");
    assert_eq!(first.matches("  host: TARGET\n").count(), 30, "{first}");
    assert_eq!(first, shown(), "the same seed asks for the same");
}

/// What is changed in the shop's workload, into what, and what is told of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "{{id}}\"}\n",
        "{{idd}}\"}\n",
        "traffic.browse.request.get: there is no value `idd`",
    ),
    ("{{users.token}}", "{{users.tokn}}", "did you mean `token`?"),
    ("users.csv", "missing.csv", "data.users.csv: cannot read `missing.csv`"),
    (
        "users.csv",
        "bad.csv",
        "line 2: has 1 cells where the first line names 2 columns",
    ),
    (
        "users.csv",
        "/etc/passwd",
        "allowed: a file in it or below it; any other with --allow-files",
    ),
    ("1..9", "9..1", "data.id.range: cannot read `9..1`"),
    ("random", "rndom", "data.id.pick: cannot read `rndom`"),
    (
        "random",
        "once",
        "data.id.pick: `browse` and `order` would both begin with the first row",
    ),
    (
        "{csv: users.csv}",
        "{csv: users.csv, pick: once}",
        "requests in a cell, and there are 3 rows",
    ),
    (
        "env.BMT_TEST_KEY",
        "env.BMT_NO_KEY",
        "there is no `BMT_NO_KEY` in the environment",
    ),
    (
        "post: /orders",
        "post: orders",
        "traffic.order.request.post: `orders` is not a path",
    ),
    (
        "post: /orders",
        "post: /orders\n      put: /x",
        "it is `post` as well as `put`",
    ),
    ("Authorization:", "Host:", "`Host` is what bmt says itself"),
    ("status: 201", "status: 99", "no answer ends with status 99"),
    ("json: /item/price", "json: item", "`item` is not a pointer into JSON"),
    (
        "Bearer {{users.token}}",
        "Bearer {{users.token",
        "cannot be read as a template, from its character 21 on",
    ),
    (
        "json: {item",
        "form: {a: b}\n      json: {item",
        "it has more than one body",
    ),
    (
        "request: {get: /gone}\n",
        "operation: count\n",
        "traffic.gone.chats: the operation is done to a chat",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_before_anything_is_sent() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.csv"), "a,b\n1\n").unwrap();
    let shop = Shop::start();
    for (from, to, told) in MISTAKES {
        let text = SHOP.replace(from, to);
        assert_ne!(text, SHOP, "{from}");
        let file = folder.path().join("workload.yaml");
        std::fs::write(&file, text).unwrap();
        let output = bmt(&["run", file.to_str().unwrap(), "--target", &shop.server.url()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{to}: {said}");
        assert!(said.contains(told), "{to}: {said}");
        assert!(said.contains("workload.yaml:"), "{to}: {said}");
    }
    assert_eq!(shop.seen(""), 0);
}
