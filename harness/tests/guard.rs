//! Guards against a server that begins to fail at a given rate, and that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use support::storm::assert_every_arrival_is_accounted_for;
use support::{Server, bmt, json, run_in};

/// On a busy machine a generator may be late: the run is INVALID then, whatever its guards did.
const GUARDED: [i32; 2] = [123, 120];

/// A server that answers 500 to what exceeds a rate, and when it was asked since the first request.
struct Failing {
    server: Server,
    asked: Arc<Mutex<Vec<Duration>>>,
}

impl Failing {
    fn above(rate: usize) -> Self {
        let asked: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let server = Server::answering(move |_, since_first| {
            let mut seen = seen.lock().unwrap();
            seen.push(since_first);
            let second_ago = since_first.saturating_sub(Duration::from_secs(1));
            match seen.iter().rev().take_while(|asked| **asked > second_ago).count() > rate {
                true => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
                false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            }
        });
        Self { server, asked }
    }

    /// Requests a second between two seconds of the cell, which begins with the first request.
    fn rate(&self, from_s: f64, to_s: f64) -> f64 {
        let asked = self.asked.lock().unwrap();
        let within = asked
            .iter()
            .filter(|asked| (from_s..to_s).contains(&asked.as_secs_f64()));
        within.count() as f64 / (to_s - from_s)
    }
}

fn workload(profile: &str, rule: &str) -> String {
    format!(
        "name: guarded\nquestion: Does it stop in time?\nprofile: {profile}\narrivals: uniform\n\
         generator: {{connections: 50, timeout: 5s}}\n\
         traffic:\n  get: {{operation: {{get: {{path: /}}}}, share: 1}}\nvariants: [{{name: only}}]\nguard:\n  - {rule}\n"
    )
}

const SPIKE: &str = "{kind: spike, warm_up: 1s, base: 50/s, target: 400/s, base_hold: 4s, spike_hold: 10s}";

/// Where the generator was late by itself, the run is INVALID and its rates are not the schedule's.
fn close(code: i32, measured: f64, wanted: f64) -> bool {
    code == 120 || (measured / wanted - 1.0).abs() < 0.15
}

fn phase<'a>(run: &'a Json, name: &str) -> &'a Json {
    let mut phases = run["cells"][0]["phases"].as_array().unwrap().iter();
    phases.find(|phase| phase["name"] == name).unwrap()
}

fn withdrawn(phase: &Json) -> u64 {
    phase["operations"]["get"]["withdrawn"].as_u64().unwrap_or(0)
}

