//! One HTTP/1.1 connection: opened for the arrivals that wait, kept for the next ones, closed when it breaks.
//!
//! The connection and the request on it are polled by one task: a request costs no wake-up of another task.

use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::dispatch::Job;
use super::turns::Turns;
use super::worker::Worker;
use crate::record::Outcome;

type Body = Full<Bytes>;
type Http = http1::Connection<TokioIo<TcpStream>, Body>;

/// Opens a connection and serves arrivals on it until it closes.
pub(super) async fn run(worker: Rc<Worker>) {
    let since_ns = worker.clock.now_ns();
    match tokio::time::timeout(worker.timeout, open(&worker)).await {
        Ok(Ok(opened)) => {
            let id = worker.dispatch.borrow_mut().opened();
            worker.note_opened(since_ns);
            serve(&worker, id, opened).await;
            worker.dispatch.borrow_mut().closed(id);
            worker.note_closed();
        }
        Ok(Err(_)) | Err(_) => {
            worker.note_open_failed();
            let job = worker.dispatch.borrow_mut().open_failed();
            if let Some(job) = job {
                worker.finish(&job, Outcome::ConnectError, since_ns, worker.clock.now_ns());
            }
            // A port that refuses does so at once; do not turn that into a busy loop.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    worker.open_wanted();
}

async fn open(worker: &Worker) -> std::io::Result<(SendRequest<Body>, Http)> {
    let stream = TcpStream::connect(worker.address).await?;
    stream.set_nodelay(true)?;
    // Requests are small: copying them into one buffer is cheaper than a vectored write.
    http1::Builder::new()
        .writev(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)
}

async fn serve(worker: &Rc<Worker>, id: usize, (mut sender, mut http): (SendRequest<Body>, Http)) {
    let turns = std::future::poll_fn(|context| Poll::Ready(Turns::new(context))).await;
    while let Some(job) = next_job(worker, id, &turns, &mut http).await {
        let request = worker.requests.build(&job.arrival);
        let deadline_ns = job.arrival.intended_ns.saturating_add(worker.timeout.as_nanos() as u64);
        let sent_ns = worker.clock.now_ns();
        let mut exchange = Exchange {
            answer: Answer::Awaited(std::pin::pin!(sender.send_request(request))),
            closed: false,
        };
        worker.dispatch.borrow_mut().begin(id, deadline_ns);
        let outcome = std::future::poll_fn(|_| {
            if worker.dispatch.borrow().is_expired(id) {
                return Poll::Ready(Outcome::Timeout);
            }
            let polled = turns.poll(|context| exchange.poll(&mut http, context));
            if polled.is_pending() {
                worker.dispatch.borrow_mut().wait(id, turns.waker());
            }
            polled
        })
        .await;
        worker.dispatch.borrow_mut().end(id);
        worker.finish(&job, outcome, sent_ns, worker.clock.now_ns());
        let unusable = matches!(
            outcome,
            Outcome::Timeout | Outcome::ConnectError | Outcome::ProtocolError
        );
        if unusable || exchange.closed || !is_ready(&mut sender, &turns, &mut http).await {
            return;
        }
        // The clock was just read and arrivals may be due: admitting them here is more punctual than waiting for the timer.
        worker.admit_due();
    }
}

/// The next arrival for this connection; `None` when the connection has closed.
async fn next_job(worker: &Worker, id: usize, turns: &Turns, http: &mut Http) -> Option<Job> {
    // The connection was polled a moment ago: what waits already can be taken at once.
    if let Some(job) = worker.dispatch.borrow_mut().take_waiting(id) {
        return Some(job);
    }
    std::future::poll_fn(|_| {
        turns.poll(|context| {
            if Pin::new(&mut *http).poll(context).is_ready() {
                return Poll::Ready(None);
            }
            worker.dispatch.borrow_mut().poll_job(id, context).map(Some)
        })
    })
    .await
}

/// Whether the connection takes another request, once it has tidied up after the last one.
async fn is_ready(sender: &mut SendRequest<Body>, turns: &Turns, http: &mut Http) -> bool {
    if sender.is_ready() {
        return true;
    }
    std::future::poll_fn(|_| {
        turns.poll(|context| match Pin::new(&mut *http).poll(context) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending => sender.poll_ready(context).map(|ready| ready.is_ok()),
        })
    })
    .await
}

/// One request on its way.
struct Exchange<'a, F> {
    answer: Answer<'a, F>,
    /// The connection has ended; what it had received can still be read.
    closed: bool,
}

enum Answer<'a, F> {
    Awaited(Pin<&'a mut F>),
    Body(Outcome, Incoming),
}

impl<F: Future<Output = hyper::Result<hyper::Response<Incoming>>>> Exchange<'_, F> {
    /// Gives the connection a turn, then the answer as many as it takes.
    fn poll(&mut self, http: &mut Http, context: &mut Context<'_>) -> Poll<Outcome> {
        if !self.closed {
            self.closed = Pin::new(&mut *http).poll(context).is_ready();
        }
        loop {
            match &mut self.answer {
                Answer::Awaited(answer) => match std::task::ready!(answer.as_mut().poll(context)) {
                    Ok(response) => {
                        let outcome = Outcome::of_status(response.status().as_u16());
                        self.answer = Answer::Body(outcome, response.into_body());
                    }
                    Err(error) => return Poll::Ready(broken(&error)),
                },
                Answer::Body(outcome, body) => {
                    let outcome = *outcome;
                    if body.is_end_stream() {
                        return Poll::Ready(outcome);
                    }
                    match std::task::ready!(Pin::new(body).poll_frame(context)) {
                        None => return Poll::Ready(outcome),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Poll::Ready(broken(&error)),
                    }
                }
            }
        }
    }
}

fn broken(error: &hyper::Error) -> Outcome {
    if error.is_parse() {
        Outcome::ProtocolError
    } else {
        Outcome::ConnectError
    }
}
