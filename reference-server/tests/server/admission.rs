//! Every admission policy while many more callers than slots send many times what the server can do: waits are bounded,
//! nothing hangs, no slot is lost, and it drains.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{LIMIT, Reply, Server, fresh_databases, own_shard, send, token, usual};

const CALLERS: u64 = 48;
const PAUSE: Duration = Duration::from_millis(20);

/// Each with a reason for which it sheds under overload.
fn policies() -> [(Value, &'static str); 4] {
    let dagor = json!({ "window": "100ms", "window_requests": 200, "down": 0.2 });
    [
        (json!("bounded_fifo"), "queue_full"),
        (json!({ "codel": {} }), "controlled_delay"),
        (json!({ "gradient": { "min": 2 } }), "queue_full"),
        (json!({ "dagor": dagor }), "low_priority"),
    ]
}

fn reason(reason: &str) -> String {
    format!("hotchat_requests_shed_total{{reason=\"{reason}\"}}")
}

async fn count(server: &Server, chat: u64, user: u64) -> Result<Reply, reqwest::Error> {
    let path = format!("/v1/chats/{chat}/members/count");
    send(server.request(Method::GET, &path).bearer_auth(token(user))).await
}

/// What the callers saw, one line for each of them: served, shed, and the longest time to an answer.
type Seen = (u32, u32, Duration);

/// Callers who ask again 20 ms after each answer, until the time is over.
async fn storm(server: &Arc<Server>, chat: u64, length: Duration) -> Vec<Seen> {
    let callers = (1..=CALLERS).map(|user| {
        let server = Arc::clone(server);
        tokio::spawn(async move {
            let (started, mut seen) = (Instant::now(), Seen::default());
            while started.elapsed() < length {
                let asked = Instant::now();
                let reply = count(&server, chat, user).await.unwrap();
                seen.2 = seen.2.max(asked.elapsed());
                match reply.status {
                    200 => seen.0 += 1,
                    _ => {
                        assert!(reply.is(503, "overloaded"), "{reply:?}");
                        assert_eq!(reply.retry_after.as_deref(), Some("1"));
                        seen.1 += 1;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            seen
        })
    });
    join_all(callers).await.into_iter().map(Result::unwrap).collect()
}

/// Asks until the answer is 200: priorities are admitted again a few windows after an overload.
async fn served_again(server: &Server, chat: u64) {
    let started = Instant::now();
    while count(server, chat, 7).await.unwrap().status != 200 {
        assert!(started.elapsed() < LIMIT, "nobody is served after the storm");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn at_ten_times_the_capacity_waits_are_bounded_and_no_slot_is_lost() {
    for (policy, sheds) in policies() {
        // Two slots of 10 ms each: at most 200 a second, and 48 callers who ask 2400 times.
        let requests = json!({ "in_progress": 2, "waiting": 16, "wait": "200ms", "policy": policy });
        let server = Server::usual(json!({ "requests": requests, "burn_cpu": "10ms" })).await;
        let server = Arc::new(server);
        let chat = server.create_chat().await;
        let seen = storm(&server, chat, Duration::from_secs(3)).await;
        let (served, shed): (u32, u32) = seen.iter().fold((0, 0), |sum, seen| (sum.0 + seen.0, sum.1 + seen.1));
        assert!(served >= 20 && shed > served, "{policy}: {served} served, {shed} shed");
        let longest = seen.iter().map(|seen| seen.2).max().unwrap();
        assert!(longest < Duration::from_secs(3), "{policy}: {longest:?}");
        assert!(server.metric(&reason(sheds)).await > 0.5, "{policy} sheds for {sheds}");
        let admitted = server.metric("hotchat_requests_queue_seconds_count").await;
        assert!(admitted >= f64::from(served), "{policy}: {admitted} of {served}");
        let limit = server.metric("hotchat_requests_limit").await;
        assert!((limit - 2.0).abs() < 0.1, "{policy}: {limit}");
        if sheds == "low_priority" {
            let level = server.metric("hotchat_requests_admission_level").await;
            assert!((1.0..1024.0).contains(&level), "{level}");
        }
        server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
        server.metric_becomes("hotchat_requests_waiting", 0.0).await;
        served_again(&server, chat).await;
    }
}

#[tokio::test]
async fn it_drains_in_the_middle_of_an_overload() {
    for (policy, _) in policies() {
        let requests = json!({ "in_progress": 2, "waiting": 16, "wait": "200ms", "policy": policy });
        let settings = json!({ "requests": requests, "burn_cpu": "10ms", "drain": "20s" });
        let mut server = Server::usual(settings).await;
        let chat = server.create_chat().await;
        let stopping = Arc::new(AtomicBool::new(false));
        let callers = (1..=CALLERS).map(|user| {
            let path = format!("/v1/chats/{chat}/members/count");
            let request = server.request(Method::GET, &path).bearer_auth(token(user));
            let stopping = Arc::clone(&stopping);
            tokio::spawn(async move {
                loop {
                    let Ok(reply) = send(request.try_clone().unwrap()).await else {
                        return assert!(stopping.load(Ordering::SeqCst), "cut off before the end");
                    };
                    assert!(reply.status == 200 || reply.is(503, "overloaded"), "{reply:?}");
                    tokio::time::sleep(PAUSE).await;
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        while server.metric("hotchat_requests_queue_seconds_count").await < 20.0 {
            tokio::time::sleep(PAUSE).await;
        }
        stopping.store(true, Ordering::SeqCst);
        let ended = server.child.terminate(LIMIT).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{policy}");
        join_all(callers).await.into_iter().for_each(Result::unwrap);
    }
}

#[tokio::test]
async fn on_a_stalled_shard_callers_wait_no_longer_than_allowed_and_may_go() {
    let mut shard = own_shard(usual()).await;
    for (policy, _) in policies() {
        let requests = json!({ "in_progress": 2, "waiting": 64, "wait": "300ms", "deadline": "60s", "policy": policy });
        let server = Server::start(
            &[shard.url()],
            json!({ "storage_timeout": "60s", "pool": { "acquire_timeout": "60s" }, "requests": requests }),
        )
        .await;
        let chat = server.create_chat().await;
        shard.pause().await.unwrap();
        let join = |user: u64| tokio::spawn(send(server.join_request(chat, user, &format!("n{user}"))));
        let working = [join(1), join(2)];
        server.metric_becomes("hotchat_requests_in_progress", 2.0).await;
        let attackers = (3..43_u64).map(|user| {
            let asked = server.join(chat, user, "attacker");
            async move {
                let started = Instant::now();
                // Every second one goes before its wait is over, at some moment of it.
                let patience = if user % 2 == 0 {
                    LIMIT
                } else {
                    Duration::from_millis(user * 6)
                };
                match timeout(patience, asked).await {
                    Ok(reply) => assert!(reply.is(503, "overloaded"), "{reply:?}"),
                    Err(_gone) => assert_eq!(user % 2, 1, "no answer"),
                }
                started.elapsed()
            }
        });
        let longest = join_all(attackers).await.into_iter().max().unwrap();
        assert!(longest < Duration::from_secs(5), "{policy}: {longest:?}");
        server.metric_becomes("hotchat_requests_waiting", 0.0).await;
        assert!((server.metric("hotchat_requests_in_progress").await - 2.0).abs() < 0.1);
        shard.resume().unwrap();
        for task in working {
            assert_eq!(task.await.unwrap().unwrap().status, 201, "{policy}");
        }
        served_again(&server, chat).await;
        assert_eq!(
            server.audited(chat).await,
            2,
            "{policy}: of those who were shed nothing is left"
        );
    }
}

#[tokio::test]
async fn who_is_important_gets_through_a_storm_of_counts() {
    let dagor = json!({ "window": "100ms", "window_requests": 200, "down": 0.2 });
    let requests = json!({ "in_progress": 2, "waiting": 16, "wait": "200ms", "policy": { "dagor": dagor } });
    let server = Server::start(
        &fresh_databases().await,
        json!({ "requests": requests, "burn_cpu": "10ms" }),
    )
    .await;
    let server = Arc::new(server);
    let chat = server.create_chat().await;
    assert_eq!(server.join(chat, 1, "ann").await.status, 201);
    let sender = async {
        tokio::time::sleep(Duration::from_secs(1)).await; // until the level has found its place
        let (mut sent, mut shed) = (0_u32, 0_u32);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            match server.message(chat, 1, "hello").await.status {
                201 => sent += 1,
                _ => shed += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
        (sent, shed)
    };
    let (seen, (sent, shed)) = tokio::join!(storm(&server, chat, Duration::from_secs(4)), sender);
    let (counted, uncounted): (u32, u32) = seen.iter().fold((0, 0), |sum, seen| (sum.0 + seen.0, sum.1 + seen.1));
    let share = |good: u32, bad: u32| f64::from(good) / f64::from(good + bad);
    let (important, others) = (share(sent, shed), share(counted, uncounted));
    assert!(
        important > others + 0.3,
        "{important} of the messages, {others} of the counts"
    );
    assert!(server.metric(&reason("low_priority")).await > 0.5);
}

#[tokio::test]
async fn callers_who_hang_up_do_not_lower_the_limit() {
    const LIMIT_NOW: &str = "hotchat_requests_limit";
    let mut shard = own_shard(usual()).await;
    let gradient = json!({ "gradient": { "min": 2, "tolerance": 10 } });
    let requests = json!({ "in_progress": 64, "waiting": 64, "deadline": "60s", "policy": gradient });
    let settings = json!({ "storage_timeout": "60s", "pool": { "acquire_timeout": "60s" }, "requests": requests });
    let server = Server::start(&[shard.url()], settings).await;
    let chat = server.create_chat().await;
    let started = Instant::now();
    while server.metric(LIMIT_NOW).await < 10.0 {
        assert!(started.elapsed() < LIMIT, "it does not grow");
        join_all((1..=30).map(|user| count(&server, chat, user))).await;
    }
    let before = server.metric(LIMIT_NOW).await;
    shard.pause().await.unwrap();
    let gone = (1..=20_u64).map(|user| timeout(Duration::from_millis(300), count(&server, chat, user)));
    assert!(join_all(gone).await.iter().all(Result::is_err), "the shard is silent");
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
    let after = server.metric(LIMIT_NOW).await;
    assert!(after >= before, "{after} after {before}");
    shard.resume().unwrap();
    assert_eq!(count(&server, chat, 1).await.unwrap().status, 200);
}
