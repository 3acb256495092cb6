//! `bmt init`: first workloads, and that `bmt check` takes them and a server answers them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use support::{Server, bmt, run_in};

/// What a command printed, and how it exited.
fn said(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = bmt(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn log(folder: &Path) -> String {
    let mut log = String::new();
    for second in 0..1800 {
        let (minute, of_minute) = (second / 60, second % 60);
        // Ids far from one another: a range would ask for what does not exist.
        let id = 1000 + second % 25 * 977;
        let _ = writeln!(
            log,
            "10.0.0.1 - - [01/May/2026:20:{minute:02}:{of_minute:02} +0000] \"GET /items/{id} HTTP/1.1\" 200 5 \"-\" \"-\"\n\
             10.0.0.1 - - [01/May/2026:20:{minute:02}:{of_minute:02} +0000] \"GET /search?q=tea HTTP/1.1\" 200 5 \"-\" \"-\""
        );
    }
    let file = folder.join("access.log");
    std::fs::write(&file, log).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_draft_of_a_log_asks_a_server_for_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (log(folder.path()), folder.path().join("shop.yaml"));
    let out = out.to_str().unwrap();
    let (code, told, errors) = said(&["init", "--access-log", &log, "--out", out]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let csv = folder.path().join("shop-item_id.csv");
    assert_eq!(
        told,
        format!(
            "{out}: 2 requests, 3 places to fill in\n{}: 25 values\nnext: bmt check {out} --show 5\n",
            csv.display()
        )
    );
    let (code, shown, errors) = said(&["check", out, "--show", "20"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        shown.contains("  GET /items/1") && shown.contains("  GET /search?q=tea HTTP/1.1"),
        "{shown}"
    );

    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let ids = Arc::clone(&seen);
    let server = Server::answering(move |request, _| {
        if let Some(rest) = request.strip_prefix("GET /items/") {
            ids.lock()
                .unwrap()
                .push(rest.split(' ').next().unwrap().parse().unwrap());
        }
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
    });
    let text = std::fs::read_to_string(out).unwrap();
    let profile = "profile={kind: constant, target: 100/s, hold: 1s}";
    let more = ["--set", profile, "--set", "gates=[]", "--set", "repetitions=1"];
    let (text, _) = text.split_once("\nquick:").unwrap();
    let (run, code) = run_in(folder.path(), text, &server.url(), &more);
    assert_eq!(code, 0, "{}", run["reasons"]);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 20, "{seen:?}");
    assert!(seen.iter().all(|id| (id - 1000) % 977 == 0), "{seen:?}");
}

#[test]
fn nothing_is_written_over_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let out = folder.path().join("shop.yaml");
    let arguments = ["init", "--access-log", &log, "--out", out.to_str().unwrap()];
    let csv = folder.path().join("shop-item_id.csv");
    std::fs::write(&csv, "mine").unwrap();
    let (code, _, errors) = said(&arguments);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("shop-item_id.csv") && errors.contains("--force writes over it"),
        "{errors}"
    );
    assert!(!out.exists());
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
    let (code, _, errors) = said(&[&arguments[..], &["--force"]].concat());
    assert_eq!(code, Some(0), "{errors}");
    assert!(std::fs::read_to_string(&csv).unwrap().starts_with("value\n"));
    assert_eq!(said(&arguments).0, Some(2));
}

#[test]
fn what_is_printed_is_a_valid_workload_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let command =
        "curl -u ann:s3cr3t 'http://127.0.0.1:8080/orders?page=2' -H 'cookie: sid=s3cr3t' --json '{\"item\": 1}'";
    let (code, text, errors) = said(&["init", "--curl", command, "--name", "orders"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(
        text.contains("bmt run orders.yaml --target http://127.0.0.1:8080\n"),
        "{text}"
    );
    let file = folder.path().join("orders.yaml");
    std::fs::write(&file, text).unwrap();
    let (code, shown, errors) = said(&["check", file.to_str().unwrap(), "--show", "1"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        shown.contains("  POST /orders?page=2 HTTP/1.1") && shown.contains("{\"item\":1}"),
        "{shown}"
    );
}

#[test]
fn every_mistake_says_where_it_is_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (log, har) = (file("bad.log", "\nno log\n"), file("bad.har", "{\n]"));
    for (arguments, told) in [
        (
            &["init"][..],
            "<--har <FILE>|--access-log <FILE>|--openapi <FILE>|--curl <COMMAND>>",
        ),
        (&["init", "--har", "a", "--curl", "b"], "cannot be used with"),
        (&["init", "--curl", "curl http://h/", "--force"], "--out <FILE>"),
        (&["init", "--har", "/none"], "cannot read /none: No such file"),
        (
            &["init", "--access-log", &log],
            "bad.log:2: no line is a request; expected the common or combined format",
        ),
        (&["init", "--har", &har], "bad.har:2: is no HAR"),
        (
            &["init", "--curl", "curl -F a=b http://h/"],
            "--curl: the option -F of curl is not understood",
        ),
        (
            &["init", "--curl", "curl http://h/", "--name", "My name"],
            "`My name` cannot be a workload's name",
        ),
        (
            &["init", "--curl", "curl http://h/", "--out", "/none/a.yaml"],
            "cannot write /none/a.yaml",
        ),
    ] {
        let (code, printed, errors) = said(arguments);
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.contains(told), "{arguments:?}: {errors}");
    }
}
