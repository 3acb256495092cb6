//! Hostile input: 100,000 malformed inputs, and slow connections. Afterwards the server is unchanged.
//!
//! ```text
//! raw.rs      HTTP by hand: bytes out, status in
//! noise.rs    random and mutated requests            (60,000)
//! refused.rs  requests with an expected error status (30,000)
//! frames.rs   malformed WebSocket frames             (10,000)
//! dawdle.rs   heads, bodies and handshakes that are never finished, connections never used
//! ```
//!
//! All input derives from one seed. The test takes longer than others because of its volume, which is intentional.

mod dawdle;
mod frames;
mod noise;
mod raw;
mod refused;

use std::sync::Arc;

use futures_util::future::join_all;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use crate::support::{Server, fresh_databases};

const SEED: u64 = 20_240_612;

/// Concurrent callers, each with a share of every kind of input.
const CALLERS: u64 = 10;

/// Allowed growth of the server's resident memory. At the peak, 10 callers and 400 slow connections are open; hyper
/// buffers at most some 400 KiB of a request's head and 8 KiB of one that has hardly begun, and a body takes 64 KiB:
/// about 10 MiB in all. The rest allows for memory kept by the allocator.
const GROWTH_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The server under attack.
#[derive(Clone)]
struct Target {
    api: Arc<str>,
    /// A chat that user 1 is a member of, and no other caller.
    chat: u64,
}

type Dice = Xoshiro256PlusPlus;

async fn caller(target: Target, number: u64) {
    let mut dice = Dice::seed_from_u64(SEED + number);
    noise::throw(&target, 60_000 / CALLERS, &mut dice).await;
    refused::throw(&target, 30_000 / CALLERS, &mut dice).await;
    frames::throw(&target, 10_000 / CALLERS, &mut dice).await;
}

fn resident_bytes(server: &Server) -> u64 {
    let pid = i32::try_from(server.child.pid()).expect("a pid");
    let process = procfs::process::Process::new(pid).expect("the server runs");
    process.stat().expect("it can be looked at").rss * procfs::page_size()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_malformed_inputs_do_no_harm() {
    let more = json!({ "idle_timeout": "2s", "body_timeout": "2s" });
    let server = Server::try_start(&fresh_databases().await, json!({}), more)
        .await
        .expect("it starts");
    let chat = server.create_chat().await;
    assert_eq!(server.join(chat, 1, "ann").await.status, 201);
    let target = Target {
        api: server.api.as_str().into(),
        chat,
    };
    // One round beforehand, so that warming up does not count as growth.
    refused::throw(&target, 500, &mut Dice::seed_from_u64(SEED)).await;
    let before_bytes = resident_bytes(&server);

    let callers = (0..CALLERS).map(|number| tokio::spawn(caller(target.clone(), number)));
    let well = async {
        for _ in 0..20 {
            assert_eq!(
                server.count(chat).await.body["joined"],
                1,
                "an honest caller is served meanwhile"
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let (callers, (), ()) = tokio::join!(join_all(callers), dawdle::all(&target), well);
    for caller in callers {
        caller.expect("a caller's assertions hold");
    }

    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.join(chat, 2, "bob").await.status, 201);
    server.metric_becomes("hotchat_connections_open", 1.0).await; // the connection of this request
    server.metric_becomes("hotchat_push_members", 0.0).await;
    server.metric_becomes("hotchat_requests_in_progress", 0.0).await;
    let grown = resident_bytes(&server).saturating_sub(before_bytes);
    assert!(grown < GROWTH_MAX_BYTES, "it has grown by {grown} bytes");
}
