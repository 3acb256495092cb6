//! The switch that makes the server slower on purpose costs the CPU that it says, and only where it says.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::Server;

const REQUESTS: u32 = 200;

/// CPU time of the server's process so far, to a tick of 10 ms.
fn used(server: &Server) -> Duration {
    let pid = i32::try_from(server.child.pid()).unwrap();
    let stat = procfs::process::Process::new(pid).unwrap().stat().unwrap();
    Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// The server's CPU per count request.
async fn counting(server: &Server, chat: u64) -> Duration {
    let before = used(server);
    for _ in 0..REQUESTS {
        assert_eq!(server.count(chat).await.status, 200);
    }
    (used(server) - before) / REQUESTS
}

/// The server's CPU per health request.
async fn asking_for_health(server: &Server) -> Duration {
    let before = used(server);
    for _ in 0..REQUESTS {
        assert_eq!(server.get("/healthz").await.status, 200);
    }
    (used(server) - before) / REQUESTS
}

#[tokio::test]
async fn burnt_cpu_is_added_to_every_api_request_and_to_nothing_else() {
    const BURN: Duration = Duration::from_millis(5);
    let server = Server::usual(json!({})).await;
    let chat = server.create_chat().await;
    counting(&server, chat).await; // connections and caches
    let plain = counting(&server, chat).await;

    let change = json!({ "burn_cpu": "5ms" });
    let reply = server.ask_admin(Method::PATCH, "/admin/settings", Some(change)).await;
    assert_eq!(
        (reply.status, &reply.body["settings"]["burn_cpu"]),
        (200, &json!("5ms"))
    );
    let slowed = counting(&server, chat).await;
    let added = slowed.saturating_sub(plain);
    // A second of CPU in all; what else the server does varies by a small part of that.
    assert!(
        (BURN.mul_f64(0.8)..BURN.mul_f64(1.6)).contains(&added),
        "{plain:?} without, {slowed:?} with {BURN:?}"
    );
    let health = asking_for_health(&server).await;
    assert!(health < BURN / 2, "health requests do not burn, and took {health:?}");
}
