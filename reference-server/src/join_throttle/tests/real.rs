//! With a real Redis: the scripts, and three limiters that share a limit while Redis is killed and comes back empty.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bmt_sandbox::Sandbox;
use hotchat_policy::{Want, WindowLimit};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::ledger::{SCRIPT, SINCE, Terms, question_by};
use super::super::{Answer, InRedis, JoinThrottle};
use super::ledger_model::Ledger;
use super::most_in_a_window;
use crate::clock::Clock;
use crate::config::{Live, RedisUrl};
use crate::metrics::Metrics;
use crate::redis::Redis;

async fn connection(redis: &bmt_sandbox::Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn client(redis: &bmt_sandbox::Redis, clock: Clock, metrics: &Metrics) -> Arc<Redis> {
    let url = RedisUrl::try_from(redis.url()).unwrap();
    let client = Redis::new(&url, clock, metrics.redis.clone()).unwrap();
    client.reach().await;
    client
}

/// Runs the script with a controlled clock.
async fn ask_at(
    connection: &mut MultiplexedConnection,
    now: u64,
    process: u64,
    wants: &[Want],
    terms: &Terms,
) -> Vec<u32> {
    let time = format!("{{{}, {}}}", now / 1_000_000, now % 1_000_000);
    let question = question_by(&SCRIPT.replace("redis.call('TIME')", &time), process, wants, terms);
    question.query_async(connection).await.unwrap()
}

#[tokio::test]
async fn the_script_agrees_with_the_model() {
    let sandbox = Sandbox::new().unwrap();
    let redis = bmt_sandbox::Redis::start(&sandbox).await.unwrap();
    let mut connection = connection(&redis).await;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (mut now, mut granted_any) = (1_000_000_000_000_u64, 0);
    for round in 0..20 {
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
        let mut ledger = Ledger::default();
        let reconcile = Duration::from_millis(rng.random_range(10..200));
        let terms = Terms {
            pool: rng.random_range(0..1000),
            processes: rng.random_range(1..5),
            window: Duration::from_millis(rng.random_range(100..3000)),
            lease: reconcile * 5,
            reconcile,
        };
        for step in 0..60 {
            now += rng.random_range(0..400_000);
            let process = rng.random_range(0..u64::from(terms.processes));
            let chats = (0..rng.random_range(0..4)).map(|chat_id| Want {
                chat_id,
                joins: if rng.random_bool(0.2) {
                    0
                } else {
                    rng.random_range(0..700)
                },
            });
            let wants: Vec<Want> = chats.collect();
            let granted = ask_at(&mut connection, now, process, &wants, &terms).await;
            let expected = ledger.grant(now, process, &wants, &terms);
            assert_eq!(granted, expected, "round {round}, step {step}: {wants:?} of {terms:?}");
            granted_any += granted.iter().filter(|share| **share > 0).count();
        }
    }
    assert!(granted_any > 100, "{granted_any}");
}

#[tokio::test]
async fn a_ledger_from_another_redis_run_grants_nothing_until_lost_grants_have_expired() {
    let sandbox = Sandbox::new().unwrap();
    let redis = bmt_sandbox::Redis::start(&sandbox).await.unwrap();
    let mut connection = connection(&redis).await;
    let terms = Terms {
        pool: 100,
        processes: 2,
        window: Duration::from_millis(100),
        lease: Duration::from_millis(50),
        reconcile: Duration::from_millis(10),
    };
    let wants = [Want { chat_id: 7, joins: 10 }];
    let mut granted = Vec::new();
    let start = 1_000_000_000_000;
    for later in [0, 149_999, 150_000] {
        granted.extend(ask_at(&mut connection, start + later, 1, &wants, &terms).await);
    }
    assert_eq!(granted, [0, 0, 55], "its demand, and half of the rest");
    // As after a restart from a snapshot: an old beginning, and no later grants.
    let mut old = redis::cmd("SET");
    old.arg(SINCE).arg(format!("00ff:{start}"));
    old.query_async::<()>(&mut connection).await.unwrap();
    granted.clear();
    let restart = start + 200_000;
    for later in [0, 149_999, 150_000] {
        granted.extend(ask_at(&mut connection, restart + later, 1, &wants, &terms).await);
    }
    assert_eq!(granted, [0, 0, 55]);
}

#[tokio::test]
async fn redis_keeps_the_limit_in_any_window_and_predicts_free_places() {
    let sandbox = Sandbox::new().unwrap();
    let redis = bmt_sandbox::Redis::start(&sandbox).await.unwrap();
    let (clock, metrics) = (Clock::start(), Metrics::new());
    // Two connections, as of two processes.
    let ways = [
        InRedis::new(client(&redis, clock, &metrics).await, metrics.joins.clone()),
        InRedis::new(client(&redis, clock, &metrics).await, metrics.joins.clone()),
    ];
    let window = Duration::from_millis(400);
    let limit = WindowLimit::try_new(20, window).unwrap();
    let (mut admitted, started) = (Vec::new(), Instant::now());
    let mut turn = 0;
    while started.elapsed() < window * 6 {
        let before = clock.now();
        turn += 1;
        match ways[turn % 2].ask(7, limit).await {
            Answer::Admitted => admitted.push((before, clock.now())),
            Answer::Refused(refused) => {
                assert!(refused.retry_after <= window + window / 40, "{refused:?}");
                tokio::time::sleep(refused.retry_after).await;
                let asked = clock.now();
                if ways[turn % 2].ask(7, limit).await == Answer::Admitted {
                    admitted.push((asked, clock.now()));
                }
            }
            Answer::Away => {}
        }
    }
    let most = most_in_a_window(&admitted, window);
    assert!(most <= 20, "{most}");
    assert!(admitted.len() >= 60, "{} in six windows", admitted.len());
}

const JOINS: u32 = 60;
const WINDOW: Duration = Duration::from_millis(500);

/// One of three processes, as the throttle sees it.
async fn process(
    redis: &bmt_sandbox::Redis,
    clock: Clock,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Arc<JoinThrottle> {
    let settings = json!({
        "join_throttle": { "local_shared": { "processes": 3, "reconcile": "50ms" } },
        "join_limit": { "joins": JOINS, "window": "500ms", "when_away": "closed" },
    });
    let metrics = Metrics::new();
    let live = Live::new(
        serde_json::from_value(settings).unwrap(),
        true,
        SystemTime::now(),
        metrics.settings.clone(),
    );
    let client = client(redis, clock, &metrics).await;
    tasks.spawn(Arc::clone(&client).keep(stop.clone()));
    let throttle = JoinThrottle::new(live, Some(client), clock, metrics.joins.clone(), rand::random());
    tasks.spawn(Arc::clone(&throttle).reconcile(stop.clone()));
    throttle
}

/// Attempts to join one chat at an alternating rate until `stop`; returns when it was admitted.
async fn demand(
    throttle: Arc<JoinThrottle>,
    clock: Clock,
    seed: u64,
    stop: CancellationToken,
) -> Vec<(Duration, Duration)> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut admitted = Vec::new();
    while !stop.is_cancelled() {
        let (tries, pause) = (rng.random_range(0..30), rng.random_range(1..10));
        for _ in 0..rng.random_range(1..30) {
            for _ in 0..tries {
                let before = clock.now();
                if throttle.admit(7).await.is_ok() {
                    admitted.push((before, clock.now()));
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
    admitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn three_processes_keep_the_limit_while_redis_is_killed_and_comes_back() {
    let sandbox = Sandbox::new().unwrap();
    let mut redis = bmt_sandbox::Redis::start(&sandbox).await.unwrap();
    let (clock, tasks, stop) = (Clock::start(), TaskTracker::new(), CancellationToken::new());
    let mut processes = Vec::new();
    for seed in 0..3 {
        let throttle = process(&redis, clock, &tasks, &stop).await;
        processes.push(tokio::spawn(demand(throttle, clock, seed, stop.clone())));
    }
    let began = clock.now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let killed = clock.now();
    redis.kill().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    redis.restart().await.unwrap();
    let back = clock.now();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    stop.cancel();
    let mut all = Vec::new();
    for process in processes {
        all.extend(process.await.unwrap());
    }
    tasks.close();
    tasks.wait().await;
    let most = most_in_a_window(&all, WINDOW);
    assert!(most <= JOINS as usize, "{most}");
    // A third of the limit is far above the reserves, which total 12.
    let between = |from: Duration, to: Duration| {
        let within: Vec<_> = all.iter().copied().filter(|(at, _)| (from..to).contains(at)).collect();
        most_in_a_window(&within, WINDOW)
    };
    assert!(
        between(began, killed) > 20,
        "shares were leased: {}",
        between(began, killed)
    );
    let away = between(killed + Duration::from_millis(300), back);
    assert!(away <= 12 + 8, "leases have expired: {away}");
    assert!(
        between(back + Duration::from_millis(500), Duration::MAX) > 20,
        "leased again"
    );
}