/// The report of the only run in a folder, made anew: the same but for when, and the same exit code.
fn assert_report_is_the_same(folder: &Path, run: &Json, code: i32) {
    let directory = support::run_directory(folder);
    std::fs::remove_file(directory.join("run.json")).unwrap();
    let output = bmt(&["report", directory.to_str().unwrap(), "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(code));
    let (mut again, mut run) = (json(&output), run.clone());
    again["analyzed_at"] = Json::Null;
    run["analyzed_at"] = Json::Null;
    assert_eq!(again, run);
}

#[test]
fn a_server_that_fails_at_the_peak_is_backed_off_from_and_the_server_sees_it() {
    let failing = Failing::above(200);
    let rule = "{when: get.error_share, above: 10%, for: 2s, then: back_off, because: the shop is shared}";
    let gate = "gates:\n  - {metric: get.response_p50, phase: spike, at_most: 10s}\n  - {metric: get.response_p50, phase: base, at_most: 10s}\n";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(
        folder.path(),
        &(workload(SPIKE, rule) + gate),
        &failing.server.url(),
        &[],
    );
    assert!(GUARDED.contains(&code), "{code}: {}", run["reasons"]);
    let [act] = &run["cells"][0]["guards"].as_array().unwrap()[..] else {
        panic!("it acts once: {}", run["cells"][0]["guards"])
    };
    let number = |key: &str| act[key].as_f64().unwrap();
    assert_eq!(
        (&act["action"], &act["name"]),
        (&Json::from("back_off"), &Json::from("get.error_share"))
    );
    assert_eq!((number("rate_before"), number("rate_after")), (400.0, 50.0));
    assert!((6.0..=8.0).contains(&number("since_s")), "{act}");
    assert!(number("figure") > 0.1, "{act}");
    assert!(number("reaction_s") > 0.0 && number("reaction_s") < 2.0, "{act}");

    let at_s = number("at_s");
    assert!(
        close(code, failing.rate(5.2, at_s - 0.2), 400.0),
        "{}",
        failing.rate(5.2, at_s - 0.2)
    );
    assert!(
        close(code, failing.rate(at_s + 0.1, 14.9), 50.0),
        "{}",
        failing.rate(at_s + 0.1, 14.9)
    );
    let spike = phase(&run, "spike");
    run["cells"][0]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(assert_every_arrival_is_accounted_for);
    let scheduled = spike["operations"]["get"]["scheduled"].as_u64().unwrap();
    assert!(
        (3_998..=4_002).contains(&(scheduled + withdrawn(spike))),
        "{scheduled} and {}",
        withdrawn(spike)
    );
    assert_eq!(withdrawn(phase(&run, "base")), 0);

    let gates = run["gates"].as_array().unwrap();
    assert_eq!(gates[0]["answer"], "inconclusive");
    assert!(
        gates[0]["reason"].as_str().unwrap().contains("a guard withdrew"),
        "{}",
        gates[0]["reason"]
    );
    assert_ne!(gates[1]["answer"], "fail", "the base is what was asked for");
    let reasons = run["reasons"].to_string();
    assert!(
        reasons.contains("a guard acted: back_off at") && reasons.contains("the shop is shared"),
        "{reasons}"
    );
    let directory = support::run_directory(folder.path());
    let report = std::fs::read_to_string(directory.join("report.md")).unwrap();
    assert!(
        report.contains("What guards did") && report.contains("withdrawn"),
        "{report}"
    );
    assert_report_is_the_same(folder.path(), &run, code);
}

#[test]
fn a_back_off_is_tried_again_and_acts_again() {
    let failing = Failing::above(200);
    let rule = "{when: get.error_share, above: 10%, for: 1s, then: back_off, again_after: 3s}";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(SPIKE, rule), &failing.server.url(), &[]);
    assert!(GUARDED.contains(&code), "{code}: {}", run["reasons"]);
    let acts = run["cells"][0]["guards"].as_array().unwrap();
    assert!(acts.len() >= 2, "{acts:?}");
    let (at_s, until_s) = (acts[0]["at_s"].as_f64().unwrap(), acts[0]["until_s"].as_f64().unwrap());
    assert!((2.5..3.5).contains(&(until_s - at_s)), "{acts:?}");
    let again_s = acts[1]["at_s"].as_f64().unwrap();
    assert!(
        again_s >= until_s + 1.0,
        "after a whole second at the profile's rate: {acts:?}"
    );
    assert!(
        close(code, failing.rate(at_s + 0.2, until_s - 0.2), 50.0),
        "{}",
        failing.rate(at_s, until_s)
    );
    assert!(
        close(code, failing.rate(until_s + 0.2, again_s - 0.2), 400.0),
        "{}",
        failing.rate(until_s, again_s)
    );
    assert_report_is_the_same(folder.path(), &run, code);
}

#[test]
fn a_hold_stays_where_the_rule_broke() {
    let failing = Failing::above(180);
    let steps = "{kind: steps, warm_up: 1s, base: 50/s, target: 400/s, steps: 4, hold: 3s}";
    let rule = "{when: get.error_share, above: 10%, for: 2s, then: hold}";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(steps, rule), &failing.server.url(), &[]);
    assert!(GUARDED.contains(&code), "{code}: {}", run["reasons"]);
    let act = &run["cells"][0]["guards"][0];
    // 50, then 137.5, 225, 312.5 and 400 a second, each for 3 s.
    assert_eq!(
        (&act["action"], act["rate_after"].as_f64()),
        (&Json::from("hold"), Some(225.0)),
        "{act}"
    );
    assert!(
        close(code, failing.rate(7.5, 12.9), 225.0),
        "{}",
        failing.rate(7.5, 12.9)
    );
    assert_eq!(
        (withdrawn(phase(&run, "step 1")), withdrawn(phase(&run, "step 2"))),
        (0, 0)
    );
    assert!(withdrawn(phase(&run, "step 3")) > 150 && withdrawn(phase(&run, "step 4")) > 400);
    assert_report_is_the_same(folder.path(), &run, code);
}

