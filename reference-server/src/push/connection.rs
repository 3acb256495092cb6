//! The task of a member's connection: reads, flushes leftover writes, answers pings, and ends the connection.
//!
//! tungstenite parses and answers; it does not own the socket, because other tasks write pushes to it. tungstenite
//! reads from a [`Wire`] and writes its control frames to it.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::hub::Seated;
use super::member::Member;
use crate::metrics::Disconnect;

/// Members send nothing but pings; this holds the largest control frame twice.
const READ_BUFFER: usize = 256;

/// The kernel doubles it. Untuned, it would grow to megabytes for a member who does not read; pushes waiting here
/// coalesce, those waiting in the kernel do not.
const SEND_BUFFER: usize = 16 * 1024;

/// How long the member has to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

/// The kernel detects peers that vanished without closing, so no timer of ours is needed: after this time without
/// traffic it sends a probe, and after three unanswered probes it gives up.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_PAUSE: Duration = Duration::from_secs(10);

/// Frames read before yielding to other tasks.
const FRAMES: usize = 16;

/// Waits for the upgrade, then serves the member.
pub(crate) async fn listen(seated: Seated, upgrade: OnUpgrade) {
    let (socket, early) = match upgrade.await.map(take_apart) {
        Ok(Some(parts)) => parts,
        Ok(None) => return tracing::error!("an upgraded connection is not the TCP stream it was accepted as"),
        Err(error) => return tracing::debug!(%error, "upgrade failed"),
    };
    serve(seated, socket, early).await;
}

/// Serves the member until the connection ends.
pub(super) async fn serve(seated: Seated, socket: TcpStream, early: Vec<u8>) {
    let metrics = seated.hub.metrics.clone();
    metrics.connected();
    let ended = match prepare(&socket) {
        Err(_) => Disconnect::Error, // the peer has already gone
        Ok(()) => {
            let mut connection = Connection::new(&seated, socket, early);
            std::future::poll_fn(|context| connection.poll(context)).await
        }
    };
    drop(seated);
    metrics.disconnected(ended);
}

fn prepare(socket: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER)?;
    sockopt::set_tcp_keepidle(socket, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(socket, KEEP_ALIVE_PAUSE)?;
    sockopt::set_tcp_keepcnt(socket, 3)?;
    sockopt::set_socket_keepalive(socket, true)
}

/// The socket, and any bytes read beyond the request's head.
fn take_apart(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    // Copied: converting it to a vector would keep all 8 KiB of hyper's buffer alive, usually for nothing.
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}

struct Connection<'a> {
    seated: &'a Seated,
    web_socket: WebSocket<Wire>,
    /// Runs while the socket is full.
    behind: Option<Pin<Box<Sleep>>>,
    /// Set once the close frame is sent: the reason, and the time limit for an answer.
    ending: Option<(Disconnect, Pin<Box<Sleep>>)>,
}

impl<'a> Connection<'a> {
    fn new(seated: &'a Seated, socket: TcpStream, early: Vec<u8>) -> Self {
        seated.member.connected(socket);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(READ_BUFFER)
            .max_message_size(Some(READ_BUFFER))
            .max_frame_size(Some(READ_BUFFER));
        let wire = Wire(Arc::clone(&seated.member));
        Self {
            seated,
            web_socket: WebSocket::from_partially_read(wire, early, Role::Server, Some(config)),
            behind: None,
            ending: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Disconnect> {
        let stopping = self.seated.member.outbox().watch(context.waker());
        if stopping && self.ending.is_none() {
            self.say_goodbye(Disconnect::Shutdown, CloseCode::Away, "the server is shutting down");
        }
        if let Some((why, until)) = &mut self.ending
            && until.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(*why);
        }
        loop {
            let flushed = self.poll_flush(context);
            if let Poll::Ready(Some(ended)) = flushed {
                return Poll::Ready(ended);
            }
            if let Poll::Ready(ended) = self.poll_read(context) {
                return Poll::Ready(ended);
            }
            // Answers written while reading may have filled the socket.
            if flushed.is_pending() || !self.seated.member.outbox().is_blocked() {
                return Poll::Pending;
            }
        }
    }

    /// Ready when nothing is left to write, or with the reason to end.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Option<Disconnect>> {
        let member = &self.seated.member;
        loop {
            let flushed = member
                .outbox()
                .flush(|seat| member.newest(seat), |bytes| member.write(bytes));
            let Ok(flushed) = flushed else {
                return Poll::Ready(Some(Disconnect::Error));
            };
            self.seated.hub.metrics.written(flushed.pushes);
            if !flushed.blocked {
                self.behind = None;
                return Poll::Ready(None);
            }
            let behind = self
                .behind
                .get_or_insert_with(|| Box::pin(sleep(self.seated.hub.behind)));
            if flushed.progress {
                behind.as_mut().reset(Instant::now() + self.seated.hub.behind);
            }
            if behind.as_mut().poll(context).is_ready() {
                // Data still in the kernel's buffer is of no further use.
                let _ = member.socket().set_zero_linger();
                return Poll::Ready(Some(Disconnect::Behind));
            }
            if std::task::ready!(member.socket().poll_write_ready(context)).is_err() {
                return Poll::Ready(Some(Disconnect::Error));
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Disconnect> {
        for _ in 0..FRAMES {
            match self.web_socket.read() {
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) => self.seated.member.outbox().end(), // the next read answers it
                Ok(Message::Text(_) | Message::Binary(_)) if self.ending.is_some() => {}
                Ok(Message::Text(_) | Message::Binary(_)) => {
                    self.say_goodbye(Disconnect::Error, CloseCode::Policy, "members only listen here");
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if std::task::ready!(self.seated.member.socket().poll_read_ready(context)).is_err() {
                        return Poll::Ready(Disconnect::Error);
                    }
                }
                Err(error) => return Poll::Ready(self.broken(&error)),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn say_goodbye(&mut self, why: Disconnect, code: CloseCode, reason: &'static str) {
        self.seated.member.outbox().end();
        let reason = reason.into();
        // What the socket does not accept now goes with the next flush.
        let _ = self.web_socket.close(Some(CloseFrame { code, reason }));
        self.ending = Some((why, Box::pin(sleep(GOODBYE))));
    }

    /// Why reading failed.
    fn broken(&mut self, error: &Error) -> Disconnect {
        let code = match error {
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                return self.ending.take().map_or(Disconnect::Left, |(why, _)| why);
            }
            Error::Io(_) => return Disconnect::Error,
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        };
        tracing::debug!(%error, "a member violated the protocol");
        if self.ending.is_none() {
            self.say_goodbye(Disconnect::Error, code, "");
        }
        self.swallow();
        self.ending.take().map_or(Disconnect::Error, |(why, _)| why)
    }

    /// Drains received bytes: closing a socket with unread bytes would reset it and lose the close frame.
    fn swallow(&self) {
        let mut scratch = [0; 4096];
        for _ in 0..FRAMES {
            if !matches!(self.seated.member.socket().try_read(&mut scratch), Ok(1..)) {
                return;
            }
        }
    }
}

/// The socket as tungstenite sees it.
struct Wire(Arc<Member>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.socket().try_read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.outbox().control(bytes, |bytes| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
