//! The hub with real sockets: who gets which push, who falls behind, who is disconnected.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hotchat_policy::{DropShare, PushRule};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;
use tungstenite::Message;
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::coding::CloseCode;

use super::connection::serve;
use super::hub::{Hub, Pushed};
use crate::metrics::Metrics;

/// Upper bound of every wait in a test; none should come near it.
const LIMIT: Duration = Duration::from_secs(20);

struct World {
    hub: Arc<Hub>,
    metrics: Metrics,
    listener: TcpListener,
}

type Client = WebSocketStream<TcpStream>;

impl World {
    async fn new(behind: Duration) -> Self {
        let metrics = Metrics::new();
        let hub = Hub::new(behind, metrics.push.clone(), 7);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { hub, metrics, listener }
    }

    /// A member of these chats and the task that serves the connection.
    async fn member(&self, chats: &[u64]) -> (Client, JoinHandle<()>) {
        let seated = self.hub.seat(7, chats);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let connecting = socket.connect(self.listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, self.listener.accept());
        let task = tokio::spawn(serve(seated, accepted.unwrap().0, Vec::new()));
        let client = WebSocketStream::from_raw_socket(client.unwrap(), Role::Client, None).await;
        (client, task)
    }

    fn metric(&self, name: &str) -> u64 {
        let page = self.metrics.page(std::iter::empty()).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

async fn next(client: &mut Client) -> Message {
    timeout(LIMIT, client.next()).await.unwrap().unwrap().unwrap()
}

/// The chat and the revision of the next push.
async fn pushed(client: &mut Client) -> (u64, u64) {
    let push: Value = serde_json::from_str(next(client).await.to_text().unwrap()).unwrap();
    (push["chat_id"].as_u64().unwrap(), push["revision"].as_u64().unwrap())
}

async fn close_code(client: &mut Client) -> CloseCode {
    loop {
        if let Message::Close(frame) = next(client).await {
            return frame.unwrap().code;
        }
    }
}

fn dropping(drop: f64, within_ms: u64) -> PushRule {
    PushRule::Dropping {
        drop: DropShare::try_new(drop).unwrap(),
        trailing: Some(Duration::from_millis(within_ms)),
    }
}

#[tokio::test]
async fn a_push_reaches_only_the_members_of_its_chat() {
    let world = World::new(LIMIT).await;
    let (mut both, _task) = world.member(&[1, 2]).await;
    let (mut second, _task) = world.member(&[2]).await;
    assert_eq!(world.hub.push(1, 10, &PushRule::All).await.sent, 1);
    assert_eq!(world.hub.push(2, 20, &PushRule::All).await.sent, 2);
    assert_eq!(world.hub.push(3, 30, &PushRule::All).await, Pushed::default());
    assert_eq!((pushed(&mut both).await, pushed(&mut both).await), ((1, 10), (2, 20)));
    assert_eq!(pushed(&mut second).await, (2, 20));
    assert_eq!(world.metric("hotchat_pushes_total{outcome=\"sent\"}"), 3);
}

#[tokio::test]
async fn a_member_who_leaves_is_forgotten_and_counted() {
    let world = World::new(LIMIT).await;
    let (mut stays, _task) = world.member(&[1]).await;
    let (mut leaves, left) = world.member(&[1, 2]).await;
    let (vanishes, vanished) = world.member(&[1]).await;
    leaves.close(None).await.unwrap();
    drop(vanishes);
    timeout(LIMIT, left).await.unwrap().unwrap();
    timeout(LIMIT, vanished).await.unwrap().unwrap();
    assert!(
        matches!(next(&mut leaves).await, Message::Close(_)),
        "the close frame is answered"
    );
    assert_eq!(world.hub.push(1, 1, &PushRule::All).await.sent, 1);
    assert_eq!(world.hub.push(2, 1, &PushRule::All).await.sent, 0);
    assert_eq!(pushed(&mut stays).await, (1, 1));
    assert_eq!(world.metric("hotchat_push_members"), 1);
    assert_eq!(world.metric("hotchat_push_disconnects_total{reason=\"left\"}"), 2);
}

#[tokio::test]
async fn a_member_that_stops_reading_gets_the_newest_revision_on_resuming() {
    let world = World::new(LIMIT).await;
    let (mut slow, _task) = world.member(&[1]).await;
    let mut revision = 0;
    while world.metric("hotchat_pushes_total{outcome=\"coalesced\"}") < 1000 {
        revision += 1;
        world.hub.push(1, revision, &PushRule::All).await;
    }
    let mut last = 0;
    while last < revision {
        let (_, next) = pushed(&mut slow).await;
        assert!(next > last, "never back");
        last = next;
    }
    let written = world.metric("hotchat_pushes_total{outcome=\"sent\"}");
    assert!(
        written <= revision - 1000,
        "{written} of {revision} were written, the others coalesced"
    );
}

#[tokio::test]
async fn a_member_with_a_blocked_socket_is_disconnected_and_others_are_unaffected() {
    let world = World::new(Duration::from_millis(300)).await;
    let (_stuck, task) = world.member(&[1]).await;
    let (mut reads, _task) = world.member(&[1]).await;
    let started = Instant::now();
    let mut revision = 0;
    while !task.is_finished() {
        assert!(started.elapsed() < LIMIT, "the member is still connected");
        revision += 1;
        world.hub.push(1, revision, &PushRule::All).await;
        assert_eq!(pushed(&mut reads).await, (1, revision));
    }
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(world.metric("hotchat_push_disconnects_total{reason=\"behind\"}"), 1);
    assert_eq!(world.metric("hotchat_push_members"), 1);
}

#[tokio::test]
async fn a_member_with_dropped_pushes_gets_a_trailing_push_in_time() {
    let world = World::new(LIMIT).await;
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&world.hub).send_trailing(stop.clone()));
    let mut members = Vec::new();
    for _ in 0..200 {
        members.push(world.member(&[1]).await.0);
    }
    let started = Instant::now();
    let rule = dropping(1.0, 1000);
    let mut revision = 0;
    while started.elapsed() < Duration::from_millis(1100) {
        revision += 1;
        assert_eq!(world.hub.push(1, revision, &rule).await.sent, 0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first debt was settled while events continued; the last one is settled although nothing happens any more.
    for client in &mut members {
        let (_, first) = pushed(client).await;
        assert!((1..revision).contains(&first), "{first} of {revision}");
        let mut last = first;
        while last < revision {
            last = pushed(client).await.1;
        }
    }
    let took = started.elapsed();
    assert!(took < Duration::from_millis(1100 + 1000 + 500), "{took:?}");
    assert_eq!(
        world.metric("hotchat_trailing_pushes_total"),
        world.metric("hotchat_pushes_total{outcome=\"sent\"}"),
        "nothing else was sent"
    );
}

#[tokio::test]
async fn a_stopping_server_sends_close_frames_to_all() {
    let world = World::new(LIMIT).await;
    let (mut early, early_task) = world.member(&[1, 2]).await;
    world.hub.stop();
    let (mut late, late_task) = world.member(&[1]).await;
    assert_eq!(close_code(&mut early).await, CloseCode::Away);
    assert_eq!(close_code(&mut late).await, CloseCode::Away);
    // The client library has answered on its own.
    let _ = (early.next().await, late.next().await);
    timeout(LIMIT, early_task).await.unwrap().unwrap();
    timeout(LIMIT, late_task).await.unwrap().unwrap();
    assert_eq!(world.metric("hotchat_push_disconnects_total{reason=\"shutdown\"}"), 2);
}

#[tokio::test]
async fn members_may_ping_and_nothing_else() {
    let world = World::new(LIMIT).await;
    let (mut polite, _task) = world.member(&[1]).await;
    polite.send(Message::Ping("still there?".into())).await.unwrap();
    assert_eq!(next(&mut polite).await, Message::Pong("still there?".into()));
    polite.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(close_code(&mut polite).await, CloseCode::Policy);
    let (mut loud, _task) = world.member(&[1]).await;
    loud.send(Message::Binary(vec![0; 100_000].into())).await.unwrap();
    assert_eq!(close_code(&mut loud).await, CloseCode::Size);
}
