//! HTTP/2: many requests at once on one connection, each on a stream of its own.
//!
//! A session has as many slots as the workload wants, or fewer where the server allows fewer streams: it says so in its
//! first SETTINGS, and until they have come the connection does not count as open. A server that wants no more requests
//! on a connection says so as well (GOAWAY); a request that it has not begun with goes to another connection, as the
//! protocol intends, whatever it writes. A stream that is refused (`RST_STREAM` with `REFUSED_STREAM`) is a rejection,
//! any other reset a failure; the connection goes on.
//!
//! Frames, flow control and bounds against a peer that floods are the library's.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinSet, spawn_local};

use super::owner::{Ended, Exchange, Free, Next, Owner};
use super::reply::{Answer, BODY_MAX, HEAD_MAX};
use super::request::{Request, Wanted};
use super::stream::Stream;
use crate::record::Outcome;

/// Stands for the number of streams that the server has not told yet.
const UNTOLD: usize = usize::MAX - 1;
/// What a server may send on one stream before it is read, and on all streams of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// A connection on which HTTP/2 is agreed.
pub(super) struct Session<S = Stream> {
    send: SendRequest<Bytes>,
    connection: Connection<S, Bytes>,
    scheme: Scheme,
    slots: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Session<S> {
    /// Agrees on HTTP/2 over `stream`, for at most `streams` requests at once.
    pub(super) async fn begin(stream: S, scheme: Scheme, streams: usize) -> std::io::Result<Self> {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(UNTOLD)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_MAX as u32);
        let (send, mut connection) = builder.handshake(stream).await.map_err(io_error)?;
        let allowed = poll_fn(|context| {
            if let Poll::Ready(ended) = std::pin::Pin::new(&mut connection).poll(context) {
                return Poll::Ready(Err(ended.map_or_else(io_error, |()| closed())));
            }
            match send.current_max_send_streams() {
                UNTOLD => Poll::Pending,
                allowed => Poll::Ready(Ok(allowed)),
            }
        });
        let slots = allowed.await?.min(streams);
        if slots == 0 {
            return Err(std::io::Error::other("it allows no streams"));
        }
        Ok(Self {
            send,
            connection,
            scheme,
            slots,
        })
    }

    /// How many requests it carries at once.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Serves jobs on all slots, of which `id` is the first, until the connection ends.
    pub(super) async fn serve<O: Owner + 'static>(self, owner: &Rc<O>, id: O::Slot) {
        let shared = Rc::new(Shared {
            by_server: Cell::new(false),
            has_served: Cell::new(false),
            has_failed: Cell::new(false),
            busy: Cell::new(0),
            slots: std::iter::once(id)
                .chain((1..self.slots).map(|_| owner.add_slot(id)))
                .collect(),
        });
        let connection = spawn_local(self.connection);
        let mut slots = JoinSet::new();
        for id in &shared.slots {
            let slot = Slot::new(owner, *id, self.send.clone(), self.scheme.clone(), &shared);
            slots.spawn_local(slot.serve());
        }
        drop(self.send);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            () = async { while slots.join_next().await.is_some() {} } => {
                // Says goodbye and closes. A server that does not even read that is not waited for.
                if tokio::time::timeout(owner.timeout(), connection.as_mut()).await.is_err() {
                    connection.abort();
                }
            }
            _ = connection.as_mut() => {
                shared.by_server.set(true);
                owner.retire(&shared.slots);
                while slots.join_next().await.is_some() {}
            }
        }
        owner.closed(id, &shared.slots[1..], shared.by_server.get());
    }
}

fn io_error(error: h2::Error) -> std::io::Error {
    match error.is_io() {
        true => error.into_io().unwrap_or_else(closed),
        false => std::io::Error::other(error),
    }
}

fn closed() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

/// What the slots of a session have in common.
struct Shared<S> {
    /// The server has ended it.
    by_server: Cell<bool>,
    /// A request has been answered.
    has_served: Cell<bool>,
    /// A request has failed with the connection.
    has_failed: Cell<bool>,
    /// Requests under way.
    busy: Cell<usize>,
    slots: Vec<S>,
}

/// A place for one request at a time.
struct Slot<O: Owner> {
    owner: Rc<O>,
    id: O::Slot,
    send: SendRequest<Bytes>,
    scheme: Scheme,
    shared: Rc<Shared<O::Slot>>,
    free: Free,
    request: Request,
    taken: Taken,
}

