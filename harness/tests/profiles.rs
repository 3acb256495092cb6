//! Profiles with several jumps and recorded ones, against a server that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use support::{Server, run_directory, run_in};

fn workload(profile: &str) -> String {
    format!(
        "name: profiles\nquestion: What is offered when?\nprofile: {profile}\narrivals: uniform\n\
         generator: {{connections: 100, timeout: 10s}}\n\
         traffic:\n  photo: {{operation: {{get: {{path: /photo}}}}, share: 0}}\n  text: {{operation: {{get: {{path: /text}}}}, share: 1}}\n\
         variants: [{{name: only}}]\n"
    )
}

/// A server, and how often it was asked for each path.
fn counting() -> (Server, Arc<Mutex<BTreeMap<String, u64>>>) {
    let counts: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let asked = Arc::clone(&counts);
    let server = Server::answering(move |request, _| {
        let path = request.split(' ').nth(1).unwrap_or("").to_owned();
        *asked.lock().unwrap().entry(path).or_default() += 1;
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
    });
    (server, counts)
}

/// Name, rate, and what was scheduled of `photo` and of `text`, phase by phase.
fn phases(run: &Json) -> Vec<(String, f64, [u64; 2])> {
    let phases = run["cells"][0]["phases"].as_array().unwrap().iter();
    phases
        .map(|phase| {
            let scheduled = |name: &str| phase["operations"][name]["scheduled"].as_u64().unwrap();
            (
                phase["name"].as_str().unwrap().to_owned(),
                phase["target_rate"].as_f64().unwrap(),
                [scheduled("photo"), scheduled("text")],
            )
        })
        .collect()
}

/// Uniform arrivals number what the rate comes to, give or take one.
fn assert_offered(found: &[(String, f64, [u64; 2])], expected: &[(&str, f64, [u64; 2])]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, rate, scheduled), (expected_name, expected_rate, expected)) in found.iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert!((rate - expected_rate).abs() < 1e-9, "{name}: {rate}");
        let near = scheduled
            .iter()
            .zip(expected)
            .all(|(count, expected)| count.abs_diff(*expected) <= 1);
        assert!(near, "{name}: {scheduled:?} of {expected:?}");
    }
}

/// The run came to its end. What is offered does not depend on whether the generator was punctual (120), which other
/// tests are about.
fn is_whole(code: i32) -> bool {
    matches!(code, 0 | 120)
}

#[test]
fn midnights_send_what_each_region_sends_and_their_jumps_are_told() {
    let (server, counts) = counting();
    let folder = tempfile::tempdir().unwrap();
    let profile = "
  kind: midnights
  base: 50/s
  jumps:
    - {name: auckland, at: 1s, target: 400/s, hold: 2s, mix: {photo: 0.25, text: 0.75}}
    - {name: tokyo, at: 2s, target: 600/s, hold: 2s}
  end_hold: 1s";
    let (run, code) = run_in(folder.path(), &workload(profile), &server.url(), &[]);
    assert!(is_whole(code), "{}", run["reasons"]);
    let found = phases(&run);
    assert_offered(
        &found,
        &[
            ("base", 50.0, [0, 50]),
            ("auckland", 400.0, [100, 300]),
            ("auckland + tokyo", 1000.0, [100, 900]),
            ("tokyo", 600.0, [0, 600]),
            ("base 1", 50.0, [0, 50]),
        ],
    );
    let counts = counts.lock().unwrap();
    for (place, path) in ["/photo", "/text"].into_iter().enumerate() {
        let scheduled: u64 = found.iter().map(|(_, _, scheduled)| scheduled[place]).sum();
        assert_eq!(counts[path], scheduled, "{path}");
    }
    let report = std::fs::read_to_string(run_directory(folder.path()).join("report.md")).unwrap();
    let (_, jumps) = report.split_once("Jumps\n").unwrap();
    for row in [
        "| only | auckland | 50 | 400 | 40 |",
        "| only | auckland + tokyo | 400 | 1000 | 100 |",
    ] {
        assert!(jumps.contains(row), "{jumps}");
    }
    assert!(!jumps.contains("| only | tokyo |"), "that goes down: {jumps}");
}

#[test]
fn a_trace_offers_each_second_what_was_recorded_and_its_peak_whole() {
    let (server, _) = counting();
    let folder = tempfile::tempdir().unwrap();
    let csv = "at,load\n0,10\n1,20\n2,40\n3,250\n4,60\n5,200\n6,30\n7,20\n";
    std::fs::write(folder.path().join("newyear.csv"), csv).unwrap();
    let profile = "{kind: trace, file: {csv: newyear.csv, column: load}, growth: 2, compress: 2}";
    let (run, code) = run_in(folder.path(), &workload(profile), &server.url(), &[]);
    assert!(is_whole(code), "{}", run["reasons"]);
    assert_offered(
        &phases(&run),
        &[
            ("rise", 30.0, [0, 30]),
            ("peak", 380.0, [0, 760]),
            ("fall", 50.0, [0, 50]),
        ],
    );
    // The file is read before the run; what was made of it is in the recording.
    let rates = &run["workload"]["phases"][1]["rates"];
    assert_eq!(*rates, serde_json::json!([500.0, 260.0]));
}
