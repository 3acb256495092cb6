//! One HTTP/1.1 connection: opened for the arrivals that wait, kept for the next ones, closed when it breaks.
//!
//! A server may close a connection that is idle just when a request is on its way. As every client does, the generator
//! then opens another and sends the request again, under these conditions: the connection had served a request and was
//! idle before this one, no byte of an answer has come, and either the request writes nothing (as GET), or it is known
//! that the server cannot have read it (the end of the connection had arrived before the request was written, or none
//! of it could be written). Everything else that breaks is a `connect_error`. A request that follows directly on
//! an answer is not sent again: the connection was not idle.
//!
//! Knows sockets, requests and answers. What a job is, where it comes from and what becomes of its answer is its
//! [`Owner`]'s.

use std::future::poll_fn;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::reply::{Answer, Progress, Reply};
use super::request::{Request, Wanted};
use crate::record::{Outcome, UnsentCause};

/// Answers are read in pieces of at most this size.
const PIECE: usize = 8 * 1024;
/// A port that refuses does so at once; this pause keeps that from becoming a busy loop.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// What a connection needs from its owner.
pub(crate) trait Owner {
    /// What a connection is given to do.
    type Job: Copy;

    fn now_ns(&self) -> u64;
    /// Longest time that opening may take.
    fn timeout(&self) -> Duration;
    /// Opens the connection in a slot.
    async fn connect(&self, id: usize) -> std::io::Result<TcpStream>;
    /// Opening began at `since_ns` and is done.
    fn opened(&self, id: usize, since_ns: u64);
    /// Opening began at `since_ns` and came to nothing.
    fn open_failed(&self, id: usize, since_ns: u64, failure: Failure);
    /// The connection is closed; `by_server` while it was idle.
    fn closed(&self, id: usize, by_server: bool);
    /// Opens as many connections as are wanted by now.
    fn open_wanted(self: &Rc<Self>);
    /// The next job for a connection that is free since `since_ns`.
    fn poll_job(&self, id: usize, since_ns: u64, context: &Context<'_>) -> Poll<Self::Job>;
    /// Whether the connection has been idle for too long, or its request has run out of time.
    fn is_expired(&self, id: usize) -> bool;
    /// Notes whom to wake when it has.
    fn wait(&self, id: usize, waker: &Waker);
    /// The connection takes the job on: writes its request.
    fn begin(&self, id: usize, job: &Self::Job, request: &mut Request) -> Wanted;
    /// The generator's own lateness in sending the job at `sent_ns` on a connection that has been free like that.
    fn own_ns(&self, job: &Self::Job, free: Free, sent_ns: u64) -> u64;
    /// The job has ended.
    fn ended(&self, id: usize, job: &Self::Job, exchange: &Exchange, answer: &Answer<'_>);
    /// The connection turned out to be closed before the job: another one is to take it. The generator was late by
    /// `own_ns`.
    fn replace(&self, id: usize, job: Self::Job, own_ns: u64);
    /// An answer was complete at `now_ns`, and the connection is about to be free.
    fn is_free(self: &Rc<Self>, now_ns: u64);
}

/// Since when the connection that takes a job has been free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) since_ns: u64,
    /// It has served nothing yet.
    pub(crate) is_new: bool,
}

/// How a request ended, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) outcome: Outcome,
    pub(crate) sent_ns: u64,
    pub(crate) done_ns: u64,
    /// The generator's lateness until it was sent.
    pub(crate) own_ns: u64,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This machine could not even try.
    Local(UnsentCause),
    /// The target did not answer in time.
    NotAccepted,
    /// The target said no, or cannot be reached.
    Refused,
}

impl Failure {
    fn of(error: &Error) -> Self {
        match UnsentCause::of_error(error) {
            Some(cause) => Self::Local(cause),
            None if error.kind() == ErrorKind::TimedOut => Self::NotAccepted,
            None => Self::Refused,
        }
    }
}

