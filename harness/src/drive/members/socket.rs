//! One member's WebSocket: opened, listened to, and opened again after a while when it breaks.

use std::rc::Rc;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::page::Revision;
use crate::drive::worker::Worker;

/// The library allocates its read buffer at once and keeps it; a push has some fifty bytes.
const READ_BUFFER: usize = 256;
/// A push that is longer is none.
const PUSH_MAX: usize = 4096;

/// Holds one connection of the member until it ends, and says so.
pub(super) async fn follow(worker: Rc<Worker>, member: usize) {
    let since_ns = worker.clock.now_ns();
    // Boxed: connecting needs far more memory than waiting for pushes, which is what most members do most of the time.
    let opened = tokio::time::timeout(worker.timeout, Box::pin(open(&worker, member))).await;
    if let Ok(Ok(mut socket)) = opened {
        worker.member_connected(member, since_ns);
        while let Some(Ok(message)) = socket.next().await {
            let revision = match &message {
                Message::Text(text) => serde_json::from_str::<Revision>(text.as_str()).ok(),
                _ => None,
            };
            if let Some(Revision { revision }) = revision {
                worker.member_told(member, revision);
            }
        }
        worker.member_disconnected(member);
    } else {
        worker.member_not_connected();
    }
    worker.member_returns(member);
}

async fn open(worker: &Worker, member: usize) -> Result<WebSocketStream<TcpStream>, Error> {
    let (url, authorization) = worker.member_address(member);
    let mut request = url.into_client_request()?;
    let authorization = HeaderValue::from_str(&authorization).expect("a token is plain ASCII");
    request.headers_mut().insert("authorization", authorization);
    let stream = worker.member_stream(member).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(PUSH_MAX))
        .max_frame_size(Some(PUSH_MAX));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}
