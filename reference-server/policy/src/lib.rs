//! Decisions under overload, one policy a file. Pure: no I/O, no clock, no global randomness.
//!
//! ```text
//! hot_chat.rs        is this chat hot (fetches over a sliding window)
//!   sliding_sketch.rs  counts per key over the window, in fixed memory
//!   row_hash.rs        where a key is counted
//!   hot_list.rs        the chats that are hot now, up to a number
//! sliding_limit.rs   how often something may happen in a window (the limit on joins), shared by threads; uses the sketch as well
//! leased_share.rs    this process's part of a limit that several processes keep together
//! recent_top.rs      which keys have carried the most weight lately
//!   space_saving.rs    the heaviest keys, in fixed memory
//! push_rule.rs       is this push sent or dropped
//! trailing.rs        what a member is owed after a push to him was dropped
//! breaker.rs         is a call let through to a dependency that may be sick
//!   outcome_window.rs  calls of the window, and how they ended
//!   in_flight.rs       calls in progress that have lasted too long
//! nanos.rs           time as the rings of sub-windows count it
//! bulkhead.rs        how many calls may be at a dependency, and how many may wait
//! ```
//!
//! `now` is always the time since an origin of the caller's choice, the same for all calls on one value, and chance comes from
//! a generator that the caller has seeded. The state of every policy has a fixed size, which its constructor takes.

mod breaker;
mod bulkhead;
mod hot_chat;
mod hot_list;
mod in_flight;
mod leased_share;
mod nanos;
mod outcome_window;
mod push_rule;
mod recent_top;
mod row_hash;
mod sliding_limit;
mod sliding_sketch;
mod space_saving;
mod trailing;

pub use breaker::{Breaker, BreakerOpen, BreakerRules, BreakerState, InvalidBreaker, Outcome, Permit};
pub use bulkhead::{Bulkhead, BulkheadFull, BulkheadLimits, Entry, Queued, Slot};
pub use hot_chat::{DetectorSize, Heat, HotChatDetector, HotLimits, InvalidDetector, Place, Verdict};
pub use hot_list::HotChat;
pub use leased_share::{Allotment, LeasedShares, Want};
pub use push_rule::{Decision, DropShare, InvalidShare, Override, PushRule, Throttle, Turn, push_rule};
pub use recent_top::{InvalidTop, RecentTop, TopEntry, TopSize};
pub use sliding_limit::{Admitted, InvalidLimit, LimitSize, SlidingLimit, TooMany, WindowLimit};
pub use sliding_sketch::{InvalidSketch, SketchSize};
pub use trailing::Trailing;
