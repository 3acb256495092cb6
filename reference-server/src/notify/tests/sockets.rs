//! Attempts over real sockets: what became of a notification, and of its connection.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::*;

/// Time limit of every wait.
const LIMIT: Duration = Duration::from_secs(20);

/// What the server does with the requests of a connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Answer(u16),
    /// Reads the request and closes the connection.
    Close,
    /// Closes the connection with a reset.
    Reset,
    /// Answers, and closes the connection without having said so.
    AnswerAndClose,
}

/// Serves each connection in its manner, for as long as it lasts.
async fn serve(listener: TcpListener, manners: Vec<Manner>) {
    let mut turn = 0;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let manner = manners[turn.min(manners.len() - 1)];
        turn += 1;
        tokio::spawn(served(stream, manner));
    }
}

async fn served(mut stream: TcpStream, manner: Manner) {
    while read_request(&mut stream).await {
        let status = match manner {
            Manner::Answer(status) => status,
            Manner::AnswerAndClose => 204,
            Manner::Close => return,
            Manner::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        if matches!(manner, Manner::AnswerAndClose) {
            return;
        }
    }
}

/// Whether a whole request came; its body is an object and its head has no braces.
async fn read_request(stream: &mut TcpStream) -> bool {
    loop {
        let mut some = [0; 1024];
        match stream.read(&mut some).await {
            Ok(length) if length > 0 => {
                if some[..length].contains(&b'}') {
                    return true;
                }
            }
            _ => return false,
        }
    }
}

struct World {
    notifier: Notifier,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A notifier whose gateway listens on `address`.
fn world(address: std::net::SocketAddr, more: &Value) -> World {
    let mut settings = json!({ "url": format!("http://{address}"), "queues": "shared", "connections": { "max": 1 } });
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let settings: GatewayClient = serde_json::from_value(settings).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let notifier = Notifier::new(&settings, &NotifyMetrics::default(), &tasks, &stop).unwrap();
    World { notifier, stop }
}

/// The account of messages once nothing waits and nothing is on its way.
async fn settled(notifier: &Notifier) -> Account {
    let started = Instant::now();
    loop {
        let ([account, ..], _) = notifier.sums();
        assert!(account.is_balanced(), "{account:?}");
        if account.queued + account.in_flight == 0 && account.enqueued > 0 {
            return account;
        }
        assert!(started.elapsed() < LIMIT, "{account:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn after(manners: Vec<Manner>, more: &Value, number: u64) -> (Account, Counts) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = world(listener.local_addr().unwrap(), more);
    let serving = tokio::spawn(serve(listener, manners));
    world.notifier.enqueue(Role::Message, 1, 1, 1..=number);
    let account = settled(&world.notifier).await;
    serving.abort();
    (account, world.notifier.sums().1)
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_unknown_and_not_sent_twice() {
    let retries = json!({ "retries": { "max": 3, "share": 1, "burst": 10, "pause": "1ms" } });
    for manner in [Manner::Close, Manner::Reset] {
        let (account, _) = after(vec![manner, Manner::Answer(204)], &retries, 1).await;
        assert_eq!((account.unknown, account.attempts), (1, 1), "{manner:?}: {account:?}");
    }
    let mut twice = retries;
    twice["retries"]["unanswered"] = json!(true);
    let (account, _) = after(vec![Manner::Reset, Manner::Answer(204)], &twice, 1).await;
    assert_eq!((account.delivered, account.retries), (1, 1), "{account:?}");
    // It may have come the first time, whatever comes of the second.
    let (account, _) = after(vec![Manner::Reset, Manner::Answer(400)], &twice, 1).await;
    assert_eq!((account.unknown, account.retries), (1, 1), "{account:?}");
}

#[tokio::test]
async fn an_answer_says_whether_trying_again_may_help() {
    let retries = json!({ "retries": { "max": 3, "share": 1, "burst": 10, "pause": "1ms" }, "keep_alive": false });
    let later = vec![Manner::Answer(503), Manner::Answer(429), Manner::Answer(204)];
    let (account, _) = after(later, &retries, 1).await;
    assert_eq!((account.delivered, account.attempts), (1, 3), "{account:?}");
    let (account, _) = after(vec![Manner::Answer(400)], &retries, 1).await;
    assert_eq!(
        (account.dropped[Reason::Rejected as usize], account.attempts),
        (1, 1),
        "{account:?}"
    );
    let (account, _) = after(vec![Manner::Answer(503)], &retries, 1).await;
    assert_eq!(
        (account.dropped[Reason::Rejected as usize], account.attempts),
        (1, 4),
        "{account:?}"
    );
    let poor = json!({ "retries": { "max": 9, "share": 0, "burst": 2, "pause": "1ms" } });
    let (account, _) = after(vec![Manner::Answer(503)], &poor, 5).await;
    let [refused, spent] = [Reason::Rejected, Reason::NoBudget].map(|reason| account.dropped[reason as usize]);
    assert_eq!((refused, spent, account.retries), (0, 5, 2), "{account:?}");
}

#[tokio::test]
async fn without_a_gateway_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for protocol in ["h1", "h2"] {
        let world = world(address, &json!({ "protocol": protocol }));
        world.notifier.enqueue(Role::Message, 1, 1, 1..=20);
        let account = settled(&world.notifier).await;
        assert_eq!(account.dropped[Reason::Failed as usize], 20, "{protocol}: {account:?}");
        assert_eq!(account.unknown, 0, "{protocol}");
        let counts = world.notifier.sums().1;
        assert_eq!((counts.opened, counts.failed), (0, 20), "{protocol}");
    }
}

#[tokio::test]
async fn connections_are_used_again_unless_they_are_not_to_be() {
    let (account, counts) = after(vec![Manner::Answer(204)], &json!({}), 20).await;
    assert_eq!((account.delivered, counts.opened), (20, 1), "{account:?}");
    let (account, counts) = after(vec![Manner::Answer(204)], &json!({ "keep_alive": false }), 20).await;
    assert_eq!(
        (account.delivered, counts.opened, counts.open_peak),
        (20, 20, 1),
        "{account:?}"
    );
}

#[tokio::test]
async fn a_connection_that_the_gateway_closed_while_idle_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = world(listener.local_addr().unwrap(), &json!({}));
    let serving = tokio::spawn(serve(listener, vec![Manner::AnswerAndClose]));
    for number in 1..=10 {
        world.notifier.enqueue(Role::Message, 1, 1, number..=number);
        let account = settled(&world.notifier).await;
        assert_eq!((account.delivered, account.attempts), (number, number), "{account:?}");
        // Long enough for the end of the connection to arrive.
        let started = Instant::now();
        while world.notifier.sums().1.open > 0 {
            assert!(started.elapsed() < LIMIT, "it is closed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(world.notifier.sums().1.opened, 10);
    serving.abort();
}

#[tokio::test]
async fn a_silent_http_2_connection_is_not_used_for_ever() {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = json!({ "protocol": "h2", "request_timeout": "200ms" });
    let world = world(listener.local_addr().unwrap(), &more);
    let serving = tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&EMPTY_SETTINGS).await.unwrap();
            silent.push(stream);
        }
    });
    for round in 1..=2 {
        world.notifier.enqueue(Role::Message, 1, 1, 1..=1);
        let account = settled(&world.notifier).await;
        assert_eq!((account.unknown, account.delivered), (round, 0), "{account:?}");
        let started = Instant::now();
        while world.notifier.sums().1.open > 0 {
            assert!(started.elapsed() < LIMIT, "it is closed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(world.notifier.sums().1.opened, round);
    }
    serving.abort();
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = world(listener.local_addr().unwrap(), &json!({ "idle_timeout": "50ms" }));
    let serving = tokio::spawn(serve(listener, vec![Manner::Answer(204)]));
    let started = Instant::now();
    world.notifier.enqueue(Role::Message, 1, 1, 1..=1);
    settled(&world.notifier).await;
    while world.notifier.sums().1.open > 0 {
        assert!(started.elapsed() < LIMIT, "it is closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(50), "not at once");
    serving.abort();
}

#[tokio::test]
async fn what_waits_when_the_server_stops_is_accounted_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = world(listener.local_addr().unwrap(), &json!({ "request_timeout": "2s" }));
    world.notifier.enqueue(Role::Message, 1, 1, 1..=50); // nobody accepts
    let started = Instant::now();
    while world.notifier.sums().0[0].in_flight == 0 {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.stop.cancel();
    let account = settled(&world.notifier).await;
    let stopped = |account: &Account| account.dropped[Reason::Stopped as usize];
    assert_eq!((account.unknown, stopped(&account)), (1, 49), "{account:?}");
    // What comes later is accounted for as well.
    world.notifier.enqueue(Role::Message, 1, 2, 1..=7);
    let account = settled(&world.notifier).await;
    assert_eq!((account.enqueued, stopped(&account)), (57, 56), "{account:?}");
}
