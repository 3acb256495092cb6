//! WebSocket connections that a workload describes, against a server that counts what comes over them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use support::live::{Live, Manners};
use support::{bmt, run_in, wait_until};

/// What is said: 40 connections, a text of each every half a second.
const WATCH: &str = r#"
name: live
question: Is everything said and answered that is due?
generator: {timeout: 2s, workers: 2}
profile: {kind: constant, target: 0/s, hold: 4s, warm_up: 1s}
data: {id: {range: 1..5}}
traffic:
  watch:
    websocket: "/live?room={{id}}"
    hold: 40
    connect: 100/s
    headers: {x-key: "{{uuid}}"}
    send: {every: 500ms, json: {n: "{{id}}", key: "{{uuid}}"}}
    answer: {within: 1s, json: /seq}
variants: [{name: only}]
"#;

/// What a run reports of `watch` in its only cell.
struct Reported(Json);

impl Reported {
    fn of(run: Json) -> Self {
        let reported = Self(run);
        for watch in reported.phases() {
            let count = |value: &Json| value.as_u64().unwrap_or(0);
            let ended: u64 = watch["outcomes"].as_object().unwrap().values().map(count).sum();
            assert_eq!(
                count(&watch["scheduled"]),
                ended + count(&watch["unsent"]) + count(&watch["cut_off"]),
                "every text has one end: {watch}"
            );
        }
        reported
    }

    fn phases(&self) -> impl Iterator<Item = &Json> {
        let phases = self.0["cells"][0]["phases"].as_array().unwrap();
        phases.iter().map(|phase| &phase["operations"]["watch"])
    }

    /// Over all phases.
    fn sum(&self, pointer: &str) -> u64 {
        let count = |watch: &Json| watch.pointer(pointer).and_then(Json::as_u64).unwrap_or(0);
        self.phases().map(count).sum()
    }

    fn count(&self, outcome: &str) -> u64 {
        self.sum(&format!("/outcomes/{outcome}"))
    }

    fn sockets(&self, key: &str) -> u64 {
        self.sum(&format!("/websockets/{key}"))
    }
}

fn run(workload: &str, url: &str, folder: &Path) -> Reported {
    let (run, code) = run_in(folder, workload, url, &[]);
    assert!(matches!(code, 0 | 99 | 122), "{code}: {}", run["reasons"]);
    Reported::of(run)
}

