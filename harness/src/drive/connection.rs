//! One HTTP/1.1 connection: opened for the arrivals that wait, kept for the next ones, closed when it breaks.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::dispatch::Job;
use super::reply::{Answer, Progress, Reply};
use super::worker::Worker;
use crate::record::Outcome;

/// Answers are read in pieces of at most this size.
const PIECE: usize = 8 * 1024;

/// Opens a connection and serves arrivals on it until it closes.
pub(super) async fn run(worker: Rc<Worker>) {
    let since_ns = worker.clock.now_ns();
    if let Ok(Ok(stream)) = tokio::time::timeout(worker.timeout, worker.open_stream()).await {
        let id = worker.dispatch.borrow_mut().opened();
        worker.note_opened(since_ns);
        let mut connection = Connection::new(&worker, id, stream);
        connection.serve().await;
        drop(connection);
        worker.dispatch.borrow_mut().closed(id);
        worker.note_closed();
    } else {
        worker.note_open_failed();
        let job = worker.dispatch.borrow_mut().open_failed();
        if let Some(job) = job {
            let sent_ns = since_ns.max(job.arrival.intended_ns);
            worker.finish(
                &job,
                Outcome::ConnectError,
                &Answer::default(),
                sent_ns,
                worker.clock.now_ns(),
            );
        }
        // A port that refuses does so at once; do not turn that into a busy loop.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    worker.open_wanted();
}

struct Connection<'a> {
    worker: &'a Rc<Worker>,
    id: usize,
    stream: TcpStream,
    request: Vec<u8>,
    written: usize,
    reply: Reply,
    piece: Box<[u8]>,
}

/// How an exchange ended.
struct Ended {
    outcome: Outcome,
    /// HTTP status; 0 where the answer did not come whole.
    status: u16,
    keep_alive: bool,
}

impl Ended {
    fn broken(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: 0,
            keep_alive: false,
        }
    }
}

impl<'a> Connection<'a> {
    fn new(worker: &'a Rc<Worker>, id: usize, stream: TcpStream) -> Self {
        Self {
            worker,
            id,
            stream,
            request: Vec::with_capacity(512),
            written: 0,
            reply: Reply::default(),
            piece: vec![0; PIECE].into_boxed_slice(),
        }
    }

    async fn serve(&mut self) {
        let worker = self.worker;
        let timeout_ns = u64::try_from(worker.timeout.as_nanos()).unwrap_or(u64::MAX);
        while let Some(job) = self.next_job().await {
            self.request.clear();
            worker
                .requests
                .write(&job.arrival, worker.cursor(&job.arrival), &mut self.request);
            self.written = 0;
            self.reply.reset(worker.reads_answer(&job));
            let deadline_ns = job.arrival.intended_ns.saturating_add(timeout_ns);
            worker.dispatch.borrow_mut().begin(self.id, job, deadline_ns);
            let sent_ns = worker.clock.now_ns();
            let ended = poll_fn(|context| self.poll_exchange(context)).await;
            worker.dispatch.borrow_mut().end(self.id);
            let done_ns = worker.clock.now_ns();
            worker.finish(&job, ended.outcome, &self.reply.answer(ended.status), sent_ns, done_ns);
            if !ended.keep_alive {
                return;
            }
            // The clock was just read and arrivals may be due: admitting them here is more punctual than waiting for the timer.
            worker.admit_due_at(done_ns);
        }
    }

    /// The next arrival for this connection; `None` when the server has closed it, or nobody has used it for long.
    async fn next_job(&mut self) -> Option<Job> {
        let idle_since_ns = self.worker.clock.now_ns();
        let job = poll_fn(|context| {
            // Nothing is due from the server now: whatever comes, even bytes, is the end of this connection.
            let closed = self.poll_read(context).is_ready();
            let mut dispatch = self.worker.dispatch.borrow_mut();
            if closed || dispatch.is_expired(self.id) {
                return Poll::Ready(None);
            }
            dispatch.poll_job(self.id, idle_since_ns, context).map(Some)
        })
        .await;
        // Admitting what was due opened nothing, for this connection was about to be free; now it is known whether that was enough.
        self.worker.open_wanted();
        job
    }

    fn poll_exchange(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        if self.worker.dispatch.borrow().is_expired(self.id) {
            return Poll::Ready(Ended::broken(Outcome::Timeout));
        }
        let polled = self.poll_answer(context);
        if polled.is_pending() {
            self.worker.dispatch.borrow_mut().wait(self.id, context.waker());
        }
        polled
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        while self.written < self.request.len() {
            let rest = &self.request[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                Ok(written @ 1..) => self.written += written,
                // The server may have answered before it closed: what it said is still to be read.
                Ok(0) | Err(_) => break,
            }
        }
        loop {
            let progress = match ready!(self.poll_read(context)) {
                Ok(0) => match self.reply.closed() {
                    Progress::Unfinished => return Poll::Ready(Ended::broken(Outcome::ConnectError)),
                    progress => progress,
                },
                Ok(read) => self.reply.take(&self.piece[..read]),
                Err(_) => return Poll::Ready(Ended::broken(Outcome::ConnectError)),
            };
            match progress {
                Progress::Unfinished => {}
                Progress::Malformed => return Poll::Ready(Ended::broken(Outcome::ProtocolError)),
                Progress::Done { status, keep_alive } => {
                    let outcome = Outcome::of_status(status);
                    // An answer before the whole request was written leaves the connection in nobody knows which state.
                    let keep_alive = keep_alive && self.written == self.request.len();
                    return Poll::Ready(Ended {
                        outcome,
                        status,
                        keep_alive,
                    });
                }
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut piece = ReadBuf::new(&mut self.piece);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        Poll::Ready(Ok(piece.filled().len()))
    }
}
