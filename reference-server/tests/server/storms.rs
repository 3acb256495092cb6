//! The count is exact after any storm: concurrent joins, leaves, duplicates, taken names and returns.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::Server;

const WORKERS: u64 = 24;
const USERS_EACH: u64 = 3;
const STEPS: u64 = 30;

/// A small generator, so that every run is the same: xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// One worker's users perform random operations; the responses must match each user's state.
async fn worker(server: Arc<Server>, chat: u64, worker: u64) -> usize {
    let mut dice = Dice(worker + 1);
    let mut joined = [false; USERS_EACH as usize];
    for _ in 0..STEPS {
        let which = dice.roll(USERS_EACH);
        let user = 1000 + worker * USERS_EACH + which;
        let member = &mut joined[usize::try_from(which).expect("small")];
        if dice.roll(3) == 0 {
            let reply = server.leave(chat, user).await;
            assert_eq!(reply.status, if *member { 204 } else { 404 }, "{reply:?}");
            *member = false;
        } else {
            // Ten names for all workers: many are taken.
            let name = if dice.roll(4) == 0 {
                format!("name-{}", dice.roll(10))
            } else {
                format!("user-{user}")
            };
            let reply = server.join(chat, user, &name).await;
            match (reply.status, reply.error()) {
                (201, _) => assert!(!std::mem::replace(member, true), "joined twice: {reply:?}"),
                (409, "already_member") => assert!(*member, "{reply:?}"),
                (409, "name_taken") => assert!(!*member && name.starts_with("name-"), "{reply:?}"),
                _ => panic!("{reply:?}"),
            }
        }
    }
    joined.iter().filter(|&&member| member).count()
}

/// Four concurrent callers for each user: exactly one of them joins.
async fn duplicates(server: &Server, chat: u64, users: u64) {
    let races = (0..users).map(|user| {
        let name = format!("racer-{user}");
        async move { join_all((0..4).map(|_| server.join(chat, user + 1, &name))).await }
    });
    for replies in join_all(races).await {
        let mut outcomes: Vec<_> = replies.iter().map(|r| (r.status, r.error())).collect();
        outcomes.sort_unstable();
        let refused = (409, "already_member");
        assert_eq!(outcomes, [(201, ""), refused, refused, refused]);
    }
}

async fn storm(settings: Value) {
    let server = Arc::new(Server::usual(settings.clone()).await);
    let chat = server.chat_on(1, 2).await;
    let bystander = server.chat_on(0, 2).await;
    assert_eq!(server.seed(chat, 50, 100_000).await.status, 201);
    let workers = (0..WORKERS).map(|n| tokio::spawn(worker(Arc::clone(&server), chat, n)));
    let audits = async {
        for _ in 0..10 {
            server.audited(chat).await;
        }
    };
    let (results, (), ()) = tokio::join!(join_all(workers), duplicates(&server, chat, 12), audits);
    let joined: usize = results
        .into_iter()
        .map(|joined| joined.expect("a worker's assertions hold"))
        .sum();
    let expected = u64::try_from(joined).expect("small") + 12 + 50;
    assert_eq!(server.audited(chat).await, expected, "{settings}");
    assert_eq!(server.count(chat).await.body["joined"], expected, "{settings}");
    assert_eq!(server.audited(bystander).await, 0);
    server.metric_becomes(r#"hotchat_pool_in_use{shard="1"}"#, 0.0).await;
}

#[tokio::test]
async fn exact_with_scan() {
    for insert in ["values", "select_not_exists"] {
        storm(json!({ "insert": insert, "member_count": "scan" })).await;
    }
}

#[tokio::test]
async fn exact_with_query_cache() {
    for insert in ["values", "select_not_exists"] {
        storm(json!({ "insert": insert, "member_count": "query_cache" })).await;
    }
}

#[tokio::test]
async fn exact_with_aggregate() {
    for insert in ["values", "select_not_exists"] {
        storm(json!({ "insert": insert, "member_count": "aggregate" })).await;
    }
}

#[tokio::test]
async fn exact_with_aggregate_slots() {
    for insert in ["values", "select_not_exists"] {
        storm(json!({ "insert": insert, "member_count": { "aggregate_slots": { "slots": 4 } } })).await;
    }
}

#[tokio::test]
async fn with_one_aggregate_row_every_join_returns_a_distinct_count() {
    let server = Server::usual(json!({ "member_count": "aggregate" })).await;
    let chat = server.create_chat().await;
    let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
    let replies = join_all((1..).zip(&names).map(|(user, name)| server.join(chat, user, name))).await;
    let counts: BTreeSet<u64> = replies.iter().filter_map(|r| r.body["member_count"].as_u64()).collect();
    assert_eq!(counts, (1..=200).collect(), "no count twice, none left out");
    let ids: BTreeSet<u64> = replies.iter().filter_map(|r| r.body["member_id"].as_u64()).collect();
    assert_eq!(ids.len(), 200);
}

#[tokio::test]
async fn exact_across_deadlock_retries_under_repeatable_read() {
    let settings = json!({
        "insert": "select_not_exists", "isolation": "repeatable_read", "member_count": "aggregate",
        "deadlock_retries": 20, "storage_timeout": "20s", "pool": { "size": 16, "acquire_timeout": "20s" },
        "requests": { "deadline": "20s" },
    });
    let server = Server::usual(settings).await;
    let chat = server.chat_on(0, 2).await;
    let retries = r#"hotchat_deadlock_retries_total{shard="0"}"#;
    let mut acknowledged = 0;
    let mut next = 1..;
    // Storms of 64 until gap locks have conflicted; the first usually does.
    for _ in 0..20 {
        let names: Vec<(u64, String)> = next.by_ref().take(64).map(|user| (user, format!("n{user}"))).collect();
        let replies = join_all(names.iter().map(|(user, name)| server.join(chat, *user, name))).await;
        for reply in &replies {
            assert!(reply.status == 201 || reply.is(503, "overloaded"), "{reply:?}");
        }
        acknowledged += replies.iter().filter(|r| r.status == 201).count() as u64;
        if server.metric(retries).await > 0.0 {
            break;
        }
    }
    assert!(server.metric(retries).await > 0.0, "no deadlock was provoked");
    assert_eq!(
        server.audited(chat).await,
        acknowledged,
        "a call that was given up has left nothing"
    );
}
