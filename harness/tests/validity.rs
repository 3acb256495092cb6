//! Whether a run says truly whose figures it has: the target's, the generator's, or nobody's. These tests demand valid
//! runs, so each has the machine to itself as far as its own test binary goes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use support::{Server, alone, bmt, get_workload, json, only_operation, run_against};

/// The workload with gates.
fn gated(rate: &str, hold: &str, connections: u32, gates: &str) -> String {
    let workload = get_workload("poisson", rate, hold, connections);
    format!("{}gates: [{gates}]\n", workload.replace("timeout: 10s", "timeout: 1s"))
}

const P99: &str = "{metric: response_p99, operation: get, at_most: 200ms}";
const P99_HIGH: &str = "{metric: response_p99, operation: get, at_most: 60s}";
const ERRORS: &str = "{metric: error_share, operation: get, at_most: 10%}";

#[test]
fn a_healthy_target_gives_a_valid_run_that_passes() {
    let server = Server::start(|_| {});
    let (run, code) = run_against(&gated("400/s", "3s", 50, P99), &server.url(), &[]);
    assert_eq!(
        (code, &run["verdict"]),
        (0, &Json::from("passed")),
        "{}",
        run["reasons"]
    );
    assert_eq!(run["cells"][0]["valid"], true);
    assert_eq!(run["gates"][0]["answer"], "pass");
    assert_eq!(run["gates"][0]["reason"], "one draw");
}

#[test]
fn a_target_that_hangs_fails_its_gates() {
    let server = Server::start(|since_first| {
        if since_first > Duration::from_secs(1) {
            std::thread::sleep(Duration::from_secs(600));
        }
    });
    let (run, code) = run_against(&gated("400/s", "4s", 50, ERRORS), &server.url(), &[]);
    assert_eq!(
        (code, &run["verdict"]),
        (99, &Json::from("failed")),
        "{}",
        run["reasons"]
    );
    // Whether it waited for a connection or for an answer, to its caller each call ran out of its second.
    let get = only_operation(&run);
    let unanswered: u64 = ["timeout", "not_accepted"]
        .iter()
        .filter_map(|outcome| get["outcomes"][outcome].as_u64())
        .sum();
    assert!(unanswered > 1000, "{}", get["outcomes"]);
    assert!(
        get["response_us"]["timeout"]["p50"].as_u64().unwrap() >= 1_000_000,
        "{}",
        get["response_us"]
    );
    assert_eq!(get["unsent"], 0, "{}", get["unsent_causes"]);
}

#[test]
fn one_connection_to_a_healthy_target_is_the_generators_fault() {
    let server = Server::start(|_| std::thread::sleep(Duration::from_millis(20)));
    let (run, code) = run_against(&gated("400/s", "3s", 1, ERRORS), &server.url(), &[]);
    assert_eq!(code, 120, "{}", run["reasons"]);
    assert!(only_operation(&run)["unsent"].as_u64().unwrap() > 100);
    assert_eq!(only_operation(&run)["outcomes"].get("not_accepted"), None);
}

/// Not a test by itself: the server of the test below, in its network namespace.
#[test]
fn a_server_for_another_process() {
    let Ok(port) = std::env::var("BMT_TEST_SERVER_PORT") else {
        return;
    };
    let server = Server::on(port.parse().unwrap(), |_| {
        std::thread::sleep(Duration::from_millis(500));
    });
    println!("serving on {}", server.address);
    std::thread::sleep(Duration::from_secs(30));
}

#[test]
fn a_machine_that_runs_out_of_ports_is_named_as_the_cause() {
    let _alone = alone();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("workload.yaml");
    // 100/s of half a second each want 50 connections; there are 20 ports.
    std::fs::write(&file, gated("100/s", "3s", 200, ERRORS)).unwrap();
    let script = format!(
        "ip link set lo up && echo '40000 40019' > /proc/sys/net/ipv4/ip_local_port_range || exit 77
         BMT_TEST_SERVER_PORT=8080 '{server}' --exact a_server_for_another_process >/dev/null 2>&1 &
         server=$!
         trap 'kill $server' EXIT
         sleep 1
         '{bmt}' run '{file}' --target http://127.0.0.1:8080 --format json --out '{out}'",
        server = std::env::current_exe().unwrap().display(),
        bmt = env!("CARGO_BIN_EXE_bmt"),
        file = file.display(),
        out = out.path().display(),
    );
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", &script])
        .stdin(Stdio::null())
        .output();
    let Some(output) = output
        .ok()
        .filter(|output| !matches!(output.status.code(), Some(1 | 77)))
    else {
        eprintln!("SKIPPED: not allowed to make a network namespace with few ports here");
        return;
    };
    let run = json(&output);
    assert_eq!(output.status.code(), Some(120), "{}", run["reasons"]);
    assert!(
        run["reasons"].to_string().contains("EADDRNOTAVAIL"),
        "{}",
        run["reasons"]
    );
    let causes = &only_operation(&run)["unsent_causes"];
    assert!(causes["EADDRNOTAVAIL"].as_u64().unwrap() > 0, "{causes}");
}

