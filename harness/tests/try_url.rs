//! `bmt try` against servers that count what they get.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use support::{Server, alone, bmt, json};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a command came to.
struct Said {
    code: i32,
    out: String,
    error: String,
}

fn said(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = bmt(arguments);
    let output = command.current_dir(folder).env("COLUMNS", "1000").output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

fn tried_json(folder: &Path, arguments: &[&str]) -> (Json, i32) {
    let output = bmt(&[&["try"], arguments, &["--format", "json"]].concat())
        .current_dir(folder)
        .output()
        .unwrap();
    (json(&output), output.status.code().unwrap())
}

/// Requests by their first line.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// A server that counts requests, and keeps the last of them.
fn counting() -> (Server, Counts, Arc<Mutex<String>>) {
    let seen = Counts::default();
    let last: Arc<Mutex<String>> = Arc::default();
    let (counts, kept) = (Arc::clone(&seen), Arc::clone(&last));
    let server = Server::answering(move |request, _| {
        let line = request.split(" HTTP/1.1").next().unwrap().to_owned();
        *counts.lock().unwrap().entry(line).or_default() += 1;
        request.clone_into(&mut kept.lock().unwrap());
        OK.to_owned()
    });
    (server, seen, last)
}

fn sent(run: &Json) -> u64 {
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    let sent = phases
        .iter()
        .map(|phase| phase["operations"]["request"]["sent"].as_u64().unwrap());
    sent.sum()
}

/// Whether the run says that this machine was too busy for it to decide anything.
fn is_disturbed(reasons: &str) -> bool {
    [
        "lateness",
        "others used",
        "steal",
        "could be sent",
        "a generator worker",
    ]
    .iter()
    .any(|why| reasons.contains(why))
}

#[test]
fn what_is_reported_is_what_the_server_counted_and_the_saved_workload_asks_for_the_same() {
    let _alone = alone();
    let (server, seen, last) = counting();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/orders?a=1#part", server.url());
    let arguments = [
        url.as_str(),
        "--for",
        "1s",
        "--rate",
        "200/s",
        "--header",
        "X-Key: {{env.BMT_TEST_KEY}}",
        "--body",
        "{\"item\": 7}",
        "--save",
        "mine.yaml",
    ];
    let (run, code) = tried_json(folder.path(), &arguments);
    // 200 answers are too few for a p99.
    let reasons = run["reasons"].to_string();
    let is_undecided = code == 122 && reasons.contains("too few");
    assert!(is_undecided || is_disturbed(&reasons), "{code}: {reasons}");
    let counted = seen.lock().unwrap().clone();
    assert_eq!(counted, BTreeMap::from([("POST /orders?a=1".to_owned(), sent(&run))]));
    let request = last.lock().unwrap().to_ascii_lowercase();
    for part in [
        "\r\nx-key: swordfish-7031\r\n",
        "\r\ncontent-type: application/json\r\n",
        "\r\n\r\n{\"item\": 7}",
    ] {
        assert!(request.contains(part), "{request}");
    }
    let scheduled = |phase: usize| run["cells"][0]["phases"][phase]["operations"]["request"]["scheduled"].as_u64();
    assert_eq!(run["cells"][0]["phases"].as_array().unwrap().len(), 6);
    assert!(
        scheduled(5).unwrap() > 5 * scheduled(4).unwrap(),
        "the jump against everyday load"
    );

    let checked = said(folder.path(), &["check", "mine.yaml", "--show", "1"]);
    assert_eq!(checked.code, 0, "{}", checked.error);
    assert!(checked.out.contains("POST /orders?a=1"), "{}", checked.out);
    seen.lock().unwrap().clear();
    let output = bmt(&["run", "mine.yaml", "--format", "json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let again = json(&output);
    assert_eq!(sent(&again), sent(&run), "the same seed");
    assert_eq!(seen.lock().unwrap().values().sum::<u64>(), sent(&again));

    std::fs::write(folder.path().join("mine.yaml"), "name: else\n").unwrap();
    let refused = said(folder.path(), &[&["try"], &arguments[..]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.error.contains("name another file"), "{}", refused.error);
}

/// Requests in this second and in the one before, and until when the server is slow.
#[derive(Default)]
struct Pace {
    second: u64,
    now: u64,
    before: u64,
    slow_until: Duration,
}

impl Pace {
    /// How long the request takes: where three times as many come in a second as in the one before, everything takes
    /// long for two seconds, as with a cold cache.
    fn takes(&mut self, since: Duration) -> Duration {
        if since.as_secs() > self.second {
            self.before = if since.as_secs() == self.second + 1 {
                self.now
            } else {
                0
            };
            (self.second, self.now) = (since.as_secs(), 0);
        }
        self.now += 1;
        if self.second > 0 && self.now > 3 * self.before.max(10) {
            self.slow_until = since + Duration::from_secs(2);
        }
        Duration::from_millis(if since < self.slow_until { 100 } else { 5 })
    }
}

#[test]
fn a_server_that_a_jump_slows_down_does_worse_in_the_jump_than_in_the_ramp() {
    let _alone = alone();
    let pace = Mutex::new(Pace::default());
    let server = Server::start(move |since| {
        let takes = pace.lock().unwrap().takes(since);
        std::thread::sleep(takes);
    });
    let folder = tempfile::tempdir().unwrap();
    let tried = said(
        folder.path(),
        &[
            "try",
            &server.url(),
            "--rate",
            "300/s",
            "--for",
            "4s",
            "--connections",
            "2000",
        ],
    );
    let told = format!("{}\n{}", tried.out, tried.error);
    assert!(tried.out.contains("The jump's p99 is "), "{told}");
    assert!(tried.out.contains("The jump opened "), "{told}");
    let is_failure = tried.code == 99 && tried.out.contains("FAILED: The jump's p99 is ");
    assert!(is_failure || is_disturbed(&tried.out), "{}: {told}", tried.code);
    let (_, ratio) = tried.out.split_once("p99 is ").unwrap();
    let ratio: f64 = ratio.split(' ').next().unwrap().parse().unwrap();
    assert!(ratio > 2.0, "{told}");
    for row in [
        "everyday",
        "offered /s",
        "p99 ms",
        "connections open at once",
        "handshake p99 ms",
    ] {
        assert!(tried.out.contains(row), "{row}: {told}");
    }
    assert!(tried.out.contains("--connections 2000 --save mine.yaml"), "{told}");
}

#[test]
fn more_than_one_request_in_a_hundred_that_fails_is_a_failure() {
    let _alone = alone();
    let requests = AtomicU64::new(0);
    let server = Server::answering(move |_, _| {
        let is_bad = requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(10);
        let status = if is_bad { "500 Oops" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
    });
    let folder = tempfile::tempdir().unwrap();
    let tried = said(folder.path(), &["try", &server.url(), "--rate", "300/s", "--for", "1s"]);
    let told = format!("{}\n{}", tried.out, tried.error);
    assert!(tried.out.contains("were answered with another 5xx"), "{told}");
    assert!(tried.code == 99 || is_disturbed(&tried.out), "{}: {told}", tried.code);
}

#[test]
fn a_file_is_sent_as_it_is_wherever_it_lies() {
    let _alone = alone();
    let (server, seen, last) = counting();
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let body = elsewhere.path().join("body.txt");
    std::fs::write(&body, "{{not a value}}").unwrap();
    let body = format!("@{}", body.display());
    let (run, _) = tried_json(
        folder.path(),
        &[
            &server.url(),
            "--for",
            "1s",
            "--rate",
            "20/s",
            "--method",
            "put",
            "--body",
            &body,
        ],
    );
    assert_eq!(seen.lock().unwrap().get("PUT /").copied(), Some(sent(&run)));
    assert!(last.lock().unwrap().ends_with("\r\n\r\n{{not a value}}"));
}

#[test]
fn a_signal_ends_it_with_what_was_measured() {
    let _alone = alone();
    let (server, _, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let mut child = bmt(&["try", &server.url(), "--rate", "100/s", "--for", "30s"])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(5));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    let mut out = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut out).unwrap();
    assert_eq!(status.code(), Some(105), "{out}");
    assert!(out.contains("INTERRUPTED"), "{out}");
}
