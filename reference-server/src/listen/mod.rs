//! Accepts connections and serves HTTP/1.1 on them, in our own loop: connections are what this project observes, so
//! they are counted, bounded and ended here rather than inside a framework.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::UPGRADE;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::metrics::{ConnectionMetrics, OpenConnection};

/// Connections waiting to be accepted: a jump in traffic opens thousands within milliseconds.
const BACKLOG: u32 = 4096;

/// Pause after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The limits of a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum number of open connections.
    pub(crate) connections: usize,
    /// Time limit until the next request's head is complete; it also runs while the connection is idle.
    pub(crate) idle: Duration,
}

/// Binds a TCP listener.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop`; connections then finish their current request. They run in `tasks`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: Option<ConnectionMetrics>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accept failed; raise the limit on open files if this persists");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let open = match &metrics {
            None => None,
            Some(metrics) => match metrics.accepted(limits.connections) {
                None => continue, // dropping the stream closes it
                open => open.map(Arc::new),
            },
        };
        let (router, stop) = (router.clone(), stop.clone());
        tasks.spawn(async move {
            connection(stream, router, limits, open, stop).await;
        });
    }
}

/// `open` counts the connection. A request that upgrades the connection takes it along, so that the connection still
/// counts when it is no longer served here.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    open: Option<Arc<OpenConnection>>,
    stop: CancellationToken,
) {
    // A small response must not wait for the acknowledgement of the previous one.
    if stream.set_nodelay(true).is_err() {
        return; // the peer has already gone
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(Body::new);
        if let Some(open) = open.as_ref().filter(|_| request.headers().contains_key(UPGRADE)) {
            request.extensions_mut().insert(Arc::clone(open));
        }
        async move { Ok::<_, Infallible>(answer(&mut router, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(router: &mut Router, request: Request) -> axum::response::Response {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
