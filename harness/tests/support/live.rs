//! A WebSocket server that counts what comes over it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

/// What a server does with its connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Each so many messages are preceded by a push; 0 pushes nothing.
    pub(crate) push_each: u64,
    /// A connection is closed after so many messages; 0 closes none.
    pub(crate) close_after: u64,
    /// Each so many messages of a connection are not answered; 0 answers all.
    pub(crate) swallow_each: u64,
}

/// What a server has seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) opened: u64,
    pub(crate) open: u64,
    pub(crate) open_max: u64,
    pub(crate) closed: u64,
    pub(crate) messages: u64,
    pub(crate) answered: u64,
    pub(crate) swallowed: u64,
    pub(crate) pushed: u64,
    /// Of everything that it sent.
    pub(crate) bytes: u64,
    /// Connections by their path.
    pub(crate) paths: BTreeMap<String, u64>,
    /// Values of the header `x-key`.
    pub(crate) keys: BTreeSet<String>,
    /// Texts that came.
    pub(crate) texts: Vec<String>,
}

/// The server; its threads live until the test process ends.
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Live {
    pub(crate) fn start(manners: Manners) -> Self {
        Self::over(manners, Some)
    }

    /// The same over what `wrap` makes of a connection; `None` leaves it alone.
    pub(crate) fn over<S: Read + Write>(
        manners: Manners,
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Mutex::new(Counts::default()));
        let (wrap, kept) = (Arc::new(wrap), Arc::clone(&counts));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (wrap, counts) = (Arc::clone(&wrap), Arc::clone(&kept));
                std::thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    if let Some(stream) = wrap(stream) {
                        serve(stream, manners, &counts);
                    }
                });
            }
        });
        Self { address, counts }
    }

    /// What it has seen by now.
    pub(crate) fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }
}

fn serve<S: Read + Write>(stream: S, manners: Manners, counts: &Mutex<Counts>) {
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let seen = |request: &Request, response: Response| {
        let mut counts = counts.lock().unwrap();
        counts.opened += 1;
        counts.open += 1;
        counts.open_max = counts.open_max.max(counts.open);
        *counts.paths.entry(request.uri().to_string()).or_default() += 1;
        if let Some(key) = request.headers().get("x-key") {
            counts.keys.insert(key.to_str().unwrap().to_owned());
        }
        Ok(response)
    };
    // A probe, or somebody who looks for metrics, asks for no WebSocket.
    let Ok(mut socket) = tungstenite::accept_hdr(stream, seen) else {
        return;
    };
    let is_closed = talk(&mut socket, manners, counts).is_none();
    let mut counts = counts.lock().unwrap();
    counts.open -= 1;
    counts.closed += u64::from(is_closed);
}

/// Until the client is gone; `None` where the server has closed the connection.
fn talk<S: Read + Write>(socket: &mut WebSocket<S>, manners: Manners, counts: &Mutex<Counts>) -> Option<()> {
    let each = |number: u64, each: u64| each > 0 && number.is_multiple_of(each);
    let mut own = 0;
    loop {
        let Ok(message) = socket.read() else { return Some(()) };
        let Message::Text(text) = message else { continue };
        own += 1;
        let (push, answer) = {
            let mut counts = counts.lock().unwrap();
            counts.messages += 1;
            counts.texts.push(text.as_str().to_owned());
            let push = each(own, manners.push_each).then(|| "{\"news\":1}".to_owned());
            let answer = (!each(own, manners.swallow_each)).then(|| format!("{{\"seq\":{}}}", counts.messages));
            counts.pushed += u64::from(push.is_some());
            counts.answered += u64::from(answer.is_some());
            counts.swallowed += u64::from(answer.is_none());
            counts.bytes += [&push, &answer]
                .into_iter()
                .flatten()
                .map(|text| text.len() as u64)
                .sum::<u64>();
            (push, answer)
        };
        for text in [push, answer].into_iter().flatten() {
            if socket.send(Message::text(text)).is_err() {
                return Some(());
            }
        }
        if each(own, manners.close_after) {
            let _ = socket.close(None);
            while socket.read().is_ok() {}
            return None;
        }
    }
}
