//! Reads one HTTP/1.1 answer off a byte stream, in pieces of any size.
//!
//! The generator wants the status and the end of the answer, and seldom more: so the head is parsed by `httparse`, and
//! the body is counted and thrown away unless it was asked for. Where the body ends follows RFC 9112, section 6.3.
//!
//! A leaf: bytes come in, sockets are elsewhere.

use std::time::Duration;

use httparse::Status;
use serde::Deserialize;

/// A head longer than this is not taken for HTTP.
pub(super) const HEAD_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// A body that is to be read may not be longer.
pub(super) const BODY_MAX: usize = 4 * 1024 * 1024;

/// How far the answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Unfinished,
    /// It is complete.
    Done {
        /// HTTP status.
        status: u16,
        /// Whether the connection may carry another request.
        keep_alive: bool,
    },
    /// It is not HTTP.
    Malformed,
}

/// What a request was answered, beside its outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// HTTP status; 0 where no answer came.
    pub status: u16,
    /// Its header lines, `name: value`, where it was to be read.
    pub head: &'a [u8],
    /// The body, where it was to be read.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The values of all headers of this name, in order.
    pub fn headers(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head.split(|byte| *byte == b'\n').filter_map(move |line| {
            let colon = memchr::memchr(b':', line)?;
            let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
            is_it.then(|| line[colon + 1..].trim_ascii())
        })
    }

    /// `Retry-After` in seconds. A date is not understood: services that refuse for seconds send seconds.
    fn retry_after(self) -> Option<Duration> {
        let value = self.headers("retry-after").next()?;
        let seconds: u32 = std::str::from_utf8(value).ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds.into()))
    }

    /// How long the caller was asked to wait: the longer of what header and body say.
    pub(crate) fn asked(self) -> Option<Duration> {
        #[derive(Deserialize)]
        struct Refusal {
            retry_after_ms: Option<u32>,
        }
        if self.status == 0 {
            return None;
        }
        let body = serde_json::from_slice::<Refusal>(self.body).ok();
        let body = body.and_then(|refusal| refusal.retry_after_ms);
        self.retry_after().max(body.map(|ms| Duration::from_millis(ms.into())))
    }
}

/// One answer, as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct Reply {
    state: State,
    has_begun: bool,
    /// What has arrived and cannot be judged yet: part of a head, or of a line between chunks.
    held: Vec<u8>,
    status: u16,
    keep_alive: bool,
    is_read: bool,
    is_head: bool,
    /// The header lines of the answer, where it is read.
    lines: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of the body are still to come.
    Body(u64),
    /// The line with a chunk's size is to come.
    ChunkSize,
    /// So many bytes of a chunk and of the line end behind it.
    Chunk(u64),
    /// Lines behind the last chunk, until an empty one.
    Trailers,
    /// Only the end of the connection ends the answer.
    UntilClose,
}

impl Reply {
    /// Begins a new answer; one that is read keeps its body, and one to a HEAD request has none.
    pub(super) fn reset(&mut self, is_read: bool, is_head: bool) {
        self.state = State::Head;
        self.has_begun = false;
        self.held.clear();
        self.is_read = is_read;
        self.is_head = is_head;
        self.lines.clear();
        self.body.clear();
    }

