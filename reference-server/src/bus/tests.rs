//! Order, replay and bounds: of the pure log under any history, and of the bus under real concurrency.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::log::Log;
use super::*;
use crate::store::Kind;

const A: Group = Group("a");
const B: Group = Group("b");
const WAIT: Duration = Duration::from_secs(1);
/// Time limit of every test.
const LIMIT: Duration = Duration::from_secs(20);

fn record(chat_id: u64, what: What) -> Record {
    let at = Duration::from_secs(1);
    Record { chat_id, at, what }
}

fn sent(chat_id: u64, revision: u64) -> Record {
    let (kind, user) = (Kind::Message, 1);
    record(chat_id, What::Sent { revision, kind, user })
}

fn read(from: Offset) -> Read {
    let (max, linger) = (100, Duration::ZERO);
    Read { from, max, linger }
}

/// An operation on a log.
#[derive(Debug, Clone)]
enum Step {
    Append,
    /// Reads at most `max` records from the committed offset and commits this share of them.
    Consume {
        group: Group,
        max: usize,
        commit: f64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let consume = (prop_oneof![Just(A), Just(B)], 0..20_usize, 0.0..=1.0);
    prop_oneof![
        3 => Just(Step::Append),
        1 => consume.prop_map(|(group, max, commit)| Step::Consume { group, max, commit }),
    ]
}

proptest! {
    /// Each group reads every record, in order, from its committed offset; only records committed by all groups are
    /// dropped.
    #[test]
    fn a_log_replays_from_the_committed_offset(steps in prop::collection::vec(step(), 0..200)) {
        let mut log = Log::new(&[A, B]);
        let mut committed = HashMap::from([("a", 0_u64), ("b", 0)]);
        let mut end = 0;
        for step in steps {
            match step {
                Step::Append => {
                    log.append(sent(7, end));
                    end += 1;
                }
                Step::Consume { group, max, commit } => {
                    let from = committed[group.0];
                    prop_assert_eq!(log.committed(group), Ok(from));
                    let got: Vec<Record> = log.read(from, max).unwrap().copied().collect();
                    let expected: Vec<Record> = (from..end).take(max).map(|offset| sent(7, offset)).collect();
                    prop_assert_eq!(&got, &expected);
                    let next = from + (got.len() as f64 * commit) as u64;
                    let before = committed.values().min().copied().unwrap();
                    committed.insert(group.0, next);
                    let dropped = log.commit(group, next).unwrap() as u64;
                    prop_assert_eq!(dropped, committed.values().min().unwrap() - before);
                }
            }
            prop_assert_eq!(log.end(), end);
            for group in [A, B] {
                prop_assert_eq!(log.lag(group, WAIT).unwrap().records, end - committed[group.0]);
            }
        }
    }

    #[test]
    fn a_chat_has_one_partition(chat in any::<u64>(), partitions in 1..=256_u32) {
        prop_assert!(partition_of(chat, partitions) < partitions);
        prop_assert_eq!(partition_of(chat, partitions), partition_of(chat, partitions));
    }

    /// Never holds more than its capacity, and each commit frees exactly as much room as it drops.
    #[test]
    fn a_partition_never_exceeds_its_capacity(capacity in 1..40_usize, rounds in prop::collection::vec((0..60_usize, 0..60_usize), 0..20)) {
        let bus = InProcess::new(1, capacity, &[A]);
        let (mut held, mut next) = (0, 0);
        for (offers, consumed) in rounds {
            let taken = (0..offers).filter(|_| bus.offer(record(1, What::Fetched)).is_ok()).count();
            prop_assert_eq!(taken, offers.min(capacity - held));
            held += taken;
            let done = consumed.min(held);
            next += done as u64;
            futures_util::FutureExt::now_or_never(bus.commit(A, 0, next)).unwrap().unwrap();
            held -= done;
        }
    }
}

#[test]
fn chats_of_one_shard_spread_over_the_partitions() {
    for shards in [1, 2, 8, 16] {
        let mut chats = [0_u32; 8];
        for local in 1..=8000 {
            chats[partition_of(local * shards + 1, 8) as usize] += 1;
        }
        assert!(
            chats.iter().all(|&n| (700..1300).contains(&n)),
            "{shards} shards: {chats:?}"
        );
    }
}

#[test]
fn invalid_reads_and_commits_are_errors() {
    let mut log = Log::new(&[A]);
    (0..4).for_each(|revision| log.append(sent(1, revision)));
    log.commit(A, 3).unwrap();
    let gone = BusError::Gone { from: 2, oldest: 3 };
    assert_eq!(log.read(2, 1).err(), Some(gone));
    for offset in [2, 5] {
        let error = BusError::NotReadYet {
            offset,
            committed: 3,
            end: 4,
        };
        assert_eq!(log.commit(A, offset), Err(error));
    }
    assert_eq!(log.commit(B, 4), Err(BusError::NoGroup("b")));
}

#[test]
fn lag_is_counted_from_the_committed_offset_and_its_oldest_record() {
    let mut log = Log::new(&[A]);
    let now = Duration::from_secs(10);
    assert_eq!(log.lag(A, now), Ok(Lag::default()));
    for seconds in [4, 7] {
        let (at, what) = (Duration::from_secs(seconds), What::Fetched);
        log.append(Record { chat_id: 1, at, what });
    }
    let lag = |records, seconds| {
        Ok(Lag {
            records,
            age: Duration::from_secs(seconds),
        })
    };
    assert_eq!(log.lag(A, now), lag(2, 6));
    log.commit(A, 1).unwrap();
    assert_eq!(log.lag(A, now), lag(1, 3));
    log.commit(A, 2).unwrap();
    assert_eq!(log.lag(A, now), lag(0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_room_and_is_not_overtaken() {
    let bus = Arc::new(InProcess::new(1, 1, &[A]));
    bus.offer(record(1, What::Fetched)).unwrap();
    assert_eq!(bus.offer(record(1, What::Fetched)), Err(Full { partition: 0 }));
    let started = tokio::time::Instant::now();
    assert_eq!(bus.publish(sent(1, 1), WAIT).await, Err(Full { partition: 0 }));
    assert_eq!(started.elapsed(), WAIT);

    let waiting = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(sent(1, 2), WAIT).await }
    });
    tokio::time::sleep(WAIT / 2).await;
    bus.commit(A, 0, 1).await.unwrap();
    assert!(
        bus.offer(record(1, What::Fetched)).is_err(),
        "the room belongs to the waiting send"
    );
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(bus.consume(0, read(1)).await.unwrap(), [sent(1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn fetches_linger_and_a_send_takes_them_along() {
    let bus = Arc::new(InProcess::new(1, 100, &[A]));
    let linger = Duration::from_millis(20);
    let (from, max) = (0, 3);
    let patient = Read { from, max, linger };
    let started = tokio::time::Instant::now();
    let consume = || {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move { bus.consume(0, patient).await.unwrap() })
    };
    let consuming = consume();
    tokio::task::yield_now().await;
    bus.offer(record(1, What::Fetched)).unwrap();
    assert_eq!(consuming.await.unwrap().len(), 1);
    assert_eq!(started.elapsed(), linger);

    let consuming = consume();
    tokio::time::sleep(linger / 2).await;
    bus.offer(sent(1, 1)).unwrap();
    assert_eq!(consuming.await.unwrap().len(), 2);
    assert_eq!(started.elapsed(), linger + linger / 2);

    bus.offer(record(1, What::Fetched)).unwrap();
    assert_eq!(consume().await.unwrap().len(), 3, "a full batch does not linger");
    assert_eq!(started.elapsed(), linger + linger / 2);
}

const CHATS: u64 = 24;
const EACH: u64 = 2000;
const PARTITIONS: u32 = 4;

/// Publishes for every `step`-th chat, in revision order; waits while there is no room.
async fn produce(bus: Arc<InProcess>, first: u64, step: usize) {
    for revision in 1..=EACH {
        for chat in (first..CHATS).step_by(step) {
            bus.publish(sent(chat, revision), LIMIT).await.unwrap();
        }
    }
}

/// Consumes one partition, sometimes without committing; asserts the order within each chat.
async fn consume_all(bus: Arc<InProcess>, partition: u32, group: Group, seen: Arc<AtomicU64>) {
    let mut last = HashMap::<u64, u64>::new();
    let all = (0..CHATS)
        .filter(|&chat| partition_of(chat, PARTITIONS) == partition)
        .count() as u64
        * EACH;
    let mut next = 0;
    for round in 0_u64.. {
        if next == all {
            break;
        }
        assert_eq!(bus.committed(group, partition).await, Ok(next));
        let records = bus.consume(partition, read(next)).await.unwrap();
        if round % 5 == 0 {
            continue; // a consumer that died before its commit: the next one reads the same records again
        }
        for record in &records {
            assert_eq!(partition_of(record.chat_id, PARTITIONS), partition);
            let last = last.entry(record.chat_id).or_default();
            *last += 1;
            assert_eq!(*record, sent(record.chat_id, *last));
        }
        next += records.len() as u64;
        seen.fetch_add(records.len() as u64, Ordering::Relaxed);
        bus.commit(group, partition, next).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_group_reads_every_chat_in_order_under_concurrency() {
    let bus = Arc::new(InProcess::new(PARTITIONS, 64, &[A, B]));
    let seen = Arc::<AtomicU64>::default();
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..6 {
        tasks.spawn(produce(Arc::clone(&bus), first, 6));
    }
    for partition in 0..PARTITIONS {
        for group in [A, B] {
            tasks.spawn(consume_all(Arc::clone(&bus), partition, group, Arc::clone(&seen)));
        }
    }
    tokio::time::timeout(LIMIT, tasks.join_all()).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 2 * CHATS * EACH);
}
