//! What is started in a sandbox with CPUs of its own runs there from the beginning, wherever its owner runs.
//!
//! With a single CPU these tests print a line and pass: nothing can be kept apart there.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bmt_sandbox::{Redis, Sandbox, Shard, ShardOptions, Stream, Streams, Template};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins this thread to one CPU, as `--pin` does; returns another one.
fn pinned_elsewhere() -> Option<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let (own, other) = (cpus.next().unwrap(), cpus.next());
    if other.is_none() {
        eprintln!("SKIPPED, NOTHING WAS TESTED: this process may use one CPU only");
    }
    let mut set = CpuSet::new();
    set.set(own);
    sched_setaffinity(None, &set).unwrap();
    other
}

fn affinity(status: &Path) -> Option<String> {
    let text = std::fs::read_to_string(status).ok()?;
    let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().to_owned())
}

/// Asserts that every thread of the process may use this CPU alone.
fn assert_all_on(cpu: usize, pid: u32) {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists: Vec<String> = tasks
        .flatten()
        .filter_map(|task| affinity(&task.path().join("status")))
        .collect();
    assert!(
        !lists.is_empty() && lists.iter().all(|list| *list == cpu.to_string()),
        "{lists:?}"
    );
}

#[tokio::test]
async fn a_child_and_what_it_starts_at_once_never_run_anywhere_else() {
    let Some(cpu) = pinned_elsewhere() else { return };
    let sandbox = Sandbox::on_cpus(&[cpu]).unwrap();
    let streams = Streams {
        stdout: Stream::Piped,
        stderr: Stream::Log,
    };
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "(cat /proc/self/status & wait; cat /proc/$$/status) | grep Cpus_allowed_list; sleep 30",
    ]);
    let mut child = sandbox.spawn("sh", command, &streams).unwrap();
    for _ in 0..2 {
        let line = child.first_line(Duration::from_secs(30)).await.unwrap();
        assert_eq!(line.split_whitespace().last(), Some(cpu.to_string().as_str()), "{line}");
    }
    assert_all_on(cpu, child.pid());
    let own = affinity(Path::new("/proc/thread-self/status")).unwrap();
    assert_ne!(own, cpu.to_string(), "the owner stays where it was");
}

#[tokio::test]
async fn servers_stay_there_when_they_are_started_again() {
    let Some(cpu) = pinned_elsewhere() else { return };
    let sandbox = Sandbox::on_cpus(&[cpu]).unwrap();
    let template = Template::init(&sandbox).await.unwrap();
    for slow_disk in [false, true] {
        let options = ShardOptions {
            slow_disk,
            ..ShardOptions::default()
        };
        let mut shard = Shard::start(&sandbox, &template, options).await.unwrap();
        assert_all_on(cpu, shard.pid());
        shard.restart().await.unwrap();
        assert_all_on(cpu, shard.pid());
    }
    let mut redis = Redis::start(&sandbox).await.unwrap();
    assert_all_on(cpu, redis.pid());
    redis.restart().await.unwrap();
    assert_all_on(cpu, redis.pid());
}

#[test]
fn cpus_that_do_not_exist_are_an_error() {
    for cpu in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU] {
        let sandbox = Sandbox::on_cpus(&[cpu]).unwrap();
        let error = sandbox
            .spawn("true", Command::new("true"), &Streams::default())
            .unwrap_err();
        assert!(error.to_string().contains(&format!("CPUs [{cpu}]")), "{error}");
    }
}
