use std::collections::BTreeMap;

use super::Observed;
use crate::observe::{MachineSample, ProcessSample, Sample, ShardCounters, ShardSample, TargetCpu};

const PHASES: [(f64, f64); 2] = [(0.0, 2.0), (2.0, 4.0)];

fn shard(waiters: u64, row_lock_waits: u64) -> Option<ShardSample> {
    let counters = ShardCounters {
        row_lock_waits,
        ..ShardCounters::default()
    };
    Some(ShardSample {
        autoinc_waiters: waiters,
        query_cache_waiters: 0,
        counters: Some(counters),
    })
}

fn waiting(waiters: u64) -> Option<ShardSample> {
    Some(ShardSample {
        autoinc_waiters: waiters,
        ..ShardSample::default()
    })
}

fn sample(at_s: f64, shards: Vec<Option<ShardSample>>) -> Sample {
    let process = ProcessSample {
        pid: 1,
        cpu_s: at_s / 2.0,
        rss_bytes: (at_s * 10.0) as u64,
    };
    Sample {
        shards,
        processes: BTreeMap::from([("server".to_owned(), process)]),
        ..Sample::empty(at_s, 0)
    }
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[test]
fn waiters_are_integrated_over_time() {
    let mut observed = Observed::new(&PHASES, 1);
    for tenth in 0..=45 {
        let waiters = if tenth >= 20 { 5 } else { 0 };
        observed.take(&sample(f64::from(tenth) / 10.0, vec![shard(waiters, 0)]));
    }
    let quiet = observed.contention(0).unwrap();
    assert_eq!((quiet.autoinc_waiters_max, quiet.autoinc_wait_s), (0, 0.0));
    let storm = observed.contention(1).unwrap();
    assert_eq!((storm.autoinc_waiters_max, storm.samples), (5, 20));
    assert!(
        close(storm.autoinc_wait_s, 10.0),
        "5 waiters for 2 s: {}",
        storm.autoinc_wait_s
    );
    assert!(storm.unobserved_s < 1e-6, "{}", storm.unobserved_s);
}

#[test]
fn what_grew_across_a_boundary_is_shared_by_time() {
    let mut observed = Observed::new(&PHASES, 1);
    for (at_s, waits) in [(0.0, 100), (1.5, 100), (2.5, 200), (9.0, 330)] {
        observed.take(&sample(at_s, vec![shard(0, waits)]));
    }
    assert_eq!(observed.contention(0).unwrap().row_lock_waits, Some(50));
    // 50 of the 100 between 1.5 s and 2.5 s, and 30 of the 130 in the next 6.5 s; the rest came after the last phase.
    assert_eq!(observed.contention(1).unwrap().row_lock_waits, Some(80));
    assert!(close(observed.resources(0)["server"].cpu_s, 1.0));
    assert_eq!(observed.resources(1)["server"].rss_max_bytes, Some(25));
}

#[test]
fn a_reading_that_was_missed_loses_nothing() {
    let mut observed = Observed::new(&PHASES, 1);
    observed.take(&sample(0.0, vec![shard(4, 100)]));
    observed.take(&sample(0.2, vec![None]));
    observed.take(&sample(0.4, vec![shard(0, 150)]));
    let seen = observed.contention(0).unwrap();
    assert_eq!(seen.row_lock_waits, Some(50));
    assert!(close(seen.autoinc_wait_s, 1.6), "{}", seen.autoinc_wait_s);
}

#[test]
fn the_silence_of_a_shard_is_unobserved_time_and_not_waiting() {
    let mut observed = Observed::new(&PHASES, 2);
    for tenth in 0..=45 {
        let at_s = f64::from(tenth) / 10.0;
        // The second shard is paused from 1.0 s to 3.0 s, and had 8 waiters when it was last seen.
        let second = match tenth {
            ..10 => waiting(0),
            10 => waiting(8),
            11..30 => None,
            _ => waiting(0),
        };
        observed.take(&sample(at_s, vec![waiting(0), second]));
    }
    let before = observed.contention(0).unwrap();
    // Half a second is bridged: 8 waiters × 0.5 s, not × 2 s.
    assert!(close(before.autoinc_wait_s, 4.0), "{}", before.autoinc_wait_s);
    assert!(close(before.unobserved_s, 0.5), "{}", before.unobserved_s);
    let after = observed.contention(1).unwrap();
    assert!(close(after.autoinc_wait_s, 0.0), "{}", after.autoinc_wait_s);
    assert!(close(after.shards[0].unobserved_s, 0.0), "{:?}", after.shards[0]);
    assert!(close(after.shards[1].unobserved_s, 1.0), "{:?}", after.shards[1]);
}

#[test]
fn time_before_the_first_count_and_after_the_last_is_unobserved_until_the_last_sample() {
    let mut observed = Observed::new(&PHASES, 1);
    for tenth in 0..=30 {
        let seen = if (5..=25).contains(&tenth) { waiting(1) } else { None };
        observed.take(&sample(f64::from(tenth) / 10.0, vec![seen]));
    }
    let first = observed.contention(0).unwrap();
    assert!(close(first.unobserved_s, 0.5), "{}", first.unobserved_s);
    // The phase lasts until 4 s, but the recording ends at 3 s.
    let second = observed.contention(1).unwrap();
    assert!(close(second.unobserved_s, 0.5), "{}", second.unobserved_s);
}

#[test]
fn a_phase_without_a_reading_of_the_counters_has_no_gauges_and_no_counts() {
    let mut observed = Observed::new(&PHASES, 1);
    for tenth in 0..=45 {
        observed.take(&sample(f64::from(tenth) / 10.0, vec![waiting(1)]));
    }
    let seen = observed.contention(1).unwrap();
    assert_eq!(
        (seen.samples, seen.threads_running_max, seen.threads_connected_max),
        (20, None, None)
    );
    assert_eq!(
        (seen.row_lock_waits, seen.deadlocks, seen.statements),
        (None, None, None)
    );
}

#[test]
fn a_shard_that_was_never_seen_leaves_no_sum() {
    let mut observed = Observed::new(&PHASES, 2);
    assert_eq!((observed.contention(0), observed.server(0)), (None, None));
    observed.take(&sample(0.0, vec![shard(4, 100), None]));
    assert_eq!(
        observed.contention(0),
        None,
        "a sum without the second shard would look small"
    );
}

#[test]
fn a_recording_that_is_read_back_folds_like_the_live_one() {
    let (mut live, mut read) = (Observed::new(&PHASES, 1), Observed::new(&PHASES, 1));
    for tenth in 0u32..=45 {
        // Figures that no short decimal names exactly.
        let at_s = f64::from(tenth) / 10.0 + f64::from(tenth % 7) / 3000.0;
        let shard = if tenth % 11 == 5 {
            None
        } else {
            shard(3, u64::from(tenth) * 17)
        };
        let mut sample = sample(at_s, vec![shard]);
        sample.machine = Some(MachineSample {
            cpus: 2,
            busy_s: at_s * 1.7,
            softirq_s: at_s / 9.0,
            steal_s: 0.0,
            own_s: at_s / 3.0,
            target: TargetCpu::UsedS(at_s / 7.0),
        });
        live.take(&sample);
        let line = serde_json::to_string(&sample).unwrap();
        read.take(&serde_json::from_str(&line).unwrap());
    }
    for phase in 0..PHASES.len() {
        assert!(live.contention(phase).is_some() && live.neighbours(phase).is_some());
        assert_eq!(read.contention(phase), live.contention(phase));
        assert_eq!(read.neighbours(phase), live.neighbours(phase));
        assert_eq!(read.resources(phase), live.resources(phase));
    }
}
