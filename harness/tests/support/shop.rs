//! A shop in Python's standard library that counts what it is asked, and a workload of sessions for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

/// The service; it ends with its standard input, and so with the test.
pub(crate) struct Service {
    process: Child,
    port: u16,
}

impl Service {
    pub(crate) fn start() -> Self {
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

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked, by `METHOD /path STATUS`.
    pub(crate) fn counts(&self) -> Counts {
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

pub(crate) struct Counts(pub(crate) Json);

impl Counts {
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0[what].as_u64().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> u64 {
        self.0
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum()
    }
}

/// What it is asked: single requests, and sessions of users who log in.
pub(crate) const SHOP: &str = r#"
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

/// A folder with the users.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), USERS).unwrap();
    folder
}
