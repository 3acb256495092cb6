//! One WebSocket connection that is held: opened, listened to, spoken over, and told about.
//!
//! Knows the protocol. Whose it is, where it leads, what is said and what is done with what it hears is its
//! [`Listener`]'s.
//!
//! A target may send what it likes: a message has a bound, and so has what waits to be written. A ping is answered; of
//! several that cannot be answered in time, only the last. After some messages in a row the others get a turn.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, Sink as _, SinkExt as _, Stream as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_request};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::dial::{Dialed, Parts};
use super::stream::Stream;
use crate::record::{SocketEnd, UnsentCause};

/// Bytes of the longest message that is heard on a connection that the workload describes.
pub const MESSAGE_MAX: usize = 1 << 20;
/// Bytes that may wait to be written where a target does not read: answers to its pings, and one text.
const UNWRITTEN_MAX: usize = MESSAGE_MAX + 64 * 1024;
/// The same where nothing is said.
const UNWRITTEN_MAX_OF_SILENT: usize = 16 * 1024;
/// The library allocates its read buffer at once and keeps it, so it is small: most messages have some fifty bytes, and
/// most connections hear nothing.
const READ_BUFFER: usize = 256;
/// The same where messages may be long: they are read in pieces of this size.
const READ_BUFFER_OF_LONG: usize = 2048;
/// Above this a message is a long one.
const LONG: usize = 16 * 1024;

/// Where a held connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `ws://…` or `wss://…`
    pub url: String,
    /// Headers of the request for it.
    pub headers: Vec<(String, String)>,
    /// Its number among the held connections of all workers: decides the local address that it comes from.
    pub number: usize,
    /// Bytes of the longest message that it may hear.
    pub message_max: usize,
    /// Whether anything is ever said over it.
    pub speaks: bool,
}

/// How opening a held connection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// When it began.
    pub since_ns: u64,
    /// What it consisted of.
    pub parts: Parts,
}

/// What came over a held connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A ping, which is answered already.
    Ping,
}

/// Why a held connection is open no longer, or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldEnd {
    /// This machine could not even try.
    Local(UnsentCause),
    /// The target, or the way to it.
    Target(SocketEnd),
}

impl HeldEnd {
    /// Whether it had been open.
    #[must_use]
    pub fn was_open(self) -> bool {
        matches!(self, Self::Target(end) if end.was_open())
    }
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
    async fn dial_held(&self, number: usize) -> std::io::Result<Dialed>;
    /// It is open.
    fn opened(&self, socket: Self::Socket, opened: Opened);
    /// Something came.
    fn heard(&self, socket: Self::Socket, heard: Heard<'_>);
    /// The next text that it is to say.
    fn poll_text(&self, socket: Self::Socket, context: &Context<'_>) -> Poll<String>;
    /// The text that it was to say has left, as far as it depends on us.
    fn said(&self, socket: Self::Socket);
    /// It ended, or could not be opened.
    fn ended(&self, socket: Self::Socket, end: HeldEnd);
}

/// Holds one connection until it ends.
pub(crate) async fn hold<L: Listener>(listener: Rc<L>, socket: L::Socket) {
    let end = held(&*listener, socket).await;
    listener.ended(socket, end);
}

async fn held<L: Listener>(listener: &L, socket: L::Socket) -> HeldEnd {
    let since_ns = listener.now_ns();
    let address = listener.address(socket);
    let speaks = address.speaks;
    // Boxed: connecting needs far more memory than waiting for messages, which is what most do most of the time.
    let opened = tokio::time::timeout(listener.timeout(), Box::pin(open(listener, address))).await;
    let (stream, parts) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(end)) => return end,
        Err(_) => return HeldEnd::Target(SocketEnd::NotOpened),
    };
    listener.opened(socket, Opened { since_ns, parts });
    let mut line = Line {
        listener,
        socket,
        stream,
        speaks,
        is_saying: false,
    };
    loop {
        match poll_fn(|context| line.poll(context)).await {
            Ok(Message::Text(text)) => listener.heard(socket, Heard::Text(text.as_str())),
            Ok(Message::Binary(bytes)) => listener.heard(socket, Heard::Binary(&bytes)),
            Ok(Message::Ping(_)) => listener.heard(socket, Heard::Ping),
            Ok(Message::Pong(_) | Message::Frame(_)) => {}
            Ok(Message::Close(_)) => {
                // The answer to it leaves at once or not at all: a target may never take it.
                let _ = line.stream.flush().now_or_never();
                return HeldEnd::Target(SocketEnd::Closed);
            }
            Err(end) => return end,
        }
        tokio::task::consume_budget().await;
    }
}

