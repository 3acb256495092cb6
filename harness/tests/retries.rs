//! Rejected clients that retry, against servers that reject in a way whose cost is known by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bmt::record::Durations;
use rustix::process::Signal;
use serde_json::Value as Json;
use support::storm::{exit_code, signal};
use support::{Server, run_against};

/// Somebody who joined, or tried to.
#[derive(Debug, Default)]
struct Joiner {
    /// Chat and name, of each attempt.
    asked: Vec<String>,
    at: Vec<Instant>,
}

type Joiners = Arc<Mutex<HashMap<String, Joiner>>>;

/// A server on which `answer` says what a join gets, by how often its user has tried before.
fn server(answer: impl Fn(usize) -> String + Send + Sync + 'static) -> (Server, Joiners) {
    let joiners = Joiners::default();
    let seen = Arc::clone(&joiners);
    let server = Server::answering(move |request, _| {
        if request.starts_with("POST /v1/chats HTTP") {
            return said("201 Created", "", r#"{"chat_id":42}"#);
        }
        let lower = request.to_ascii_lowercase();
        let user = lower
            .split_once("bearer ")
            .unwrap()
            .1
            .split('.')
            .next()
            .unwrap()
            .to_owned();
        let (path, body) = (request.lines().next().unwrap(), request.lines().last().unwrap());
        let before = {
            let mut joiners = seen.lock().unwrap();
            let joiner = joiners.entry(user).or_default();
            joiner.asked.push(format!("{path} {body}"));
            joiner.at.push(Instant::now());
            joiner.at.len() - 1
        };
        answer(before)
    });
    (server, joiners)
}

fn said(status: &str, header: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{header}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn joined() -> String {
    said("201 Created", "", r#"{"member_count":1}"#)
}

fn rejected(header: &str, body: &str) -> String {
    said("429 Too Many Requests", header, body)
}

fn workload(rate: &str, hold: &str, retry: &str) -> String {
    format!(
        "name: joins\nquestion: What does a rejection cost?\nprofile: {{kind: constant, target: {rate}, hold: {hold}}}\n\
         arrivals: uniform\ngenerator: {{workers: 2, connections: 200, timeout: 400ms}}\nchats: {{hot: {{}}}}\n\
         traffic:\n  join: {{operation: join, chats: hot, share: 1, retry: {retry}}}\nvariants: [{{name: only}}]\n"
    )
}

/// The join's figures in a phase of the only cell.
fn join<'a>(run: &'a Json, phase: &str) -> &'a Json {
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    let phase = phases.iter().find(|found| found["name"] == phase);
    &phase.unwrap_or_else(|| panic!("no such phase: {phases:?}"))["operations"]["join"]
}

fn count(of: &Json, pointer: &str) -> u64 {
    of.pointer(pointer).and_then(Json::as_u64).unwrap_or(0)
}

/// Sum over all phases of the only cell.
fn total(run: &Json, pointer: &str) -> u64 {
    let phases = run["cells"][0]["phases"].as_array().unwrap().iter();
    phases.map(|phase| count(&phase["operations"]["join"], pointer)).sum()
}

/// Every logical call has one end, and every attempt one outcome.
fn assert_accounted(run: &Json) {
    for phase in run["cells"][0]["phases"].as_array().unwrap() {
        support::storm::assert_every_arrival_is_accounted_for(phase);
        let join = &phase["operations"]["join"];
        let retries = &join["retries"];
        let ends: u64 = ["/succeeded", "/gave_up", "/cut_off"]
            .map(|end| count(retries, end))
            .iter()
            .sum();
        assert_eq!(ends, count(retries, "/first_tries"), "{retries}");
        let attempts = count(retries, "/first_tries") + count(retries, "/retries");
        assert_eq!(attempts, count(join, "/scheduled"), "{join}");
    }
    let answered = run["cells"][0]["phases"].as_array().unwrap().iter().flat_map(|phase| {
        let seconds = phase["operations"]["join"]["ok_by_second"].as_array();
        seconds.into_iter().flatten().filter_map(Json::as_u64)
    });
    assert_eq!(answered.sum::<u64>(), total(run, "/outcomes/ok"));
}

/// By hand: a client that is rejected `REJECTIONS` times needs one attempt more, and the pauses that the answers asked
/// for.
#[test]
fn attempts_and_time_until_joined_are_those_that_the_rejections_cost() {
    const REJECTIONS: u64 = 2;
    const CALLERS: u64 = 120;
    for (header, body, pause_ms) in [
        ("", r#"{"error":"throttled","retry_after_ms":150}"#, 150),
        (
            "Retry-After: 1\r\n",
            r#"{"error":"throttled","retry_after_ms":150}"#,
            1_000,
        ),
        ("", "", 250),
    ] {
        let (server, joiners) = server(move |before| match before {
            0..=1 => rejected(header, body),
            _ => joined(),
        });
        let retry = "{backoff: 250ms, multiplier: 1, jitter: 0, settle: 3s}";
        let (run, _) = run_against(&workload("60/s", "2s", retry), &server.url(), &[]);
        assert_accounted(&run);
        let retries = &join(&run, "constant")["retries"];
        for (figure, by_hand) in [
            ("/first_tries", CALLERS),
            ("/succeeded", CALLERS),
            ("/succeeded_at_first", 0),
            ("/attempts_max", REJECTIONS + 1),
        ] {
            assert_eq!(count(retries, figure), by_hand, "{figure}: {retries}");
        }
        assert_eq!(retries["attempts_per_success"], 3.0, "{retries}");
        assert_eq!(total(&run, "/retries/retries"), CALLERS * REJECTIONS);
        assert_eq!(total(&run, "/outcomes/throttled"), CALLERS * REJECTIONS);
        assert_eq!(total(&run, "/outcomes/ok"), CALLERS);
        let until_done = Durations::decode(retries["until_done_us"]["hdr"].as_str().unwrap()).unwrap();
        let pauses_us = pause_ms * 1_000 * REJECTIONS;
        let (shortest, median) = (
            until_done.quantile_us(0.0).unwrap(),
            until_done.quantile_us(0.5).unwrap(),
        );
        // Three digits are kept of each time.
        assert!(
            shortest + shortest / 500 >= pauses_us,
            "{shortest} us with pauses of {pauses_us} us"
        );
        assert!(
            (pauses_us..pauses_us + 20_000).contains(&(median + median / 500)),
            "median {median} us with pauses of {pauses_us} us"
        );
        assert_same_callers(&joiners, CALLERS, Duration::from_millis(pause_ms));
    }
}

/// A client that retries is the same user with the same name in the same chat, and not earlier than asked.
fn assert_same_callers(joiners: &Joiners, callers: u64, pause: Duration) {
    let joiners = joiners.lock().unwrap();
    assert_eq!(joiners.len() as u64, callers);
    for (user, joiner) in joiners.iter() {
        assert!(joiner.asked.iter().all(|asked| *asked == joiner.asked[0]), "{joiner:?}");
        assert!(joiner.asked[0].contains(&format!("\"name\":\"u{user}\"")), "{joiner:?}");
        for pair in joiner.at.windows(2) {
            // The server's thread may have been late to see the first of two.
            let between = pair[1] - pair[0];
            assert!(between + Duration::from_millis(50) >= pause, "{between:?} of {pause:?}");
        }
    }
}

#[test]
fn jitter_spreads_those_who_were_rejected_together() {
    let (server, joiners) = server(|before| match before {
        0 => rejected("", r#"{"retry_after_ms":400}"#),
        _ => joined(),
    });
    let (run, _) = run_against(&workload("200/s", "1s", "{jitter: 1, settle: 2s}"), &server.url(), &[]);
    assert_accounted(&run);
    assert_eq!(count(&join(&run, "constant")["retries"], "/succeeded"), 200);
    let joiners = joiners.lock().unwrap();
    let pauses = joiners.values().map(|joiner| joiner.at[1] - joiner.at[0]);
    let late = pauses.filter(|pause| *pause > Duration::from_millis(600)).count();
    // Half of them, evenly drawn between 400 and 800 ms.
    assert!((60..140).contains(&late), "{late} of 200");
}

/// The first attempt did the work and its answer was lost; the second is told so.
#[test]
fn who_is_already_a_member_after_a_time_out_has_joined() {
    let (server, _) = server(|before| {
        if before == 0 {
            std::thread::sleep(Duration::from_millis(700));
            return joined();
        }
        said("409 Conflict", "", r#"{"error":"already_member"}"#)
    });
    let retry = "{on: [timeout], backoff: 50ms, jitter: 0, settle: 2s}";
    let (run, _) = run_against(&workload("40/s", "1s", retry), &server.url(), &[]);
    assert_accounted(&run);
    let retries = &join(&run, "constant")["retries"];
    assert_eq!(
        (count(retries, "/succeeded"), count(retries, "/attempts_max")),
        (40, 2),
        "{retries}"
    );
    assert_eq!(total(&run, "/outcomes/timeout"), 40);
    assert_eq!(
        total(&run, "/outcomes/client_error"),
        40,
        "an attempt is told as it ended"
    );
}

/// A server that lets in 30 callers in each second of its own clock, and a gate that counts them.
#[test]
fn ok_within_is_what_was_answered_at_the_time() {
    let begun = Instant::now();
    let let_in = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&let_in);
    let (server, _) = server(move |_| {
        let mut let_in = seen.lock().unwrap();
        let second = begun.elapsed().as_secs();
        if let_in.iter().filter(|at| **at == second).count() >= 30 {
            return rejected("", r#"{"retry_after_ms":300}"#);
        }
        let_in.push(second);
        joined()
    });
    let gates = "gates:\n  - {metric: ok_within, within: 3s, operation: join, phase: constant, at_most: 120, at_least: 60}\n  \
                 - {metric: ok_within, within: 1s, operation: join, phase: constant, at_most: 29}\n  \
                 - {metric: attempts_per_success, operation: join, phase: constant, at_least: 1.5}\n  \
                 - {metric: until_done_p50, operation: join, phase: constant, at_least: 1s}\n  \
                 - {metric: not_done_share, operation: join, phase: constant, at_most: 0%}\n";
    let retry = "{attempts: 100, settle: 10s}";
    let (run, _) = run_against(&(workload("100/s", "3s", retry) + gates), &server.url(), &[]);
    assert_accounted(&run);
    assert_eq!(let_in.lock().unwrap().len(), 300, "everybody gets in, 30 a second");
    let by_second = &join(&run, "constant")["ok_by_second"];
    assert!(
        by_second
            .as_array()
            .unwrap()
            .iter()
            .all(|count| count.as_u64().unwrap() <= 60),
        "two of the server's seconds at most: {by_second}"
    );
    let gates = run["gates"].as_array().unwrap();
    let passed: Vec<(&str, bool)> = gates
        .iter()
        .map(|gate| (gate["name"].as_str().unwrap(), gate["answer"] == "pass"))
        .collect();
    assert_eq!(
        passed,
        [
            ("join ok_within 3s", true),
            ("join ok_within 3s", true),
            ("join ok_within 1s", false),
            ("join attempts_per_success", true),
            ("join until_done_p50", true),
            ("join not_done_share", true),
        ],
        "{gates:?}"
    );
}

#[test]
fn a_caller_who_is_always_rejected_gives_up_or_is_cut_off_and_is_never_lost() {
    for (retry, waiting, gave_up, cut_off, retries_max) in [
        ("{attempts: 3, backoff: 100ms, settle: 2s}", 1_000, 100, 0, 200),
        // One may wait in each of two workers, for at least 100 ms: in 1.4 s that is 14 each.
        ("{attempts: 3, backoff: 100ms, settle: 2s}", 2, 100, 0, 28),
        (
            "{attempts: 100, backoff: 30s, backoff_max: 30s, settle: 1s}",
            1_000,
            0,
            100,
            0,
        ),
    ] {
        let (server, _) = server(|_| rejected("", ""));
        let waiting = format!("generator.retries={waiting}");
        let (run, _) = run_against(&workload("100/s", "1s", retry), &server.url(), &["--set", &waiting]);
        assert_accounted(&run);
        let retries = &join(&run, "constant")["retries"];
        assert_eq!(retries["attempts_per_success"], Json::Null);
        let ends = (count(retries, "/gave_up"), count(retries, "/cut_off"));
        assert_eq!(ends, (gave_up, cut_off), "{retry}, {waiting}: {retries}");
        let sent = total(&run, "/retries/retries");
        assert!(
            sent <= retries_max && (sent == retries_max || waiting.ends_with("=2")),
            "{sent}"
        );
    }
}

#[test]
fn a_run_that_is_stopped_counts_pending_retries_as_cut_off() {
    let (server, joiners) = server(|before| match before {
        0..=3 => rejected("", r#"{"retry_after_ms":700}"#),
        _ => joined(),
    });
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("workload.yaml");
    std::fs::write(&file, workload("100/s", "60s", "{}")).unwrap();
    let out_dir = out.path().join("out");
    let arguments = [
        "--target",
        &server.url(),
        "--format",
        "json",
        "--out",
        out_dir.to_str().unwrap(),
    ];
    let mut run = support::bmt(&[&["run", file.to_str().unwrap()], &arguments[..]].concat())
        .spawn()
        .unwrap();
    support::wait_until("some have tried three times", || {
        joiners.lock().unwrap().values().any(|joiner| joiner.at.len() > 2)
    });
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    let directory = support::run_directory(&out_dir);
    let run: Json = serde_json::from_slice(&std::fs::read(directory.join("run.json")).unwrap()).unwrap();
    assert_accounted(&run);
    let retries = &join(&run, "constant")["retries"];
    assert!(count(retries, "/cut_off") > 50, "{retries}");
    let report = std::fs::read_to_string(directory.join("report.md")).unwrap();
    assert!(report.contains("Callers who retry, until done"), "{report}");
}

/// Requests that a server has in its queue at most: a second of its work.
const QUEUE: Duration = Duration::from_secs(1);
/// What one costs it.
const WORK: Duration = Duration::from_millis(10);

/// A server that does one request after the other, whether or not anybody still waits for the answer, and turns away
/// what finds its queue full.
fn dogged() -> Server {
    let free_at = Mutex::new(Instant::now());
    Server::start_or_shed(move || {
        let now = Instant::now();
        let begins = {
            let mut free_at = free_at.lock().unwrap();
            let begins = (*free_at).max(now);
            if begins - now > QUEUE {
                return false;
            }
            *free_at = begins + WORK;
            begins
        };
        std::thread::sleep(begins + WORK - now);
        true
    })
}

/// Everyday load is 60 % of what the server can do. Three seconds of three times as much fill its queue, in which a
/// request waits longer than its caller: from then on all work is done for nobody, and callers who retry five times
/// keep it so. With a budget they do not.
#[test]
fn retries_without_a_budget_keep_a_server_down_that_a_budget_brings_back() {
    let server = dogged();
    let workload = "name: metastable\nquestion: Does it come back?\narrivals: uniform\n\
         profile: {kind: spike, warm_up: 1s, base: 60/s, target: 300/s, base_hold: 9s, spike_hold: 3s, after: 14s}\n\
         generator: {connections: 600, timeout: 300ms}\n\
         traffic:\n  get: {request: {get: /}, share: 1, retry: {attempts: 6, backoff: 100ms, multiplier: 1, jitter: 0.1, on: [timeout, shed], settle: 1s}}\n\
         variants: [{name: budget, retry_budget: 10%}, {name: as they like}]\n\
         gates:\n  - {metric: recovery_s, operation: get, phase: spike, variants: [budget], at_most: 8s}\n\
         expect:\n  - {metric: collapsed_s, operation: get, phase: spike, variants: [as they like], at_least: 12s}\n";
    let (run, _) = run_against(workload, &server.url(), &[]);
    let spike = |variant: &str| {
        let cells = run["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["variant"] == variant).unwrap();
        let phases = cell["phases"].as_array().unwrap();
        phases.iter().find(|phase| phase["name"] == "spike").unwrap()["operations"]["get"].clone()
    };
    let (limited, free) = (spike("budget"), spike("as they like"));
    let recovered_s = limited["recovery"]["recovered_s"].as_f64().unwrap();
    assert!((1.0..8.0).contains(&recovered_s), "{limited}");
    assert!(count(&limited, "/retries/out_of_budget") > 100, "{limited}");
    assert_eq!(free["recovery"]["recovered_s"], Json::Null, "{free}");
    assert!(free["recovery"]["collapsed_s"].as_f64() >= Some(13.0), "{free}");
    for judged in ["gates", "expectations"] {
        let judged = run[judged].as_array().unwrap();
        assert_eq!(judged.len(), 1, "{judged:?}");
        // Where others used the machine, a block does not count.
        assert_ne!(judged[0]["answer"], "fail", "{judged:?}");
    }
}