#[test]
fn an_abort_ends_the_cell_and_the_run_and_keeps_what_was_measured() {
    let failing = Failing::above(200);
    let rule = "{when: get.error_share, above: 10%, for: 1s, then: abort}";
    let folder = tempfile::tempdir().unwrap();
    let text = workload(SPIKE, rule) + "repetitions: 3\n";
    let (run, code) = run_in(folder.path(), &text, &failing.server.url(), &[]);
    assert!(GUARDED.contains(&code), "{code}: {}", run["reasons"]);
    let cells = run["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 1, "no further block is begun");
    assert!(
        cells[0]["ended_early"]
            .as_str()
            .unwrap()
            .contains("the guard on get.error_share")
    );
    let at_s = cells[0]["guards"][0]["at_s"].as_f64().unwrap();
    let end_s = phase(&run, "spike")["end_s"].as_f64().unwrap();
    assert!((at_s..at_s + 0.5).contains(&end_s), "{at_s} {end_s}");
    assert!(
        failing.rate(at_s + 0.3, at_s + 5.0) == 0.0,
        "nothing is offered any more"
    );
    cells[0]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(assert_every_arrival_is_accounted_for);
    assert_eq!(phase(&run, "spike")["operations"]["get"]["cut_off"], 0);
    assert_report_is_the_same(folder.path(), &run, code);
}

#[test]
fn a_guard_that_never_acts_changes_nothing_and_one_without_a_figure_is_told() {
    let failing = Failing::above(100_000);
    let profile = "{kind: spike, warm_up: 1s, base: 20/s, target: 40/s, base_hold: 2s, spike_hold: 3s}";
    let rules = "{when: get.error_share, above: 10%, for: 1s, then: abort}\n  \
                 - {when: get.response_p999, above: 1s, for: 2s, then: back_off}";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(profile, rules), &failing.server.url(), &[]);
    assert!([0, 120].contains(&code), "{code}: {}", run["reasons"]);
    let cell = &run["cells"][0];
    assert!(cell["guards"].is_null(), "{}", cell["guards"]);
    let counts = cell["guard_counts"].as_array().unwrap();
    assert!(
        counts[0]["judged"].as_u64().unwrap() >= 4 && counts[0]["without_figure"] == 0,
        "{counts:?}"
    );
    assert!(
        counts[1]["judged"] == 0 && counts[1]["without_figure"].as_u64().unwrap() >= 3,
        "{counts:?}"
    );
    let warnings = cell["warnings"].to_string();
    assert!(
        warnings.contains("the guard on get.response_p999 could not be judged"),
        "{warnings}"
    );
    assert!(!warnings.contains("the guard on get.error_share"), "{warnings}");
    assert_report_is_the_same(folder.path(), &run, code);
}

#[test]
fn check_refuses_a_rule_that_names_nothing_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workload.yaml");
    let name = file.to_str().unwrap();
    let rule = "{when: got.error_rate, above: 2%, below: 1%, for: 0s, then: abort, again_after: 3s}";
    std::fs::write(&file, workload(SPIKE, rule)).unwrap();
    let output = bmt(&["check", name]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(104), "{told}");
    assert!(told.contains(&format!("{name}:10:12: guard.0.when:")), "{told}");
    assert!(told.contains("did you mean `got.error_share`?"), "{told}");
    std::fs::write(&file, workload(SPIKE, &rule.replace("error_rate", "error_share"))).unwrap();
    let output = bmt(&["check", name]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for place in [
        "guard.0.when: there is no traffic entry `got`",
        "guard.0.below:",
        "guard.0.for:",
        "guard.0.again_after:",
    ] {
        assert!(told.contains(place), "{place}: {told}");
    }
}
