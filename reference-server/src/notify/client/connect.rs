//! Opens a connection to the gateway: TCP, TLS where asked for, HTTP.
//!
//! A bound on connections is kept here, by a permit that a connection holds until its socket is closed. So it holds at
//! every moment, also while a connection that timed out is being replaced.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::config::{GatewayClient, Protocol};
use crate::metrics::{Handshake, NotifyMetrics};
use crate::notify::counts::Open;

/// What is sent.
pub(super) type Body = Full<Bytes>;

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Why the gateway's certificates cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}; `settings.notify.gateway.trust` needs a readable file with certificates (PEM)", path = path.display())]
pub(crate) struct InvalidTrust {
    path: PathBuf,
    why: String,
}

pub(super) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    streams: usize,
    /// How long an HTTP/2 connection may be silent before it is asked for a sign of life, and then until it gives one.
    patience: Duration,
    /// `None` without a bound.
    room: Option<Arc<Semaphore>>,
    metrics: NotifyMetrics,
}

/// What is held while a connection is open.
struct Held {
    _open: Open,
    _room: Option<OwnedSemaphorePermit>,
}

/// A connection that counts, and takes its room, until its socket is closed: fields are dropped in their order. HTTP/2
/// hands the stream on to a task that is not ours, so it carries this along.
struct Kept {
    stream: Pin<Box<dyn Stream>>,
    _held: Held,
}

/// A connection's task; dropping this closes the connection: an HTTP/1.1 connection at once, an HTTP/2 connection when
/// the requests on it have ended.
pub(super) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(super) fn new(
        settings: &GatewayClient,
        connections: Option<usize>,
        metrics: &NotifyMetrics,
    ) -> Result<Self, InvalidTrust> {
        let url = settings.url();
        let tls = settings
            .trust
            .as_deref()
            .map(|trust| tls(trust, &url.host, settings.protocol))
            .transpose()?;
        Ok(Self {
            host: url.host.clone(),
            port: url.port,
            tls,
            timeout: settings.connect_timeout.get(),
            streams: settings.streams.as_usize(),
            patience: settings.request_timeout.get(),
            room: connections.map(|connections| Arc::new(Semaphore::new(connections))),
            metrics: metrics.clone(),
        })
    }

    /// Longest time until a connection is open.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// An HTTP/1.1 connection, ready for a request.
    pub(super) async fn one(&self) -> io::Result<(http1::SendRequest<Body>, Task)> {
        self.within(async {
            let stream = TokioIo::new(self.stream().await?);
            let (mut sender, connection) = http1::handshake::<_, Body>(stream).await.map_err(io::Error::other)?;
            let task = kept_running(connection);
            sender.ready().await.map_err(io::Error::other)?;
            Ok((sender, task))
        })
        .await
    }

    /// An HTTP/2 connection, ready for requests.
    pub(super) async fn many(&self) -> io::Result<(http2::SendRequest<Body>, Task)> {
        self.within(async {
            let stream = TokioIo::new(self.stream().await?);
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_max_send_streams(self.streams)
                .keep_alive_interval(self.patience)
                .keep_alive_timeout(self.patience)
                .keep_alive_while_idle(true); // a request that timed out leaves none behind
            let (mut sender, connection) = builder.handshake::<_, Body>(stream).await.map_err(io::Error::other)?;
            let task = kept_running(connection);
            sender.ready().await.map_err(io::Error::other)?;
            Ok((sender, task))
        })
        .await
    }

    /// Counts what fails or takes too long.
    async fn within<T>(&self, opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let opened = tokio::time::timeout(self.timeout, opening).await;
        let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = &opened {
            tracing::debug!(%error, "failed to connect to the gateway");
            self.metrics.connections.failed();
        }
        opened
    }

    async fn stream(&self) -> io::Result<Kept> {
        let room = match &self.room {
            None => None,
            Some(room) => {
                let room = Arc::clone(room).acquire_owned().await;
                Some(room.expect("the semaphore is never closed"))
            }
        };
        let started = Instant::now();
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let held = Held {
            _open: self.metrics.connections.opened(),
            _room: room,
        };
        stream.set_nodelay(true)?;
        self.metrics.handshake(Handshake::Tcp, started.elapsed());
        let Some((connector, name)) = &self.tls else {
            let stream = Box::pin(stream);
            return Ok(Kept { stream, _held: held });
        };
        let started = Instant::now();
        let stream = Box::pin(connector.connect(name.clone(), stream).await?);
        self.metrics.handshake(Handshake::Tls, started.elapsed());
        Ok(Kept { stream, _held: held })
    }
}

impl AsyncRead for Kept {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Kept {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

/// Runs a connection in a task of its own.
fn kept_running<E: std::error::Error>(connection: impl Future<Output = Result<(), E>> + Send + 'static) -> Task {
    let running = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the gateway ended");
        }
    });
    Task(running.abort_handle())
}

fn tls(trust: &Path, host: &str, protocol: Protocol) -> Result<(TlsConnector, ServerName<'static>), InvalidTrust> {
    let invalid = |why: String| InvalidTrust {
        path: trust.to_owned(),
        why,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(trust).map_err(|error| invalid(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(invalid("it has no certificate in it".to_owned()));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| invalid(format!("`{host}` in `url` is no name for a certificate")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions
        .expect("the provider has suites for the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::H1 => vec![b"http/1.1".to_vec()],
        Protocol::H2 => vec![b"h2".to_vec()],
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}
