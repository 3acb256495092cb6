//! Every fault comes, goes, and leaves nothing behind: real databases, a real server, the command itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use rustix::process::Signal;
use serde_json::Value as Json;
use support::storm::{PAUSE, Place, assert_every_arrival_is_accounted_for, exit_code, signal};
use support::wait_until;

const WORKLOAD: &str = "
name: small-faults
question: Does every fault come and go?
target: {shards: 2, settings: {pool: {size: 8, acquire_timeout: 500ms}, storage_timeout: 1s, requests: {in_progress: 64, waiting: 256, wait: 300ms}}}
generator: {connections: 256, waiting: 2048, timeout: 3s}
profile: {kind: constant, target: 30/s, hold: 30s}
arrivals: uniform
chats:
  hot: {members: 20}
  quiet: {count: 12, members: 5}
traffic:
  hot_join: {operation: join, chats: hot, share: 1}
  quiet_join: {operation: join, chats: quiet, rate: 30/s}
variants:
  - name: only
    settings: {member_count: {aggregate_slots: {slots: 8}}}
";

/// The workload with faults: after, for, inject.
fn faults(rows: &[(&str, &str, &str)]) -> String {
    let mut text = format!("{WORKLOAD}faults:\n");
    for (after, lasts, inject) in rows {
        text.push_str(&format!("  - {{after: {after}, for: {lasts}, inject: {inject}}}\n"));
    }
    text
}

