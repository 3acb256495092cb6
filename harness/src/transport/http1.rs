//! HTTP/1.1: one request after the other on a connection that is kept until it breaks.
//!
//! A server may close a connection that is idle just when a request is on its way. As every client does, the generator
//! then opens another and sends the request again, under these conditions: the connection had served a request and was
//! idle before this one, no byte of an answer has come, and either the request writes nothing (as GET), or it is known
//! that the server cannot have read it (the end of the connection had arrived before the request was written, or none
//! of it could be written). Everything else that breaks is a `connect_error`. A request that follows directly on
//! an answer is not sent again: the connection was not idle.
//!
//! Knows streams of bytes, requests and answers; the rest is its [`Owner`]'s.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::owner::{Ended, Exchange, Free, Next, Owner};
use super::reply::{Progress, Reply};
use super::request::Request;
use super::stream::Stream;
use crate::record::Outcome;

/// Answers are read in pieces of at most this size.
const PIECE: usize = 8 * 1024;

/// An open HTTP/1.1 connection.
pub(super) struct Connection<'a, O: Owner> {
    owner: &'a Rc<O>,
    id: O::Slot,
    stream: Stream,
    free: Free,
    request: Request,
    written: usize,
    /// Whether all that was written has left, as far as it depends on us.
    is_flushed: bool,
    reply: Reply,
    piece: Box<[u8]>,
}

impl<'a, O: Owner> Connection<'a, O> {
    pub(super) fn new(owner: &'a Rc<O>, id: O::Slot, stream: Stream) -> Self {
        Self {
            owner,
            id,
            stream,
            free: Free {
                since_ns: owner.now_ns(),
                is_new: true,
            },
            request: Request::new(),
            written: 0,
            is_flushed: false,
            reply: Reply::default(),
            piece: vec![0; PIECE].into_boxed_slice(),
        }
    }

    /// Says whether the server closed the connection while it was idle.
    pub(super) async fn serve(&mut self) -> bool {
        let owner = self.owner;
        loop {
            let (job, was_idle) = match self.next().await {
                Next::Job { job, was_idle } => (job, was_idle && !self.free.is_new),
                Next::ClosedByServer => return true,
                Next::Unused => return false,
            };
            let wanted = owner.begin(self.id, &job, &mut self.request);
            self.written = 0;
            self.is_flushed = false;
            self.reply.reset(wanted.reads_answer, wanted.is_head);
            let sent_ns = owner.now_ns();
            let own_ns = owner.own_ns(&job, self.free, sent_ns);
            if was_idle && !wanted.is_repeatable && self.stream.has_ended() {
                owner.replace(self.id, job, own_ns);
                return false;
            }
            let ended = poll_fn(|context| self.poll_exchange(context)).await;
            // Of what is encrypted some may have left although writing it failed.
            let is_unread = wanted.is_repeatable || (self.written == 0 && !self.stream.is_encrypted());
            if was_idle && ended.is_unanswered && is_unread {
                owner.replace(self.id, job, own_ns);
                return false;
            }
            let done_ns = owner.now_ns();
            let exchange = Exchange {
                outcome: ended.outcome,
                sent_ns,
                done_ns,
                own_ns,
            };
            owner.ended(self.id, &job, &exchange, &self.reply.answer(ended.status));
            if !ended.keep_alive {
                return false;
            }
            self.free = Free {
                since_ns: done_ns,
                is_new: false,
            };
            // The clock was just read and arrivals may be due: admitting them here is more punctual than waiting for
            // the timer.
            owner.is_free(done_ns);
        }
    }

    /// The next job for this connection, unless it is closed before.
    async fn next(&mut self) -> Next<O::Job> {
        let mut was_idle = false;
        let next = poll_fn(|context| {
            // Nothing is due from the server now: whatever comes, even bytes, is the end of this connection. One that
            // ends before it has served anything ends with a job, so that it is known to have failed.
            if !self.free.is_new && self.poll_read(context).is_ready() {
                return Poll::Ready(Next::ClosedByServer);
            }
            if self.owner.is_expired(self.id) {
                return Poll::Ready(Next::Unused);
            }
            let polled = self.owner.poll_job(self.id, self.free.since_ns, context);
            if polled.is_pending() && self.free.is_new && self.poll_read(context).is_ready() {
                return Poll::Ready(Next::ClosedByServer);
            }
            was_idle |= polled.is_pending();
            polled.map(|job| Next::Job { job, was_idle })
        })
        .await;
        // Admitting what was due opened nothing, for this connection was about to be free; now it is known whether that
        // was enough.
        self.owner.open_wanted();
        next
    }

    fn poll_exchange(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        if self.owner.is_expired(self.id) {
            return Poll::Ready(Ended::broken(Outcome::Timeout));
        }
        let polled = self.poll_answer(context);
        if polled.is_pending() {
            self.owner.wait(self.id, context.waker());
        }
        polled
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        while let Some(rest @ [_, ..]) = self.request.bytes().get(self.written..) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                Ok(written @ 1..) => self.written += written,
                // The server may have answered before it closed: what it said is still to be read.
                Ok(0) | Err(_) => break,
            }
        }
        // What is encrypted may wait for room while the answer is already being read. A failure shows in reading.
        self.is_flushed = self.is_flushed || Pin::new(&mut self.stream).poll_flush(context).is_ready();
        loop {
            let progress = match ready!(self.poll_read(context)) {
                Ok(0) => match self.reply.closed() {
                    Progress::Unfinished => return Poll::Ready(self.broken()),
                    progress => progress,
                },
                Ok(read) => self.reply.take(&self.piece[..read]),
                Err(_) => return Poll::Ready(self.broken()),
            };
            match progress {
                Progress::Unfinished => {}
                Progress::Malformed => return Poll::Ready(Ended::broken(Outcome::ProtocolError)),
                Progress::Done { status, keep_alive } => {
                    return Poll::Ready(Ended {
                        outcome: Outcome::of_status(status),
                        status,
                        // An answer before the whole request was written leaves the connection in nobody knows which
                        // state.
                        keep_alive: keep_alive && self.written == self.request.bytes().len(),
                        is_unanswered: false,
                    });
                }
            }
        }
    }

    fn broken(&self) -> Ended {
        Ended {
            is_unanswered: self.reply.is_empty(),
            ..Ended::broken(Outcome::ConnectError)
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut piece = ReadBuf::new(&mut self.piece);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        Poll::Ready(Ok(piece.filled().len()))
    }
}
