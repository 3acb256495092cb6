//! However a run ends: partial results on disk, the promised exit code, nothing left running.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::storm::{PAUSE, Place, assert_every_arrival_is_accounted_for, exit_code, signal};
use support::wait_until;

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn assert_accounted(run: &serde_json::Value) {
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    phases.iter().for_each(assert_every_arrival_is_accounted_for);
    assert!(phases[0]["operations"]["hot_join"]["sent"].as_u64().unwrap() > 0);
}

#[test]
fn ctrl_c_in_mid_run_keeps_what_was_measured() {
    let place = Place::new();
    let mut run = place.run(&[]).spawn().unwrap();
    place.wait_until_driving();
    signal(pid(&run), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    let result = place.run_json();
    assert_eq!(result["verdict"], "interrupted");
    assert_eq!(
        result["cells"].as_array().unwrap().len(),
        1,
        "the second variant was not begun"
    );
    assert!(result["cells"][0]["ended_early"].as_str().unwrap().contains("signal"));
    assert_accounted(&result);
    assert!(support::run_directory(&place.out()).join("report.md").is_file());
    place.assert_nothing_left();
}

#[test]
fn ctrl_c_while_the_target_starts_ends_the_start() {
    // Once while the template is made, once while a shard starts, once while the server starts.
    for stage in ["mariadb-install-db", "--port=", "hotchat --config"] {
        let place = Place::new();
        let mut run = place.run(&[]).spawn().unwrap();
        place.process(stage);
        signal(pid(&run), Signal::INT);
        assert_eq!(exit_code(&mut run), 105, "{stage}");
        assert_eq!(place.run_json()["verdict"], "interrupted", "{stage}");
        place.assert_nothing_left();
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_still_leaves_nothing() {
    let place = Place::new();
    let mut run = place.run(&[]).spawn().unwrap();
    place.wait_until_driving();
    signal(pid(&run), Signal::TERM);
    signal(pid(&run), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    assert!(
        !support::run_directory(&place.out()).join("report.md").exists(),
        "it did not wait to report"
    );
    place.assert_nothing_left();
}

/// A run that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run against a server whose answers take so long, in a folder of its own, once some were asked for.
fn run_against_slow(takes: Duration, seen: &Arc<AtomicUsize>) -> (tempfile::TempDir, Running) {
    let count = Arc::clone(seen);
    let server = support::Server::start(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(takes);
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workload.yaml");
    std::fs::write(&file, support::get_workload("uniform", "10/s", "60s", 50)).unwrap();
    let (file, out) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    let mut command = support::bmt(&["run", file, "--target", &server.url(), "--out", out]);
    let run = Running(command.spawn().unwrap());
    wait_until("some were asked for", || seen.load(Ordering::Relaxed) >= 15);
    (folder, run)
}

#[test]
fn answers_under_way_at_a_ctrl_c_are_recorded_and_nothing_new_is_asked() {
    let _alone = support::alone();
    let seen = Arc::default();
    let (folder, mut running) = run_against_slow(Duration::from_secs(1), &seen);
    let before = seen.load(Ordering::Relaxed);
    signal(pid(&running.0), Signal::INT);
    let since = Instant::now();
    assert_eq!(exit_code(&mut running.0), 105);
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    let asked = seen.load(Ordering::Relaxed);
    assert!(
        asked <= before + 5,
        "half a second's arrivals at most are asked after the signal: {asked} of {before}"
    );
    let text = std::fs::read_to_string(support::run_directory(folder.path()).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&text).unwrap();
    let get = support::only_operation(&run);
    assert_eq!(
        (&get["sent"], &get["outcomes"]["ok"]),
        (&asked.into(), &asked.into()),
        "{get}"
    );
    assert_eq!((&get["cut_off"], &get["unsent"]), (&0.into(), &0.into()), "{get}");
    assert_eq!(run["verdict"], "interrupted");
    let end_s = run["cells"][0]["phases"][0]["end_s"].as_f64().unwrap();
    assert!(
        end_s < asked as f64 / 10.0 + 0.6,
        "the phase ends with the signal: {end_s}"
    );
}

#[test]
fn a_second_ctrl_c_waits_for_no_answer() {
    let _alone = support::alone();
    let (_folder, mut running) = run_against_slow(Duration::from_secs(60), &Arc::default());
    let run = &mut running.0;
    signal(pid(run), Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    assert!(run.try_wait().unwrap().is_none(), "it waits for what is under way");
    signal(pid(run), Signal::INT);
    let since = Instant::now();
    assert_eq!(exit_code(run), 105);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[test]
fn kill_9_leaves_nothing_running() {
    let place = Place::new();
    let mut run = place.run(&[]).spawn().unwrap();
    place.wait_until_driving();
    signal(pid(&run), Signal::KILL);
    assert_eq!(exit_code(&mut run), -1);
    place.assert_nothing_left();
}

#[test]
fn a_server_or_shard_that_dies_ends_the_run_with_what_was_measured() {
    for victim in ["hotchat --config", "--port="] {
        let place = Place::new();
        let run = place.run(&[]).spawn().unwrap();
        place.wait_until_driving();
        signal(place.process(victim), Signal::KILL);
        let output = run.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(121), "{victim}: {errors}");
        assert!(errors.contains("ended by itself"), "{victim}: {errors}");
        let result = place.run_json();
        assert_eq!(result["verdict"], "target_lost", "{victim}");
        assert!(
            result["cells"][0]["ended_early"].as_str().unwrap().contains("lost"),
            "{victim}"
        );
        assert_accounted(&result);
        place.assert_nothing_left();
    }
}

#[test]
fn a_target_of_somebody_else_that_dies_is_counted_as_errors() {
    let server = support::Server::start(|since_first| {
        if since_first.as_millis() > 1_000 {
            std::thread::sleep(Duration::from_secs(60));
        }
    });
    let workload = support::get_workload("poisson", "200/s", "3s", 50).replace("timeout: 10s", "timeout: 500ms");
    let (run, code) = support::run_against(&workload, &server.url(), &[]);
    let outcomes = &support::only_operation(&run)["outcomes"];
    assert!(
        outcomes["ok"].as_u64().unwrap() > 100 && outcomes["timeout"].as_u64().unwrap() > 100,
        "{outcomes}"
    );
    let service = &support::only_operation(&run)["response_us"];
    assert!(
        service["ok"]["max"].as_u64().unwrap() < 500_000,
        "time-outs are kept apart: {service}"
    );
    assert_eq!(
        code, 0,
        "without gates a target that hangs is measured, and that is all: {}",
        run["reasons"]
    );
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let place = Place::new();
    for (variable, named) in [
        ("BMT_MARIADBD", "BMT_MARIADBD"),
        ("BMT_HOTCHAT", "cargo build --release --workspace"),
    ] {
        let output = place.run(&[]).env(variable, "/no/such/file").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(121), "{errors}");
        assert!(errors.contains("/no/such/file") && errors.contains(named), "{errors}");
    }
    place.assert_nothing_left();
}

#[test]
fn a_full_disk_is_named_with_its_remedy() {
    let place = Place::new();
    // A file system of 30 MB cannot hold a database.
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=30m", "tmpfs"])
        .arg(place.tmp())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not allowed to mount a small file system here; the sandbox's own tests cover the message");
        return;
    }
    let output = place.run(&[]).output().unwrap();
    wait_until("the small file system is free again", || {
        std::thread::sleep(PAUSE);
        std::process::Command::new("umount")
            .arg(place.tmp())
            .status()
            .unwrap()
            .success()
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(121), "{errors}");
    assert!(
        errors.to_lowercase().contains("space") || errors.contains("disk full"),
        "{errors}"
    );
}