#[test]
fn what_the_server_counted_is_what_is_reported() {
    let server = Live::start(Manners {
        push_each: 2,
        ..Manners::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let run = run(WATCH, &format!("http://{}", server.address), folder.path());
    let counts = server.counts();
    let scheduled: Vec<u64> = run.phases().map(|watch| watch["scheduled"].as_u64().unwrap()).collect();
    // They are sent once the last connection is due, 0.4 s after the begin, 80 a second.
    assert_eq!(scheduled, [48, 320]);
    assert_eq!((counts.messages, counts.answered), (368, 368));
    assert_eq!(run.count("ok"), 368, "{}", run.0["reasons"]);
    assert_eq!(
        (run.sockets("opened"), run.sockets("reopened"), run.sockets("failed")),
        (counts.opened, 0, 0)
    );
    assert_eq!((counts.opened, counts.open_max), (40, 40));
    let open_max: Vec<u64> = run
        .phases()
        .map(|watch| watch["websockets"]["open_max"].as_u64().unwrap())
        .collect();
    assert_eq!(open_max, [40, 40]);
    assert_eq!(run.sockets("messages"), counts.answered + counts.pushed);
    assert_eq!((run.sockets("pushes"), run.sockets("late")), (counts.pushed, 0));
    assert_eq!(run.sockets("bytes"), counts.bytes);
    // Rooms in turn, by the number of the connection; a key for each.
    let rooms: Vec<(&str, u64)> = counts
        .paths
        .iter()
        .map(|(path, count)| (path.as_str(), *count))
        .collect();
    let expected = [1, 2, 3, 4, 5].map(|room| format!("/live?room={room}"));
    assert_eq!(rooms, expected.each_ref().map(|path| (path.as_str(), 8)));
    assert_eq!(counts.keys.len(), 40);
    // Values in turn, by the number of the text; a key for each, and none that a connection has.
    let texts: Vec<Json> = counts
        .texts
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let keys: std::collections::BTreeSet<&str> = texts.iter().map(|text| text["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 368);
    assert!(keys.iter().all(|key| !counts.keys.contains(*key)));
    for n in 1..=5_u64 {
        let count = texts.iter().filter(|text| text["n"] == n).count();
        assert!((73..=74).contains(&count), "{n}: {count}");
    }
    let parts = &run.phases().next().unwrap()["websockets"];
    assert_eq!(
        (&parts["connect_us"]["count"], &parts["upgrade_us"]["count"]),
        (&40.into(), &40.into())
    );
    assert!(parts["tls_us"].is_null());
    let directory = support::run_directory(folder.path());
    let markdown = std::fs::read_to_string(directory.join("report.md")).unwrap();
    assert!(markdown.contains("WebSockets"), "{markdown}");
    drop(counts);
    wait_until("all connections are gone", || server.counts().open == 0);
}

#[test]
fn a_connection_that_the_server_closes_is_opened_again_and_its_texts_have_an_end() {
    let server = Live::start(Manners {
        close_after: 3,
        ..Manners::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let run = run(WATCH, &format!("http://{}", server.address), folder.path());
    let counts = server.counts();
    assert_eq!(run.sockets("opened"), counts.opened);
    assert_eq!(run.sockets("reopened"), counts.opened - 40);
    assert_eq!(run.sockets("broken"), counts.closed);
    assert_eq!(run.sum("/websockets/ends/closed"), counts.closed);
    assert!(counts.closed >= 40 && counts.opened > 40, "{counts:?}");
    assert_eq!(run.count("ok"), counts.answered);
    // The others were due while their connection was shut.
    assert_eq!(run.count("ok") + run.count("connect_error"), run.sum("/scheduled"));
    assert!(run.count("connect_error") > 20, "{}", run.0["cells"][0]);
}

#[test]
fn a_text_that_is_not_answered_times_out() {
    let server = Live::start(Manners {
        swallow_each: 4,
        ..Manners::default()
    });
    let folder = tempfile::tempdir().unwrap();
    // An answer that never comes is forgotten before the next text is due.
    let workload = WATCH.replace("within: 1s", "within: 200ms");
    let run = run(&workload, &format!("http://{}", server.address), folder.path());
    let counts = server.counts();
    assert!(counts.swallowed > 50, "{counts:?}");
    assert_eq!(
        (run.count("ok"), run.count("timeout")),
        (counts.answered, counts.swallowed)
    );
}

#[test]
fn requests_and_websockets_share_a_run() {
    let server = Live::start(Manners::default());
    let http = support::Server::start(|_| ());
    let folder = tempfile::tempdir().unwrap();
    // The server of WebSockets closes connections on which something else is asked.
    let workload = WATCH
        .replace("target: 0/s", "target: 50/s")
        .replace("variants:", "  get: {request: {get: /}, share: 1}\nvariants:");
    let run_of = |url: &str| run(&workload, url, folder.path());
    let run = run_of(&format!("http://{}", server.address));
    assert_eq!(run.count("ok"), server.counts().answered);
    assert_eq!(run.sum("/scheduled"), 368);
    std::fs::remove_dir_all(support::run_directory(folder.path())).unwrap();
    let run = run_of(&http.url());
    let gets = &run.0["cells"][0]["phases"][1]["operations"]["get"];
    assert_eq!(gets["outcomes"].as_object().unwrap().len(), 1, "{gets}");
    assert!(gets["outcomes"]["ok"].as_u64().unwrap() > 100, "{gets}");
    // It answers 200 where a WebSocket is asked for.
    assert_eq!(run.sockets("opened"), 0);
    assert!(run.sum("/websockets/ends/not_upgraded") >= 40);
}

/// A server's configuration that speaks `protocols`, and its certificate.
fn tls(protocols: &[&str]) -> (Arc<rustls::ServerConfig>, String) {
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = builder.with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (Arc::new(config), issued.cert.pem())
}

#[test]
fn over_tls_a_websocket_begins_in_http_1_1_whatever_requests_are_sent_in() {
    for http in ["1.1", "2", "auto"] {
        let (config, certificate) = tls(&["h2", "http/1.1"]);
        let agreed: Arc<Mutex<Vec<Option<Vec<u8>>>>> = Arc::default();
        let kept = Arc::clone(&agreed);
        let server = Live::over(Manners::default(), move |mut stream: TcpStream| {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
            while connection.is_handshaking() {
                connection.complete_io(&mut stream).ok()?;
            }
            let protocol = connection.alpn_protocol().map(<[u8]>::to_vec);
            kept.lock().unwrap().push(protocol.clone());
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if protocol.as_deref() == Some(b"h2") {
                // The probe, which speaks HTTP/2 where requests are to: it is told empty SETTINGS.
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).ok()?;
                std::io::copy(&mut stream, &mut std::io::sink()).ok()?;
                return None;
            }
            Some(stream)
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate).unwrap();
        let workload = format!("{WATCH}target: {{tls: {{ca: ca.pem}}, http: {http}}}\n");
        let run = run(&workload, &format!("https://{}", server.address), folder.path());
        assert_eq!(run.count("ok"), 368, "{http}");
        assert_eq!(server.counts().opened, 40);
        let agreed = agreed.lock().unwrap();
        let plain = agreed
            .iter()
            .filter(|protocol| protocol.as_deref() == Some(b"http/1.1"));
        assert!(plain.count() >= 40, "{http}: {agreed:?}");
        let parts = &run.phases().next().unwrap()["websockets"];
        assert_eq!(parts["tls_us"]["count"], 40, "{parts}");
    }
}

#[test]
fn check_shows_how_the_first_connections_begin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workload.yaml");
    std::fs::write(
        &file,
        WATCH.replace("x-key: \"{{uuid}}\"", "x-key: \"{{env.BMT_TEST_KEY}}\""),
    )
    .unwrap();
    let output = bmt(&["check", file.to_str().unwrap(), "--show", "2"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "\n0.000000 s  watch\n  GET /live?room=1 HTTP/1.1\n  Host: TARGET\n",
        "\n0.010000 s  watch\n  GET /live?room=2 HTTP/1.1\n",
        "  Upgrade: websocket\n",
        "  x-key: ***\n",
        "  -- says at 0.",
        "\"key\":\"",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(shown.matches("Sec-WebSocket-Key").count(), 2, "{shown}");
}
