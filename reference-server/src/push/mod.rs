//! Connected members: who listens to which chat, and how a push reaches them.
//!
//! A push says only "there is something new, up to this revision"; the member then fetches. So only the newest revision
//! of a chat matters, and the design follows from that: a member whose socket is full has one flag per chat waiting,
//! not a queue.
//!
//! ```text
//! hub.rs        Hub: chats by id; a push walks the chat's members
//! chat.rs       Chat: its newest revision and its members
//! member.rs     Member: a connection as the hub sees it: decide, write now or leave it to the connection's task
//! outbox.rs     pushes owed to a member, and bytes the socket did not accept yet
//! frame.rs      a push in wire format, encoded once for all members
//! wheel.rs      moments in order (pure)
//! timetable.rs  who is due for a trailing push, and when
//! trailing.rs   the one task that sends them
//! connection.rs the task of a connection: reads, flushes leftover writes, ends the connection
//! ```
//!
//! An idle member costs a parked task and no timer. A push costs one uncontended lock and one `write` per member.

mod chat;
mod connection;
mod frame;
mod hub;
mod member;
mod outbox;
#[cfg(test)]
mod tests;
mod timetable;
mod trailing;
mod wheel;

pub(crate) use connection::listen;
pub(crate) use hub::Hub;