/// What became of a job.
enum Done {
    /// It has ended.
    Ended(Ended),
    /// The server has not begun with it: another connection is to take it.
    Unbegun,
}

impl<O: Owner> Slot<O> {
    fn new(owner: &Rc<O>, id: O::Slot, send: SendRequest<Bytes>, scheme: Scheme, shared: &Rc<Shared<O::Slot>>) -> Self {
        Self {
            owner: Rc::clone(owner),
            id,
            send,
            scheme,
            shared: Rc::clone(shared),
            free: Free {
                since_ns: owner.now_ns(),
                is_new: true,
            },
            request: Request::new(),
            taken: Taken::default(),
        }
    }

    async fn serve(mut self) {
        let is_ended_by_server = self.serve_jobs().await;
        if is_ended_by_server && !self.shared.by_server.replace(true) {
            self.owner.retire(&self.shared.slots);
        }
        self.owner.left(self.id, self.shared.by_server.get());
        self.owner.open_wanted();
    }

    /// Says whether it was the server that wants no more of them.
    async fn serve_jobs(&mut self) -> bool {
        loop {
            let (job, was_idle) = match self.next().await {
                // It is the connection that may have been closed while it was idle, not one of its streams.
                Next::Job { job, was_idle } => {
                    let was_quiet = self.shared.busy.get() == 0 && self.shared.has_served.get();
                    (job, was_idle && was_quiet)
                }
                Next::ClosedByServer => return true,
                Next::Unused => return false,
            };
            let wanted = self.owner.begin(self.id, &job, &mut self.request);
            let sent_ns = self.owner.now_ns();
            let own_ns = self.owner.own_ns(&job, self.free, sent_ns);
            self.shared.busy.update(|busy| busy + 1);
            let done = self.exchange(wanted).await;
            self.shared.busy.update(|busy| busy - 1);
            let ended = match done {
                Done::Ended(ended) if !(ended.is_unanswered && was_idle && wanted.is_repeatable) => ended,
                Done::Ended(_) | Done::Unbegun => {
                    self.owner.replace(self.id, job, own_ns);
                    return true;
                }
            };
            let done_ns = self.owner.now_ns();
            let exchange = Exchange {
                outcome: ended.outcome,
                sent_ns,
                done_ns,
                own_ns,
            };
            self.owner
                .ended(self.id, &job, &exchange, &self.taken.answer(ended.status));
            if !ended.keep_alive {
                self.shared.has_failed.set(true);
                return true;
            }
            if ended.status != 0 {
                self.shared.has_served.set(true);
            }
            self.free = Free {
                since_ns: done_ns,
                is_new: false,
            };
            self.owner.is_free(done_ns);
        }
    }

    /// The next job for this slot, unless its connection ends before.
    async fn next(&mut self) -> Next<O::Job> {
        let mut was_idle = false;
        let next = poll_fn(|context| {
            // A session that ends before it has served anything ends with one job, so that it is known to have failed.
            let ends_without_job = self.shared.has_served.get() || self.shared.has_failed.get();
            if ends_without_job && self.has_ended(context) {
                return Poll::Ready(Next::ClosedByServer);
            }
            if self.owner.is_expired(self.id) {
                return Poll::Ready(Next::Unused);
            }
            let polled = self.owner.poll_job(self.id, self.free.since_ns, context);
            if polled.is_pending() && self.has_ended(context) {
                return Poll::Ready(Next::ClosedByServer);
            }
            was_idle |= polled.is_pending();
            polled.map(|job| Next::Job { job, was_idle })
        })
        .await;
        self.owner.open_wanted();
        next
    }