/// Busy loops that go before everything else, on every CPU, for a while: the kernel leaves a twentieth of each second
/// to the others.
fn starve(seconds: u32) -> Vec<std::process::Child> {
    let cpus = std::thread::available_parallelism().unwrap().get();
    let busy = (0..cpus).map(|cpu| {
        Command::new("timeout")
            .args([
                &seconds.to_string(),
                "taskset",
                "-c",
                &cpu.to_string(),
                "chrt",
                "--rr",
                "50",
            ])
            .args(["sh", "-c", "while :; do :; done"])
            .spawn()
            .unwrap()
    });
    busy.collect()
}

/// `bmt run`, on its way; its results go beside the workload.
fn started(file: &std::path::Path, server: &Server) -> std::process::Child {
    let mut command = bmt(&["run", file.to_str().unwrap(), "--target", &server.url()]);
    command.args(["--format", "json", "--out"]).arg(file.parent().unwrap());
    command.spawn().unwrap()
}

fn may_starve() -> bool {
    let tried = Command::new("chrt").args(["--rr", "50", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn a_generator_that_is_starved_in_one_phase_passes_no_gate_on_it() {
    let _alone = alone();
    if !may_starve() {
        eprintln!("SKIPPED: not allowed to starve the generator here");
        return;
    }
    let server = Server::start(|_| {});
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("workload.yaml");
    let workload = gated(
        "300/s",
        "3s",
        50,
        "{metric: response_p99, operation: get, phase: spike, at_most: 60s}",
    )
    .replace(
        "{kind: constant, target: 300/s, hold: 3s}",
        "{kind: spike, base: 300/s, target: 300/s, base_hold: 3s, spike_hold: 3s}",
    );
    std::fs::write(&file, workload).unwrap();
    let run = started(&file, &server);
    std::thread::sleep(Duration::from_millis(3_500));
    let mut busy = starve(3);
    let output = run.wait_with_output().unwrap();
    busy.iter_mut().for_each(|child| drop(child.wait()));
    let run = json(&output);
    assert_eq!(output.status.code(), Some(120), "{}", run["reasons"]);
    let reasons = run["reasons"].to_string();
    assert!(reasons.contains("spike: of the median of get"), "{reasons}");
    assert!(reasons.contains("the generator's own lateness"), "{reasons}");
}

/// A run that stands still for a second, two seconds after it was started.
fn standing_still(more: &str) -> Output {
    let server = Server::start(|_| {});
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("workload.yaml");
    // Nothing times out, few connections: most of what is late is sent on a connection that another has just left.
    let workload = get_workload("poisson", "400/s", "4s", 20);
    std::fs::write(&file, format!("{workload}{more}")).unwrap();
    let _alone = alone();
    let run = started(&file, &server);
    std::thread::sleep(Duration::from_secs(2));
    let process = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    run.wait_with_output().unwrap()
}

#[test]
fn a_block_in_which_the_generator_stood_still_is_set_aside_where_another_is_to_spare() {
    let output = standing_still(&format!("spare_blocks: 1\ngates: [{P99}]\n"));
    let run = json(&output);
    assert_eq!(output.status.code(), Some(0), "{}", run["reasons"]);
    assert_eq!(run["verdict"], "passed");
    let aside = run["set_aside"].as_array().unwrap();
    assert_eq!((aside.len(), &aside[0]["block"]), (1, &Json::from(1)));
    assert_eq!(aside[0]["cells"][0]["valid"], false);
    let reason = aside[0]["reason"].as_str().unwrap();
    assert!(reason.contains("the generator's own lateness"), "{reason}");
    let cells = run["cells"].as_array().unwrap();
    assert_eq!((cells.len(), &cells[0]["block"]), (1, &Json::from(2)));
    assert_eq!(run["gates"][0]["blocks"].as_array().unwrap().len(), 1);
}

#[test]
fn a_generator_that_stands_still_owns_the_backlog_that_it_comes_back_to() {
    let output = standing_still(&format!("gates: [{P99_HIGH}]\n"));
    let run = json(&output);
    let get = only_operation(&run);
    let (whole, net) = (
        get["response_us"]["ok"]["p99"].as_u64().unwrap(),
        get["response_net_us"]["ok"]["p99"].as_u64().unwrap(),
    );
    assert!(whole > 800_000, "nobody stood still: p99 {whole} us");
    assert!(net < 200_000, "p99 {whole} us, of which the target's {net} us");
    assert_eq!(output.status.code(), Some(120), "{}", run["reasons"]);
    let reasons = run["reasons"].to_string();
    assert!(reasons.contains("the generator's own lateness"), "{reasons}");
}

#[test]
fn a_url_that_is_none_and_a_target_that_is_not_there_are_told_apart() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("workload.yaml");
    std::fs::write(&file, get_workload("poisson", "10/s", "1s", 5)).unwrap();
    let run = |target: &str| {
        let arguments = ["run", file.to_str().unwrap(), "--target", target, "--out"];
        bmt(&arguments)
            .arg(out.path().join("out"))
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(run("nonsense"), Some(2));
    assert!(
        !out.path().join("out").exists(),
        "no run directory of a run that never was"
    );
    assert_eq!(run("http://127.0.0.1:1"), Some(121));
}