/// An open connection.
struct Line<'a, L: Listener> {
    listener: &'a L,
    socket: L::Socket,
    stream: WebSocketStream<Stream>,
    speaks: bool,
    /// A text has not left yet.
    is_saying: bool,
}

impl<L: Listener> Line<'_, L> {
    /// Says what is to be said, as far as that is possible, and hears the next message.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, HeldEnd>> {
        while self.speaks {
            if !self.is_saying {
                let Poll::Ready(text) = self.listener.poll_text(self.socket, context) else {
                    break;
                };
                if let Err(error) = Pin::new(&mut self.stream).start_send(Message::text(text)) {
                    return Poll::Ready(Err(end_of(&error)));
                }
                self.is_saying = true;
            }
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(end_of(&error))),
                Poll::Ready(Ok(())) => {
                    self.is_saying = false;
                    self.listener.said(self.socket);
                }
            }
        }
        Pin::new(&mut self.stream).poll_next(context).map(|heard| match heard {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(end_of(&error)),
            None => Err(HeldEnd::Target(SocketEnd::Closed)),
        })
    }
}

fn end_of(error: &Error) -> HeldEnd {
    let end = match error {
        // A text that is longer than one may be.
        Error::WriteBufferFull(_) => return HeldEnd::Local(UnsentCause::OtherLocal),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => SocketEnd::TooLong,
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => SocketEnd::Closed,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketEnd::Closed,
        _ => SocketEnd::ProtocolError,
    };
    HeldEnd::Target(end)
}

async fn open<L: Listener>(listener: &L, address: Address) -> Result<(WebSocketStream<Stream>, Parts), HeldEnd> {
    let Dialed { stream, parts, .. } = listener
        .dial_held(address.number)
        .await
        .map_err(|error| refused(&error))?;
    let begun = Instant::now();
    let request = request(&address).map_err(|_| HeldEnd::Target(SocketEnd::NotUpgraded))?;
    let is_long = address.message_max > LONG;
    let config = WebSocketConfig::default()
        .read_buffer_size(if is_long { READ_BUFFER_OF_LONG } else { READ_BUFFER })
        .write_buffer_size(0)
        .max_write_buffer_size(if address.speaks {
            UNWRITTEN_MAX
        } else {
            UNWRITTEN_MAX_OF_SILENT
        })
        .max_message_size(Some(address.message_max))
        .max_frame_size(Some(address.message_max));
    let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let (stream, _) = upgraded.map_err(|error| match error {
        Error::Io(error) => refused(&error),
        _ => HeldEnd::Target(SocketEnd::NotUpgraded),
    })?;
    let upgrade = Some(begun.elapsed());
    Ok((stream, Parts { upgrade, ..parts }))
}

fn refused(error: &std::io::Error) -> HeldEnd {
    match UnsentCause::of_error(error) {
        Some(cause) => HeldEnd::Local(cause),
        None if error.kind() == std::io::ErrorKind::TimedOut => HeldEnd::Target(SocketEnd::NotOpened),
        None => HeldEnd::Target(SocketEnd::Refused),
    }
}

/// The request for a WebSocket.
fn request(address: &Address) -> Result<Request, Error> {
    let mut request = address.url.as_str().into_client_request()?;
    for (name, value) in &address.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Error::HttpFormat(error.into()))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| Error::HttpFormat(error.into()))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// The same as it is written, for people.
///
/// # Errors
/// When it cannot be one.
pub(crate) fn written(address: &Address) -> Result<Vec<u8>, String> {
    let request = request(address).map_err(|error| error.to_string())?;
    let written = generate_request(request);
    written.map(|(bytes, _)| bytes).map_err(|error| error.to_string())
}