    /// What was said, `status` 0 if the answer did not come whole.
    pub(super) fn answer(&self, status: u16) -> Answer<'_> {
        Answer {
            status,
            head: &self.lines,
            body: &self.body,
        }
    }

    /// Whether nothing has arrived yet.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_begun
    }

    /// Takes in what has arrived.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Progress {
        self.has_begun = true;
        if self.held.is_empty() {
            return self.advance(bytes);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        self.advance(&held)
    }

    /// The connection was closed by the server.
    pub(super) fn closed(&self) -> Progress {
        match self.state {
            State::UntilClose => self.done(),
            _ => Progress::Unfinished,
        }
    }

    fn done(&self) -> Progress {
        Progress::Done {
            status: self.status,
            keep_alive: self.keep_alive,
        }
    }

    fn advance(&mut self, mut bytes: &[u8]) -> Progress {
        loop {
            let step = match self.state {
                State::Head => self.head(bytes),
                State::Body(left) => self.skip(bytes, left),
                State::Chunk(left) => self.skip(bytes, left),
                State::ChunkSize => self.chunk_size(bytes),
                State::Trailers => self.trailer(bytes),
                State::UntilClose => {
                    let fits = !self.is_read || self.keep(bytes, u64::MAX);
                    return if fits {
                        Progress::Unfinished
                    } else {
                        Progress::Malformed
                    };
                }
            };
            match step {
                Step::Next(used) => bytes = &bytes[used..],
                Step::Wait if bytes.len() > HEAD_MAX => return Progress::Malformed,
                Step::Wait => {
                    self.held.extend_from_slice(bytes);
                    return Progress::Unfinished;
                }
                // Nothing was asked that could be answered by more.
                Step::End(used) if used < bytes.len() => return Progress::Malformed,
                Step::End(_) => return self.done(),
                Step::Malformed => return Progress::Malformed,
            }
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Step {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let used = match head.parse(bytes) {
            Ok(Status::Complete(used)) => used,
            Ok(Status::Partial) => return Step::Wait,
            Err(_) => return Step::Malformed,
        };
        self.status = head.code.unwrap_or(0);
        match self.status {
            // An interim answer: the real one follows.
            100 | 102..=199 => return Step::Next(used),
            // Nobody asked for another protocol.
            0..=99 | 101 => return Step::Malformed,
            _ => {}
        }
        let Some(framing) = Framing::of(&head, self.is_head) else {
            return Step::Malformed;
        };
        self.keep_alive = framing.keep_alive;
        if self.is_read {
            let status_line = memchr::memchr(b'\n', &bytes[..used]).map_or(0, |end| end + 1);
            self.lines.extend_from_slice(&bytes[status_line..used]);
        }
        match framing.body {
            State::Body(0) => return Step::End(used),
            state => self.state = state,
        }
        Step::Next(used)
    }

    fn skip(&mut self, bytes: &[u8], left: u64) -> Step {
        let used = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.is_read && !self.keep(&bytes[..used], left) {
            return Step::Malformed;
        }
        let left = left - used as u64;
        match self.state {
            State::Body(_) if left == 0 => return Step::End(used),
            State::Chunk(_) if left == 0 => self.state = State::ChunkSize,
            State::Body(_) => self.state = State::Body(left),
            _ => self.state = State::Chunk(left),
        }
        if used == 0 { Step::Wait } else { Step::Next(used) }
    }

    /// Keeps a piece of the body; a chunk's `left` counts the line end behind it, which is not part of it. False where
    /// it gets too long.
    fn keep(&mut self, piece: &[u8], left: u64) -> bool {
        let line_end = if matches!(self.state, State::Chunk(_)) { 2 } else { 0 };
        let part = usize::try_from(left.saturating_sub(line_end)).unwrap_or(usize::MAX);
        self.body.extend_from_slice(&piece[..piece.len().min(part)]);
        self.body.len() <= BODY_MAX
    }

    fn chunk_size(&mut self, bytes: &[u8]) -> Step {
        match httparse::parse_chunk_size(bytes) {
            Ok(Status::Complete((used, 0))) => {
                self.state = State::Trailers;
                Step::Next(used)
            }
            Ok(Status::Complete((used, size))) => {
                let Some(with_line_end) = size.checked_add(2) else {
                    return Step::Malformed;
                };
                self.state = State::Chunk(with_line_end);
                Step::Next(used)
            }
            Ok(Status::Partial) => Step::Wait,
            Err(_) => Step::Malformed,
        }
    }

    fn trailer(&self, bytes: &[u8]) -> Step {
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) if bytes[..end].trim_ascii().is_empty() => Step::End(end + 1),
            Some(end) => Step::Next(end + 1),
            None => Step::Wait,
        }
    }
}

enum Step {
    /// So many bytes are dealt with.
    Next(usize),
    /// More is needed.
    Wait,
    /// So many bytes are dealt with, and the answer is complete.
    End(usize),
    Malformed,
}

/// Where an answer's body ends, and whether the connection lives on.
struct Framing {
    body: State,
    keep_alive: bool,
}

impl Framing {
    /// `None` of headers that contradict themselves.
    fn of(head: &httparse::Response<'_, '_>, is_head: bool) -> Option<Self> {
        let is_1_1 = head.version == Some(1);
        let (mut length, mut chunked, mut close, mut keep_alive) = (None, false, false, false);
        for header in head.headers.iter() {
            let value = header.value;
            if header.name.eq_ignore_ascii_case("content-length") {
                let given = std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok()?;
                if length.is_some_and(|length| length != given) {
                    return None;
                }
                length = Some(given);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = tokens(value)
                    .last()
                    .is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
                if !chunked {
                    return None;
                }
            } else if header.name.eq_ignore_ascii_case("connection") {
                close |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"close"));
                keep_alive |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"keep-alive"));
            }
        }
        let body = match (head.code, chunked, length) {
            _ if is_head => State::Body(0),
            (Some(204 | 304), _, _) => State::Body(0),
            (_, true, _) => State::ChunkSize,
            (_, false, Some(length)) => State::Body(length),
            (_, false, None) => State::UntilClose,
        };
        Some(Self {
            body,
            keep_alive: body != State::UntilClose && !close && (is_1_1 || keep_alive),
        })
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
