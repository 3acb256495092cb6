//! HTTP by hand.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Target;
use crate::support::LIMIT;

/// A connection that is reset on close; otherwise 100,000 of them would exhaust the ports.
pub(super) struct Raw {
    stream: TcpStream,
    /// Read, and part of no answer that was returned: whoever waits for one may give up in the middle of it.
    unread: Vec<u8>,
}

/// A response.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether another request may follow.
    pub(super) stays_open: bool,
    /// Everything after the head.
    pub(super) body: Vec<u8>,
}

impl Raw {
    pub(super) async fn connect(target: &Target) -> Self {
        let stream = TcpStream::connect(&*target.api).await.unwrap();
        stream.set_zero_linger().unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends; the server may close the connection before the end.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(LIMIT, self.stream.write_all(bytes)).await.unwrap();
    }

    /// Signals that nothing more will be sent.
    pub(super) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.unread);
        let _ = timeout(LIMIT, self.stream.read_to_end(&mut all))
            .await
            .expect("the server closes");
        all
    }

    /// The next response; `None` when the connection ended instead. May be dropped half-way and called again.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        let head = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.unread[..head]).to_ascii_lowercase();
        let length: usize = field(&text, "content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < head + length {
            self.more().await?;
        }
        let mut bytes = std::mem::take(&mut self.unread);
        Some(Answer {
            status: status(&bytes).unwrap(),
            stays_open: field(&text, "connection") != Some("close"),
            body: bytes.split_off(head),
        })
    }

    async fn more(&mut self) -> Option<()> {
        let read = timeout(LIMIT, self.stream.read_buf(&mut self.unread))
            .await
            .expect("the server answers or closes");
        read.ok().filter(|read| *read > 0).map(drop)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
    head.lines().find_map(value)
}

/// The status of a response, if it is one.
pub(super) fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
