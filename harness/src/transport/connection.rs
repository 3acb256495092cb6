//! One connection: opened for the arrivals that wait, kept for the next ones, closed when it breaks.
//!
//! Which HTTP it speaks is known when it is open, and decides how many requests it carries at once.

use std::rc::Rc;
use std::time::Duration;

use http::uri::Scheme;

use super::dial::{Dial, Dialed, Parts};
use super::http1::Connection;
use super::http2::Session;
use super::owner::{Failure, Owner};
use super::stream::Stream;

/// A port that refuses does so at once; this pause keeps that from becoming a busy loop.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// A connection on which requests can be sent.
enum Open {
    Http1(Stream),
    Http2(Box<Session>),
}

/// Opens the connection of slot `id` and serves jobs on it until it closes.
pub(crate) async fn run<O: Owner + 'static>(owner: Rc<O>, id: O::Slot) {
    let since_ns = owner.now_ns();
    let opened = match tokio::time::timeout(owner.timeout(), open(&*owner, id)).await {
        Ok(opened) => opened.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::NotAccepted),
    };
    match opened {
        Ok((Open::Http1(stream), parts)) => {
            owner.opened(id, since_ns, parts, 1);
            let mut connection = Connection::new(&owner, id, stream);
            let by_server = connection.serve().await;
            drop(connection);
            owner.closed(id, &[], by_server);
        }
        Ok((Open::Http2(session), parts)) => {
            owner.opened(id, since_ns, parts, session.slots());
            // Boxed: it is far larger than what HTTP/1.1 needs, of which there may be many thousands.
            Box::pin(session.serve(&owner, id)).await;
        }
        Err(failure) => {
            owner.open_failed(id, since_ns, failure);
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
    owner.open_wanted();
}

/// Opens a connection as it will be asked for, and closes it again.
///
/// # Errors
/// When it cannot be opened, with a reason for people.
pub async fn try_once(dial: &Dial) -> std::io::Result<()> {
    agree(dial.dial(0).await?, 1).await.map(drop)
}

async fn open<O: Owner>(owner: &O, id: O::Slot) -> std::io::Result<(Open, Parts)> {
    agree(owner.dial(id).await?, owner.streams()).await
}

/// Agrees on HTTP/2 where that is spoken.
async fn agree(dialed: Dialed, streams: usize) -> std::io::Result<(Open, Parts)> {
    let Dialed {
        stream,
        is_http_2,
        parts,
    } = dialed;
    if !is_http_2 {
        return Ok((Open::Http1(stream), parts));
    }
    let begun = std::time::Instant::now();
    let scheme = match stream {
        Stream::Tls(_) => Scheme::HTTPS,
        Stream::Tcp(_) | Stream::Unix(_) => Scheme::HTTP,
    };
    let session = Session::begin(stream, scheme, streams).await?;
    let upgrade = Some(begun.elapsed());
    Ok((Open::Http2(Box::new(session)), Parts { upgrade, ..parts }))
}
