//! A short storm on real databases, with everything that it starts below a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value as Json;

use super::{bmt, wait_until};

/// A small join storm: seconds, not minutes.
pub(crate) const WORKLOAD: &str = "
name: small-storm
question: Does the whole flow hold together?
target: {shards: 2, settings: {pool: {size: 16, acquire_timeout: 2s}, requests: {in_progress: 64, waiting: 256, wait: 500ms}}}
generator: {connections: 512, waiting: 4096, timeout: 3s}
profile: {kind: bmt, warm_up: 1s, base: 50/s, target: 1200/s, steps: 1, hold: 1s, base_hold: 2s, spike_hold: 3s}
chats:
  hot: {members: 200}
  quiet: {count: 12, members: 5, zipf: 1.0}
traffic:
  hot_join: {operation: join, chats: hot, share: 1}
  quiet_join: {operation: join, chats: quiet, rate: 20/s}
  quiet_count: {operation: count, chats: quiet, rate: 20/s}
variants:
  - name: before
    settings: {insert: select_not_exists, autoinc_lock_mode: 1, member_count: query_cache}
  - name: slots
    settings: {insert: values, autoinc_lock_mode: 2, member_count: {aggregate_slots: {slots: 8}}}
";

/// Where a test's runs keep their results and their temporary files. No other test runs anything meanwhile.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    _alone: super::Alone,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::of(WORKLOAD)
    }

    pub(crate) fn of(workload: &str) -> Self {
        let _alone = super::alone();
        let dir = tempfile::tempdir().unwrap();
        for sub in ["out", "tmp"] {
            std::fs::create_dir(dir.path().join(sub)).unwrap();
        }
        std::fs::write(dir.path().join("workload.yaml"), workload).unwrap();
        Self { dir, _alone }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.dir.path().join("tmp")
    }

    /// `bmt run` of the workload, with its temporary files here.
    pub(crate) fn run(&self, more: &[&str]) -> Command {
        let hotchat = Path::new(env!("CARGO_BIN_EXE_bmt")).with_file_name("hotchat");
        assert!(
            hotchat.is_file(),
            "{} is missing; run `cargo build --workspace` first",
            hotchat.display()
        );
        let workload = self.dir.path().join("workload.yaml");
        let mut command = bmt(&["run", workload.to_str().unwrap(), "--out", self.out().to_str().unwrap()]);
        command.args(more).env("TMPDIR", self.tmp());
        command
    }

    /// The result of a run that ends in one of the `ways`.
    pub(crate) fn result(&self, more: &[&str], ways: &[i32]) -> serde_json::Value {
        let output = self.run(&[&["--format", "json"], more].concat()).output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(ways.contains(&code), "{code}: {errors}");
        super::json(&output)
    }

    /// Processes that were started with a file of this place in their command line, by that command line.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let mark = self.tmp().display().to_string();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(&mark).then_some((pid, line))
        })
        .collect()
    }

    /// The process whose command line contains `part`, once there is one.
    pub(crate) fn process(&self, part: &str) -> i32 {
        let mut found = None;
        wait_until(&format!("a process `{part}`"), || {
            found = self
                .processes()
                .into_iter()
                .find(|(_, line)| line.contains(part))
                .map(|(pid, _)| pid);
            found.is_some()
        });
        found.unwrap()
    }

    /// Asserts that the run left no process and no temporary file behind.
    pub(crate) fn assert_nothing_left(&self) {
        wait_until("no process is left", || self.processes().is_empty());
        wait_until("no temporary file is left", || {
            std::fs::read_dir(self.tmp()).unwrap().next().is_none()
        });
    }

    /// Waits until the run has written samples of a phase after the warm-up, so that there is something to lose.
    pub(crate) fn wait_until_driving(&self) {
        wait_until("the first interval is written", || {
            walk(&self.out()).into_iter().any(|file| {
                file.ends_with("observed.jsonl") && std::fs::read_to_string(&file).unwrap().lines().count() > 15
            })
        });
    }

    /// The run's `run.json`.
    pub(crate) fn run_json(&self) -> Json {
        let file = super::run_directory(&self.out()).join("run.json");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }
}

/// Every arrival that was scheduled has a fate, also in a run that was stopped.
pub(crate) fn assert_every_arrival_is_accounted_for(phase: &Json) {
    for (name, operation) in phase["operations"].as_object().unwrap() {
        let count = |key: &str| operation[key].as_u64().unwrap();
        let outcomes = operation["outcomes"].as_object().unwrap();
        let ended: u64 = outcomes.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(
            count("scheduled"),
            ended + count("unsent") + count("cut_off"),
            "{name}: {operation}"
        );
    }
}

pub(crate) fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The exit code of a run, which must end by itself within a minute.
pub(crate) fn exit_code(child: &mut Child) -> i32 {
    let mut status = None;
    wait_until("bmt ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap().code().unwrap_or(-1)
}

pub(crate) const PAUSE: Duration = Duration::from_millis(50);
