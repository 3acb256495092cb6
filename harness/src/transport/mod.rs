//! How bytes reach a target: connections, requests, answers.
//!
//! ```text
//!   connection ──► request, reply (leaves)        websocket, source (leaves)
//! ```
//!
//! What may enter: a protocol, and the sockets that it is spoken over. What is asked and what an answer means is the
//! business of a [`crate::scenario`]; when, and on which connection, that of [`crate::drive`]. Both come in through
//! traits: `Owner` for connections, `Listener` for held WebSocket connections.

pub(crate) mod connection;
mod reply;
mod request;
mod source;
pub(crate) mod websocket;

pub use reply::Answer;
pub use request::{Head, Origin, Request, Wanted};
pub use source::Sources;
pub use websocket::Address;

pub(crate) use connection::{Exchange, Failure, Free, Owner};
pub(crate) use websocket::Listener;
