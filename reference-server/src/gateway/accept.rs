//! Accepts connections: counts, bounds, burdens and serves them.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::answer;
use super::settings::Connections;
use super::state::State;
use crate::cpu;

/// Pause after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest TLS handshake.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// Serves until `stop`; connections then finish their requests. They run in `tasks`.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
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
        let max = match state.settings().connections {
            Connections::Unbounded => usize::MAX,
            Connections::Max(max) => max.as_usize(),
        };
        let Some(open) = state.metrics.connections.accepted(max) else {
            continue; // dropping the stream closes it
        };
        let (tls, state, stop) = (tls.clone(), Arc::clone(&state), stop.clone());
        tasks.spawn(async move {
            connection(stream, tls, &state, stop).await;
            drop(open);
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: &Arc<State>, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return; // the peer has already gone
    }
    match tls {
        None => burdened(stream, state, stop).await,
        Some(tls) => match tokio::time::timeout(TLS_PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => burdened(stream, state, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

/// Serves a connection, which costs CPU to open and memory to keep.
async fn burdened<S>(stream: S, state: &Arc<State>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = state.settings();
    cpu::burn(settings.handshake_cpu.get() + state.cost().cpu).await;
    let held = state.hold(settings.connection_memory());
    let answering = Arc::clone(state);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let state = Arc::clone(&answering);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.idle_timeout.get());
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams.get());
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service));
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
    drop(held);
}
