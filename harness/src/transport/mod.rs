//! How bytes reach a target: connections, requests, answers.
//!
//! ```text
//!   connection ──► http1 ──► reply ─┐
//!        │  └────► http2 ───────────┴► owner ──► dial ──► source, tls ──► stream      request (leaf)
//!   websocket ──► dial, stream
//! ```
//!
//! What may enter: a protocol, and the sockets that it is spoken over. What is asked and what an answer means is the
//! business of a [`crate::scenario`]; when, and on which connection, that of [`crate::drive`]. Both come in through
//! traits: `Owner` for connections, `Listener` for held WebSocket connections.

pub(crate) mod connection;
mod dial;
mod http1;
mod http2;
mod owner;
mod reply;
mod request;
mod source;
mod stream;
mod tls;
pub(crate) mod websocket;

pub use connection::try_once;
pub use dial::{Dial, Parts};
pub use reply::Answer;
pub use request::{Head, Origin, Request, Wanted};
pub use source::Sources;
pub use tls::{Http, Tls, TlsOptions};
pub use websocket::{Address, Heard, HeldEnd, MESSAGE_MAX, Opened};

pub(crate) use dial::Dialed;
pub(crate) use owner::{Exchange, Failure, Free, Owner};
pub(crate) use websocket::Listener;