/// The lines of a file of the only cell's directory.
fn lines(place: &Place, name: &str) -> Vec<Json> {
    let found = support::storm::walk(&place.out())
        .into_iter()
        .find(|file| file.ends_with(name));
    let text = std::fs::read_to_string(found.unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The state of a process, as `ps` has it; `None` when there is no such process.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Ids of the processes of the place that are stopped.
fn stopped(place: &Place) -> Vec<i32> {
    let pids = place.processes().into_iter().map(|(pid, _)| pid);
    pids.filter(|pid| state(*pid) == Some('T')).collect()
}

fn assert_undone(fault: &Json) {
    assert_eq!(fault["problem"], Json::Null, "{fault}");
    assert!(
        fault["end_s"].as_f64().unwrap() > fault["start_s"].as_f64().unwrap(),
        "{fault}"
    );
}

/// The row of a shard in a fault's blast radius.
fn of_shard(fault: &Json, shard: u64) -> &Json {
    let shards = fault["shards"].as_array().unwrap();
    shards.iter().find(|row| row["shard"] == shard).unwrap()
}

/// A fault that only makes its shard slow: the shard, and half of what it adds to a call, in microseconds.
fn slowed(fault: &Json) -> Option<(usize, u64)> {
    let half_us = match fault["kind"].as_str().unwrap() {
        "slow_disk" | "delay_connections" => 50_000,
        // Some call of each second waits nearly as long as the lock is held, and so long is the p99 of a few dozen
        // calls.
        "slow_queries" => 150_000,
        _ => return None,
    };
    let shards = fault["shards"].as_array().unwrap();
    let shard = shards.iter().position(|row| row["sick"] == true).unwrap();
    Some((shard, half_us))
}

/// Some second from a fault's end to `to_s` in which every call to every shard was answered well; and by its shard
/// without what it added, since a shard that stays slow answers well, too.
fn assert_serves_again(run: &Json, fault: &Json, to_s: f64) {
    let shards = run["cells"][0]["timeline"]["shards"].as_array().unwrap();
    let seconds = fault["end_s"].as_f64().unwrap().ceil() as usize..to_s.floor() as usize;
    let slowed = slowed(fault);
    let is_well = |second: usize| {
        let at = |shard: &Json, what: &str| shard[what][second].as_u64().unwrap();
        let is_quick = |(shard, half_us): (usize, u64)| at(&shards[shard], "ok_p99_us") < half_us;
        shards
            .iter()
            .all(|shard| at(shard, "requests") > 0 && at(shard, "not_ok") == 0)
            && slowed.is_none_or(is_quick)
    };
    assert!(
        seconds.clone().any(is_well),
        "no good second in {seconds:?} after {}: {}",
        fault["kind"],
        run["cells"][0]["timeline"]
    );
}

#[test]
fn every_fault_of_shards_and_server_is_felt_where_it_should_be_and_undone() {
    let place = Place::of(&faults(&[
        ("2s", "1500ms", "{pause_shard: 0}"),
        ("6s", "1s", "{kill_shard: 0}"),
        ("10s", "1s", "{slow_disk: {shard: 1, by: 100ms}}"),
        ("14s", "1s", "{slow_queries: {shard: 1, hold: 300ms}}"),
        ("18s", "1s", "{cut_connections: 0}"),
        ("22s", "1s", "{delay_connections: {shard: 0, by: 50ms}}"),
        ("26s", "1s", "pause_server"),
    ]));
    let run = place.result(&[], &[0]);
    let cell = &run["cells"][0];
    assert_eq!(cell["ended_early"], Json::Null, "no fault is taken for a lost target");
    cell["phases"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(assert_every_arrival_is_accounted_for);
    let faults = cell["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 7);
    for (index, fault) in faults.iter().enumerate() {
        assert_undone(fault);
        let next_s = faults
            .get(index + 1)
            .map_or(30.0, |next| next["start_s"].as_f64().unwrap());
        assert_serves_again(&run, fault, next_s);
    }
    let error_rate = |index: usize, shard| of_shard(&faults[index], shard)["error_rate_during"].as_f64().unwrap();
    let p99_ms = |index: usize, shard| of_shard(&faults[index], shard)["p99_during_us"].as_u64().unwrap() / 1000;
    assert!(p99_ms(0, 0) >= 500 || error_rate(0, 0) > 0.5, "paused: {}", faults[0]);
    assert!(error_rate(1, 0) > 0.9, "killed: {}", faults[1]);
    assert!(p99_ms(2, 1) >= 100, "each commit flushes at least once: {}", faults[2]);
    assert!(
        p99_ms(3, 1) >= 100,
        "some wait nearly as long as the lock is held: {}",
        faults[3]
    );
    assert!(error_rate(4, 0) > 0.9, "cut: {}", faults[4]);
    assert!(p99_ms(5, 0) >= 100, "a query and its answer: {}", faults[5]);
    assert!(
        p99_ms(6, 0) >= 500 && p99_ms(6, 1) >= 500,
        "everybody waits for the server: {}",
        faults[6]
    );
    assert_the_others_stay_observed(&lines(&place, "observed.jsonl"), &faults[0]);
    place.assert_nothing_left();
}

/// While a shard stands still it is `null`, and the other one is seen as often as ever; later both are seen.
fn assert_the_others_stay_observed(samples: &[Json], pause: &Json) {
    let (from_s, to_s) = (pause["start_s"].as_f64().unwrap(), pause["end_s"].as_f64().unwrap());
    let at_s = |sample: &&Json| sample["at_s"].as_f64().unwrap();
    let during: Vec<&Json> = samples
        .iter()
        .filter(|sample| (from_s + 0.1..to_s - 0.2).contains(&at_s(sample)))
        .collect();
    assert!(during.len() >= 8, "ten a second: {}", during.len());
    assert!(during.iter().all(|sample| sample["shards"][0].is_null()), "{during:?}");
    let seen = during.iter().filter(|sample| !sample["shards"][1].is_null()).count();
    assert!(seen * 2 > during.len(), "{seen} of {}", during.len());
    let last = samples.iter().rfind(|sample| !sample["processes"].is_null()).unwrap();
    assert!(
        last["processes"]["shard 0"]["rss_bytes"].as_u64().unwrap() > 0,
        "the one that was started again: {last}"
    );
    assert!(!last["shards"][0].is_null() && !last["shards"][1].is_null(), "{last}");
}

const MEMBERS: u64 = 50;

const FOLLOWED: &str = "
name: small-faults-of-events
question: Is an acknowledged event ever lost?
target: {shards: 2, settings: {storage_timeout: 1s}}
generator: {connections: 200, waiting: 1000, timeout: 3s}
profile: {kind: constant, target: 20/s, hold: 12s, warm_up: 2s}
arrivals: uniform
chats:
  hot: {members: 50}
traffic:
  hot_send: {operation: send, chats: hot, share: 1}
  hot_fetch: {operation: {follow: {online: 50, connect: 200/s, delay: 20ms, poll: 2s, stale_after: 2s}}, chats: hot}
variants:
  - name: only
faults:
  - {phase: constant, after: 1s, for: 1s, inject: pause_redis}
  - {phase: constant, after: 3s, for: 1s, inject: kill_redis}
  - {phase: constant, after: 5s, for: 1s, inject: {kill_shard: 0}}
  - {phase: constant, after: 9s, for: 1s, inject: {pause_shard: 0}}
";

#[test]
fn no_acknowledged_event_is_lost_over_faults_of_redis_and_of_the_shard() {
    let place = Place::of(FOLLOWED);
    let run = place.result(&[], &[0]);
    let cell = &run["cells"][0];
    cell["faults"].as_array().unwrap().iter().for_each(assert_undone);
    let phases = cell["phases"].as_array().unwrap();
    let sum = |pointer: &str| -> u64 {
        let value = |phase: &Json| phase.pointer(pointer).and_then(Json::as_u64).unwrap();
        phases.iter().map(value).sum()
    };
    let (events, received) = (sum("/fanout/events"), sum("/fanout/freshness_us/count"));
    assert!(events > 100, "{events}");
    assert_eq!(sum("/fanout/revisions_skipped"), 0);
    assert_eq!(
        phases.last().unwrap()["fanout"]["stale_members_end"],
        0,
        "{}",
        phases.last().unwrap()["fanout"]
    );
    // One whose acknowledgement the kill cut off is in the chat as well.
    assert!(received >= events * MEMBERS, "{received} of {events} × {MEMBERS}");
    let samples = lines(&place, "observed.jsonl");
    let last = samples.iter().rfind(|sample| !sample["processes"].is_null()).unwrap();
    assert!(
        last["processes"]["redis"]["rss_bytes"].as_u64().unwrap() > 0,
        "the one that was started again: {last}"
    );
    place.assert_nothing_left();
}

/// Everything that can be broken at once, for longer than the run will last.
fn all_at_once() -> Place {
    Place::of(&faults(&[
        ("1s", "18s", "{slow_disk: {shard: 1, by: 50ms}}"),
        ("1s", "18s", "{delay_connections: {shard: 1, by: 20ms}}"),
        ("1100ms", "18s", "{slow_queries: {shard: 1, hold: 300ms}}"),
        ("1200ms", "18s", "{cut_connections: 0}"),
        ("1300ms", "18s", "{pause_shard: 0}"),
        ("1400ms", "18s", "{kill_shard: 1}"),
        ("1500ms", "18s", "pause_server"),
    ]))
}

fn wait_until_broken(place: &Place) {
    wait_until("a shard and the server stand still", || {
        std::thread::sleep(PAUSE);
        stopped(place).len() == 2
    });
}

#[test]
fn a_run_that_is_stopped_in_mid_fault_undoes_it() {
    let place = all_at_once();
    let mut run = place.run(&[]).spawn().unwrap();
    wait_until_broken(&place);
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    let result = place.run_json();
    assert_eq!(result["verdict"], "interrupted");
    let faults = result["cells"][0]["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 7);
    faults.iter().for_each(assert_undone);
    place.assert_nothing_left();
}

#[test]
fn faults_that_follow_each_other_closely_do_not_undo_each_other() {
    let place = Place::of(&faults(&[
        ("2s", "2s", "{pause_shard: 0}"),
        ("5s", "2s", "{pause_shard: 0}"),
        ("8s", "2s", "{kill_shard: 0}"),
        ("11s", "2s", "{pause_shard: 0}"),
    ]));
    let run = place.result(&["--set", "profile.hold=16s"], &[0]);
    let cell = &run["cells"][0];
    assert_eq!(cell["ended_early"], Json::Null, "no fault is taken for a lost target");
    let faults = cell["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 4);
    let seconds = |fault: &Json, key: &str| fault[key].as_f64().unwrap();
    for pair in faults.windows(2) {
        assert!(seconds(&pair[0], "end_s") <= seconds(&pair[1], "start_s"), "{pair:?}");
    }
    for fault in faults {
        assert_undone(fault);
        // A resumed shard would answer half a second after the resume at the latest.
        let sick = of_shard(fault, 0);
        let is_felt =
            sick["error_rate_during"].as_f64().unwrap() > 0.5 || sick["p99_during_us"].as_u64().unwrap() >= 1_000_000;
        assert!(is_felt, "{fault}");
    }
    place.assert_nothing_left();
}

#[test]
fn ctrl_c_does_not_wait_for_a_fault_that_is_being_injected() {
    // The tables of a shard that stands still cannot be locked: the injection takes its whole patience of 5 s.
    let place = Place::of(&faults(&[
        ("1s", "20s", "{pause_shard: 0}"),
        ("2s", "20s", "{slow_queries: {shard: 0, hold: 300ms}}"),
        ("25s", "1s", "pause_server"),
    ]));
    let mut run = place.run(&[]).spawn().unwrap();
    wait_until("the shard stands still", || stopped(&place).len() == 1);
    // It has stood still since the first second, and the second injection begins in the next one.
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    let result = place.run_json();
    let cell = &result["cells"][0];
    let end_s = cell["phases"].as_array().unwrap().last().unwrap()["end_s"]
        .as_f64()
        .unwrap();
    assert!(
        end_s < 6.5,
        "the generator went on until the injection gave up: {end_s}"
    );
    let faults = cell["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 3, "also what was never begun is in the record");
    assert_undone(&faults[0]);
    let problem = |index: usize| faults[index]["problem"].as_str().unwrap();
    assert!(problem(1).contains("interrupted"), "{}", faults[1]);
    assert!(faults[1]["end_s"].is_f64(), "{}", faults[1]);
    assert!(problem(2).contains("not reached: the cell ended at"), "{}", faults[2]);
    assert_eq!(faults[2]["start_s"], Json::Null, "{}", faults[2]);
    place.assert_nothing_left();
}

#[test]
fn a_target_that_is_lost_in_mid_fault_is_cleaned_up_and_not_confused_with_the_fault() {
    let place = all_at_once();
    let mut run = place.run(&[]).spawn().unwrap();
    wait_until_broken(&place);
    signal(place.process("hotchat --config"), Signal::KILL);
    assert_eq!(exit_code(&mut run), 121);
    let result = place.run_json();
    assert!(
        result["cells"][0]["ended_early"].as_str().unwrap().contains("hotchat"),
        "{result}"
    );
    result["cells"][0]["faults"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(assert_undone);
    place.assert_nothing_left();
}

#[test]
fn kill_9_in_mid_fault_leaves_nothing_standing_still() {
    let place = all_at_once();
    let mut run = place.run(&[]).spawn().unwrap();
    wait_until_broken(&place);
    let still = stopped(&place);
    signal(i32::try_from(run.id()).unwrap(), Signal::KILL);
    assert_eq!(exit_code(&mut run), -1);
    place.assert_nothing_left();
    for pid in still {
        // A zombie has ended; whoever inherited it has not yet looked.
        assert!(matches!(state(pid), None | Some('Z')), "{pid}: {:?}", state(pid));
    }
}

#[test]
fn what_somebody_else_started_is_not_touched() {
    let place = Place::of(&faults(&[
        ("2s", "1s", "{pause_shard: 0}"),
        ("4s", "1s", "pause_server"),
    ]));
    let output = place.run(&["--target", "http://127.0.0.1:1"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(104), "{errors}");
    for told in [
        "faults.0.inject: `pause_shard` would touch a process that bmt did not start",
        "faults.1.inject: `pause_server` would",
        "{pause_shard: 0}",
    ] {
        assert!(errors.contains(told), "{errors}");
    }
    assert!(
        std::fs::read_dir(place.out()).unwrap().next().is_none(),
        "nothing was begun"
    );
}