    /// Whether no more requests can be sent.
    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        self.shared.by_server.get() || matches!(self.send.poll_ready(context), Poll::Ready(Err(_)))
    }

    async fn exchange(&mut self, wanted: Wanted) -> Done {
        self.taken.reset(wanted);
        let Some((head, body)) = self.request.to_http_2(self.scheme.clone()) else {
            // Written by a workload, whose headers are looked at when it is read.
            return Done::Ended(Ended {
                keep_alive: true,
                ..Ended::broken(Outcome::ProtocolError)
            });
        };
        let sent = self.send.send_request(head, body.is_empty());
        let (mut response, mut stream) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                let has_ended = poll_fn(|context| Poll::Ready(self.has_ended(context))).await;
                return match has_ended {
                    true => self.failed(&error, true),
                    // The library would not send it: it is not the connection's fault.
                    false => Done::Ended(Ended {
                        keep_alive: true,
                        ..Ended::broken(Outcome::ProtocolError)
                    }),
                };
            }
        };
        let has_body = !body.is_empty();
        if has_body && let Err(error) = stream.send_data(body, true) {
            return self.failed(&error, false);
        }
        let taken = poll_fn(|context| self.poll_answer(&mut response, &mut stream, context)).await;
        match taken {
            Ok(ended) => {
                if has_body {
                    // An answer may come before the whole request is sent; the rest is not wanted any more.
                    stream.send_reset(Reason::CANCEL);
                }
                Done::Ended(ended)
            }
            Err(error) => self.failed(&error, false),
        }
    }

    /// Takes in the answer, unless its time runs out before.
    fn poll_answer(
        &mut self,
        response: &mut ResponseFuture,
        stream: &mut SendStream<Bytes>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Ended, h2::Error>> {
        if self.owner.is_expired(self.id) {
            stream.send_reset(Reason::CANCEL);
            return Poll::Ready(Ok(Ended {
                keep_alive: true,
                ..Ended::broken(Outcome::Timeout)
            }));
        }
        let polled = self.taken.poll(response, context);
        match &polled {
            Poll::Pending => self.owner.wait(self.id, context.waker()),
            Poll::Ready(Ok(ended)) if ended.status == 0 => stream.send_reset(Reason::CANCEL),
            Poll::Ready(_) => {}
        }
        polled
    }

    /// What an error means; `is_unsent` where the request cannot have left.
    fn failed(&self, error: &h2::Error, is_unsent: bool) -> Done {
        let has_no_answer = self.taken.head.is_none();
        let is_unbegun = is_unsent || (error.is_go_away() && error.is_remote() && has_no_answer);
        let outcome = match error.reason() {
            Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => {
                self.owner.refused(self.id);
                Outcome::StreamRefused
            }
            _ if error.is_reset() && error.is_remote() => Outcome::StreamReset,
            _ if is_unbegun && self.shared.has_served.get() => return Done::Unbegun,
            _ if is_unbegun => Outcome::ConnectError,
            _ if error.is_io() => Outcome::ConnectError,
            _ => Outcome::ProtocolError,
        };
        Done::Ended(Ended {
            // The connection goes on where only the stream has ended.
            keep_alive: error.is_reset(),
            is_unanswered: outcome == Outcome::ConnectError && has_no_answer,
            ..Ended::broken(outcome)
        })
    }
}

/// An answer, as far as it has arrived.
#[derive(Default)]
struct Taken {
    wanted: Option<Wanted>,
    /// The status, and where the body comes from.
    head: Option<(u16, RecvStream)>,
    lines: Vec<u8>,
    body: Vec<u8>,
}

impl Taken {
    fn reset(&mut self, wanted: Wanted) {
        self.wanted = Some(wanted);
        self.head = None;
        self.lines.clear();
        self.body.clear();
    }

    fn answer(&self, status: u16) -> Answer<'_> {
        Answer {
            status,
            head: &self.lines,
            body: &self.body,
        }
    }

    fn is_read(&self) -> bool {
        self.wanted.is_some_and(|wanted| wanted.reads_answer)
    }

    fn poll(&mut self, response: &mut ResponseFuture, context: &mut Context<'_>) -> Poll<Result<Ended, h2::Error>> {
        if self.head.is_none() {
            let (head, body) = ready!(std::pin::Pin::new(response).poll(context))?.into_parts();
            if self.is_read() {
                for (name, value) in &head.headers {
                    self.lines.extend_from_slice(name.as_str().as_bytes());
                    self.lines.extend_from_slice(b": ");
                    self.lines.extend_from_slice(value.as_bytes());
                    self.lines.extend_from_slice(b"\r\n");
                }
            }
            self.head = Some((head.status.as_u16(), body));
        }
        let is_read = self.is_read();
        let Some((status, body)) = &mut self.head else {
            unreachable!("it has just come");
        };
        while let Some(piece) = ready!(body.poll_data(context)) {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            if is_read {
                self.body.extend_from_slice(&piece);
            }
            if self.body.len() > BODY_MAX {
                return Poll::Ready(Ok(Ended {
                    keep_alive: true,
                    ..Ended::broken(Outcome::ProtocolError)
                }));
            }
        }
        Poll::Ready(Ok(Ended {
            outcome: Outcome::of_status(*status),
            status: *status,
            keep_alive: true,
            is_unanswered: false,
        }))
    }
}

#[cfg(test)]
mod tests;
