//! What is particular to chats: requests and their answers, tokens, and the members who are online.
//!
//! ```text
//!   wire, token, series, board, member (leaves)
//!   page ──► wire            request ──► wire, token, series
//!   follow ──► board, wire   members ──► follow, member, page, wire      socket ──► wire
//! ```
//!
//! What may enter: the text of the server's interface, and pure state of its users. Of the rest of the generator only
//! where connections come from; nothing here knows a worker, a queue or a connection pool.

pub(super) mod board;
pub(super) mod follow;
pub(super) mod member;
pub(super) mod members;
pub(super) mod page;
pub(super) mod request;
pub(super) mod series;
pub(super) mod socket;
pub(super) mod token;
pub(super) mod wire;
