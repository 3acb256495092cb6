//! One WebSocket connection that is held: opened, listened to, and told about.
//!
//! Knows the protocol. Whose it is, where it leads and what is done with what it hears is its [`Listener`]'s.
//!
//! A leaf.

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The library allocates its read buffer at once and keeps it; a push has some fifty bytes.
const READ_BUFFER: usize = 256;
/// Longer frames are not heard.
const FRAME_MAX: usize = 4096;

/// Where a held connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `ws://…`
    pub url: String,
    /// The `Authorization` header.
    pub authorization: String,
    /// Its number among the held connections of all workers: decides the local address that it comes from.
    pub number: usize,
}

/// What a held connection needs from its owner.
pub(crate) trait Listener {
    /// Tells held connections apart.
    type Socket: Copy;

    fn now_ns(&self) -> u64;
    /// Longest time that opening may take.
    fn timeout(&self) -> Duration;
    /// Where it leads.
    fn address(&self, socket: Self::Socket) -> Address;
    /// Opens held connection number `number`.
    async fn connect(&self, number: usize) -> std::io::Result<TcpStream>;
    /// It is open, begun at `since_ns`.
    fn opened(&self, socket: Self::Socket, since_ns: u64);
    /// A text message came.
    fn heard(&self, socket: Self::Socket, text: &str);
    /// It broke, or could not be opened.
    fn ended(&self, socket: Self::Socket, was_open: bool);
}

/// Holds one connection until it ends.
pub(crate) async fn hold<L: Listener>(listener: Rc<L>, socket: L::Socket) {
    let since_ns = listener.now_ns();
    // Boxed: connecting needs far more memory than waiting for messages, which is what most do most of the time.
    let opened = tokio::time::timeout(listener.timeout(), Box::pin(open(&*listener, socket))).await;
    let Ok(Ok(mut stream)) = opened else {
        listener.ended(socket, false);
        return;
    };
    listener.opened(socket, since_ns);
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = &message {
            listener.heard(socket, text.as_str());
        }
    }
    listener.ended(socket, true);
}

async fn open<L: Listener>(listener: &L, socket: L::Socket) -> Result<WebSocketStream<TcpStream>, Error> {
    let Address {
        url,
        authorization,
        number,
    } = listener.address(socket);
    let mut request = url.into_client_request()?;
    let authorization = HeaderValue::from_str(&authorization).expect("a token is plain ASCII");
    request.headers_mut().insert("authorization", authorization);
    let stream = listener.connect(number).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    let (stream, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(stream)
}
