//! Connected members: who listens to which chat, and how a push reaches them.
//!
//! A push says only "there is something new, up to this revision"; the member then fetches. So only the newest revision of a
//! chat ever matters, and everything here follows from it: what waits for a member whose socket is full is one flag per chat
//! he listens to, not a queue.
//!
//! ```text
//! hub.rs        Hub: chats by id; a push walks the chat's members
//! chat.rs       Chat: its newest revision and its members
//! member.rs     Member: one connection as the hub sees it: decide, write now or leave it to the connection's task
//! outbox.rs     what a member is owed and what his socket did not take yet
//! frame.rs      a push as bytes, encoded once for all members
//! wheel.rs      when trailing pushes are due (pure)      trailing.rs   the one task that sends them
//! connection.rs the task of a connection: reads, writes what was left over, ends
//! ```
//!
//! An idle member costs a parked task and no timer. A push costs him one lock that nobody else wants and one `write`.

mod chat;
mod connection;
mod frame;
mod hub;
mod member;
mod outbox;
#[cfg(test)]
mod tests;
mod trailing;
mod wheel;

pub(crate) use connection::listen;
pub(crate) use hub::Hub;
