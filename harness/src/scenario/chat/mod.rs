//! Chats: requests and their answers, tokens, and the members who are online.
//!
//! ```text
//!   part ──► request, members, follow            the scenario: the only file that knows both halves
//!   request ──► wire, token                      members ──► follow, member, page, wire
//!   follow ──► board, wire      page ──► wire    wire, token, board, member (leaves)
//! ```
//!
//! What may enter: the text of the reference server's interface, and pure state of its users.

mod board;
mod follow;
mod member;
mod members;
mod page;
mod part;
mod request;
mod token;
mod wire;

pub use board::Board;
pub use follow::{Disconnect, FollowPlan};
pub use part::ChatPlan;
pub use request::{Post, RequestPlan, Sends};
pub use token::Signer;
pub use wire::Chat;

pub(crate) use wire::{FIRST_MEMBER, intended_ns, message};
