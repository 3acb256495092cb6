//! Opening a connection: to the target's address, encrypted where it wants that, and in which HTTP it is then spoken.
//!
//! Knows addresses, sockets and TLS. What is sent over the connection is the business of `connection` and `http2`.

use std::time::{Duration, Instant};

use super::source::Sources;
use super::stream::Stream;
use super::tls::{Http, Secured, Tls};

/// How connections to one target are opened.
#[derive(Debug, Clone)]
pub struct Dial {
    /// From where to where.
    pub sources: Sources,
    /// `None` where nothing is encrypted.
    pub tls: Option<Tls>,
    /// Which HTTP is spoken.
    pub http: Http,
}

/// A connection that is open.
pub(crate) struct Dialed {
    pub(crate) stream: Stream,
    pub(crate) is_http_2: bool,
    pub(crate) parts: Parts,
}

/// What opening a connection consisted of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Time until the target had accepted it.
    pub connect: Duration,
    /// Time that agreeing on keys took; `None` where nothing is encrypted.
    pub tls: Option<Duration>,
    /// Whether that resumed what an earlier connection had agreed on.
    pub is_resumed: bool,
    /// Time that agreeing on HTTP/2 took, or on WebSocket; `None` of HTTP/1.1.
    pub upgrade: Option<Duration>,
}

impl Dial {
    /// Plain HTTP/1.1.
    #[must_use]
    pub fn plain(sources: Sources) -> Self {
        Self {
            sources,
            tls: None,
            http: Http::One,
        }
    }

    /// Opens a connection; of those that are open at the same time each has another `number`.
    pub(crate) async fn dial(&self, number: usize) -> std::io::Result<Dialed> {
        let begun = Instant::now();
        let stream = self.sources.connect(number).await?;
        let (stream, tls) = match (stream, &self.tls) {
            (Stream::Tcp(stream), Some(tls)) => (stream, tls),
            // No address of a Unix socket asks for TLS.
            (stream, _) => return Ok(plain(stream, self.http == Http::Two, begun)),
        };
        let connected = Instant::now();
        let secured = tls.secure(stream).await?;
        if self.http == Http::Two && !secured.is_http_2 {
            return Err(std::io::Error::other("it does not speak HTTP/2 over TLS"));
        }
        Ok(encrypted(secured, begun, connected))
    }

    /// Opens the `number`-th connection that is held, which begins in HTTP/1.1 whatever requests are sent in.
    pub(crate) async fn dial_held(&self, number: usize) -> std::io::Result<Dialed> {
        let begun = Instant::now();
        let stream = self.sources.connect_held(number).await?;
        let (stream, tls) = match (stream, &self.tls) {
            (Stream::Tcp(stream), Some(tls)) => (stream, tls),
            (stream, _) => return Ok(plain(stream, false, begun)),
        };
        let connected = Instant::now();
        Ok(encrypted(tls.secure_held(stream).await?, begun, connected))
    }
}

fn plain(stream: Stream, is_http_2: bool, begun: Instant) -> Dialed {
    Dialed {
        stream,
        is_http_2,
        parts: Parts {
            connect: begun.elapsed(),
            ..Parts::default()
        },
    }
}

fn encrypted(secured: Secured, begun: Instant, connected: Instant) -> Dialed {
    Dialed {
        stream: Stream::Tls(Box::new(secured.stream)),
        is_http_2: secured.is_http_2,
        parts: Parts {
            connect: connected - begun,
            tls: Some(connected.elapsed()),
            is_resumed: secured.is_resumed,
            upgrade: None,
        },
    }
}