/// Opens a connection and serves jobs on it until it closes.
pub(crate) async fn run<O: Owner>(owner: Rc<O>, id: usize) {
    let since_ns = owner.now_ns();
    let opened = match tokio::time::timeout(owner.timeout(), owner.connect(id)).await {
        Ok(opened) => opened.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::NotAccepted),
    };
    match opened {
        Ok(stream) => {
            owner.opened(id, since_ns);
            let mut connection = Connection::new(&owner, id, stream);
            let by_server = connection.serve().await;
            drop(connection);
            owner.closed(id, by_server);
        }
        Err(failure) => {
            owner.open_failed(id, since_ns, failure);
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
    owner.open_wanted();
}

struct Connection<'a, O> {
    owner: &'a Rc<O>,
    id: usize,
    stream: TcpStream,
    free: Free,
    request: Request,
    written: usize,
    reply: Reply,
    piece: Box<[u8]>,
}

/// What comes next on an idle connection.
enum Next<Job> {
    Job { job: Job, was_idle: bool },
    ClosedByServer,
    Unused,
}

/// How an exchange ended.
struct Ended {
    outcome: Outcome,
    /// HTTP status; 0 where the answer did not come whole.
    status: u16,
    keep_alive: bool,
    /// The connection broke before a byte of the answer.
    is_unanswered: bool,
}

impl Ended {
    fn broken(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: 0,
            keep_alive: false,
            is_unanswered: false,
        }
    }
}

impl<'a, O: Owner> Connection<'a, O> {
    fn new(owner: &'a Rc<O>, id: usize, stream: TcpStream) -> Self {
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
            reply: Reply::default(),
            piece: vec![0; PIECE].into_boxed_slice(),
        }
    }

    /// Says whether the server closed the connection while it was idle.
    async fn serve(&mut self) -> bool {
        let owner = self.owner;
        loop {
            let (job, was_idle) = match self.next().await {
                Next::Job { job, was_idle } => (job, was_idle && !self.free.is_new),
                Next::ClosedByServer => return true,
                Next::Unused => return false,
            };
            let wanted = owner.begin(self.id, &job, &mut self.request);
            self.written = 0;
            self.reply.reset(wanted.reads_answer, wanted.is_head);
            let sent_ns = owner.now_ns();
            let own_ns = owner.own_ns(&job, self.free, sent_ns);
            if was_idle && !wanted.is_repeatable && has_ended(&self.stream) {
                owner.replace(self.id, job, own_ns);
                return false;
            }
            let ended = poll_fn(|context| self.poll_exchange(context)).await;
            let is_unread = wanted.is_repeatable || self.written == 0;
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
            // Nothing is due from the server now: whatever comes, even bytes, is the end of this connection.
            if self.poll_read(context).is_ready() {
                return Poll::Ready(Next::ClosedByServer);
            }
            if self.owner.is_expired(self.id) {
                return Poll::Ready(Next::Unused);
            }
            let polled = self.owner.poll_job(self.id, self.free.since_ns, context);
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

/// Whether the end of the connection has arrived, although the runtime may not have been told yet.
fn has_ended(stream: &TcpStream) -> bool {
    let mut byte = [0; 1];
    let seen = recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    !matches!(seen, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_connection_is_seen_before_the_runtime_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(!has_ended(&stream));
        drop(accepted);
        let begun = std::time::Instant::now();
        // Without a turn of the runtime.
        while !has_ended(&stream) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_this_machine_cannot_do_is_not_the_targets_failure() {
        use rustix::io::Errno;
        for (errno, failure) in [
            (Errno::MFILE, Failure::Local(UnsentCause::NoFile)),
            (Errno::ADDRNOTAVAIL, Failure::Local(UnsentCause::NoPort)),
            (Errno::NOBUFS, Failure::Local(UnsentCause::NoBuffer)),
            (Errno::TIMEDOUT, Failure::NotAccepted),
            (Errno::CONNREFUSED, Failure::Refused),
            (Errno::CONNRESET, Failure::Refused),
            (Errno::HOSTUNREACH, Failure::Refused),
        ] {
            assert_eq!(Failure::of(&errno.into()), failure, "{errno:?}");
        }
    }
}
