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
    while let Some(job) = next_job(worker, id, &mut http).await {
        let request = worker.requests.build(&job.arrival);
        let sent_ns = worker.clock.now_ns();
        let mut exchange = Exchange {
            answer: Answer::Awaited(std::pin::pin!(sender.send_request(request))),
            closed: false,
        };
        let outcome = std::future::poll_fn(|context| {
            let dispatch = &worker.dispatch;
            if dispatch.borrow().is_expired(id) {
                return Poll::Ready(Outcome::Timeout);
            }
            if matches!(exchange.answer, Answer::Awaited(_)) {
                let deadline_ns = job.arrival.intended_ns + worker.timeout.as_nanos() as u64;
                dispatch.borrow_mut().begin(id, deadline_ns, context.waker());
            }
            exchange.poll(&mut http, context)
        })
        .await;
        worker.dispatch.borrow_mut().end(id);
        worker.finish(&job, outcome, sent_ns, worker.clock.now_ns());
        let unusable = matches!(
            outcome,
            Outcome::Timeout | Outcome::ConnectError | Outcome::ProtocolError
        );
        // The clock was just read and arrivals may be due: admitting them here is more punctual than waiting for the timer.
        worker.admit_due();
        if unusable
            || exchange.closed
            || std::future::poll_fn(|context| sender.poll_ready(context))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// The next arrival for this connection; `None` when the connection has closed.
async fn next_job(worker: &Worker, id: usize, http: &mut Http) -> Option<Job> {
    std::future::poll_fn(|context| {
        if Pin::new(&mut *http).poll(context).is_ready() {
            return Poll::Ready(None);
        }
        worker.dispatch.borrow_mut().poll_job(id, context).map(Some)
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
    /// Moves the connection and the exchange on until neither can.
    fn poll(&mut self, http: &mut Http, context: &mut Context<'_>) -> Poll<Outcome> {
        // Asking for the body is what makes the connection read it, so the connection gets one more turn after the question.
        let mut asked = false;
        loop {
            if !self.closed {
                match Pin::new(&mut *http).poll(context) {
                    Poll::Ready(_) => self.closed = true,
                    Poll::Pending => {}
                }
            }
            match &mut self.answer {
                Answer::Awaited(answer) => match answer.as_mut().poll(context) {
                    Poll::Ready(Ok(response)) => {
                        let outcome = Outcome::of_status(response.status().as_u16());
                        self.answer = Answer::Body(outcome, response.into_body());
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(broken(&error)),
                    Poll::Pending => return Poll::Pending,
                },
                Answer::Body(outcome, body) => {
                    let outcome = *outcome;
                    if body.is_end_stream() {
                        return Poll::Ready(outcome);
                    }
                    match Pin::new(body).poll_frame(context) {
                        Poll::Ready(None) => return Poll::Ready(outcome),
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(broken(&error)),
                        Poll::Pending if asked || self.closed => return Poll::Pending,
                        Poll::Pending => asked = true,
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
