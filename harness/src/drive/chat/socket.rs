//! One member's WebSocket: opened, listened to, and told about.
//!
//! Knows the protocol and the text of a push. What it hears goes to its [`Listener`].

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::wire::Revision;

/// The library allocates its read buffer at once and keeps it; a push has some fifty bytes.
const READ_BUFFER: usize = 256;
/// Longer frames are not pushes.
const PUSH_MAX: usize = 4096;

/// What a member's WebSocket needs from its owner.
pub(crate) trait Listener {
    fn now_ns(&self) -> u64;
    /// Longest time that opening may take.
    fn timeout(&self) -> Duration;
    /// URL and `Authorization` of the member's WebSocket.
    fn address(&self, member: usize) -> (String, String);
    /// Opens the member's connection.
    async fn stream(&self, member: usize) -> std::io::Result<TcpStream>;
    /// The WebSocket, begun at `since_ns`, is open.
    fn connected(&self, member: usize, since_ns: u64);
    /// A push announced `revision`.
    fn told(&self, member: usize, revision: u64);
    /// The WebSocket broke, or could not be opened.
    fn not_connected(&self, member: usize, was_open: bool);
}

/// Holds one WebSocket of the member until it ends.
pub(crate) async fn follow<L: Listener>(listener: Rc<L>, member: usize) {
    let since_ns = listener.now_ns();
    // Boxed: connecting needs far more memory than waiting for pushes, which is what most members do most of the time.
    let opened = tokio::time::timeout(listener.timeout(), Box::pin(open(&*listener, member))).await;
    let Ok(Ok(mut socket)) = opened else {
        listener.not_connected(member, false);
        return;
    };
    listener.connected(member, since_ns);
    while let Some(Ok(message)) = socket.next().await {
        let revision = match &message {
            Message::Text(text) => serde_json::from_str::<Revision>(text.as_str()).ok(),
            _ => None,
        };
        if let Some(Revision { revision }) = revision {
            listener.told(member, revision);
        }
    }
    listener.not_connected(member, true);
}

async fn open<L: Listener>(listener: &L, member: usize) -> Result<WebSocketStream<TcpStream>, Error> {
    let (url, authorization) = listener.address(member);
    let mut request = url.into_client_request()?;
    let authorization = HeaderValue::from_str(&authorization).expect("a token is plain ASCII");
    request.headers_mut().insert("authorization", authorization);
    let stream = listener.stream(member).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(PUSH_MAX))
        .max_frame_size(Some(PUSH_MAX));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}
