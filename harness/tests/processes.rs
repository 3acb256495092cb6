//! The processes that a run starts: which CPUs they use, and what is told of one that dies.

mod support;

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, sched_getaffinity};
use support::storm::{Place, exit_code, signal};
use support::wait_until;

/// Whether each thread of the process may use this CPU; empty where the process has ended.
fn may_use(pid: i32, cpu: usize) -> Vec<bool> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| Pid::from_raw(task.file_name().to_str()?.parse().ok()?))
        .filter_map(|task| Some(sched_getaffinity(Some(task)).ok()?.is_set(cpu)))
        .collect()
}

#[test]
fn what_a_pinned_run_starts_never_has_the_cpus_of_the_generator() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let (Some(generator), Some(_)) = (cpus.next(), cpus.next()) else {
        eprintln!("SKIPPED, NOTHING WAS TESTED: this process may use one CPU only");
        return;
    };
    let place = Place::new();
    let mut run = place.run(&["--pin", &generator.to_string()]).spawn().unwrap();
    let stages = ["mariadb-install-db", "--port=", "hotchat --config"];
    let mut seen = BTreeSet::new();
    // All the time, so that each is seen soon after it was started.
    wait_until("everything is started", || {
        for (pid, line) in place.processes() {
            let Some(stage) = stages.iter().find(|stage| line.contains(**stage)) else {
                continue; // the reaper, or what the installer starts
            };
            let threads = may_use(pid, generator);
            if !threads.is_empty() {
                assert!(!threads.contains(&true), "{line}: {threads:?}");
                seen.insert(*stage);
            }
        }
        seen.len() == stages.len()
    });
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    place.assert_nothing_left();
}

#[test]
fn a_shard_that_dies_is_told_in_few_lines_and_its_log_is_kept() {
    let place = Place::new();
    let mut command = place.run(&[]);
    let run = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    place.wait_until_driving();
    signal(place.process("--port="), Signal::KILL);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(121));
    let early = place.run_json()["cells"][0]["ended_early"].as_str().unwrap().to_owned();
    assert!(early.lines().count() <= 13, "{early}");
    assert!(!early.contains("[Note]"), "{early}");
    let cell = support::run_directory(&place.out()).join("cells/before-1");
    for shard in ["shard-0.log", "shard-1.log"] {
        let log = std::fs::read_to_string(cell.join(shard)).unwrap();
        assert!(log.contains("ready for connections"), "{shard}: {log}");
    }
    assert!(
        early.contains("shard-0.log") || early.contains("shard-1.log"),
        "{early}"
    );
    place.assert_nothing_left();
}
