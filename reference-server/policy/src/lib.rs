//! Decisions under overload, one policy per file. Pure: no I/O, no clock, no global randomness.
//!
//! ```text
//! hot_chat.rs        decides whether a chat is hot (fetches over a sliding window)
//!   sliding_sketch.rs  counts per key over the window, in fixed memory
//!   row_hash.rs        hash that places a key in a row of the sketch
//!   hot_list.rs        the chats that are hot now, up to a maximum
//! sliding_limit.rs   limits how often something (a join) may happen in a window, shared by threads; uses the sketch
//! leased_share.rs    this process's part of a limit shared by several processes
//! recent_top.rs      the keys with the most weight lately
//!   space_saving.rs    the heaviest keys, in fixed memory
//! push_rule.rs       decides whether a push is sent or dropped
//! trailing.rs        the trailing push owed to a member after a dropped push
//! breaker.rs         decides whether a call to a possibly failing dependency is let through
//!   outcome_window.rs  calls of the window, by outcome
//!   in_flight.rs       calls in progress that have lasted too long
//! nanos.rs           time as the rings of sub-windows count it
//! bulkhead.rs        limits the calls in progress at a dependency, and the calls that wait
//! controlled_delay.rs how long a request may wait for admission, and whether the newest goes first
//! gradient_limit.rs  how many requests may be in progress, by how much slower they have become
//!   latency_sample.rs  the calls of a window and of a probe
//! priority_levels.rs which requests may wait for admission, by class and user
//! retry_budget.rs    decides whether a failed call may be tried again
//! ```
//!
//! `now` is always the time since an origin of the caller's choice, the same for all calls on one value. Randomness
//! comes from a generator seeded by the caller. The state of every policy has a fixed size, passed to its constructor.

mod breaker;
mod bulkhead;
mod controlled_delay;
mod gradient_limit;
mod hot_chat;
mod hot_list;
mod in_flight;
mod latency_sample;
mod leased_share;
mod nanos;
mod outcome_window;
mod priority_levels;
mod push_rule;
mod recent_top;
mod retry_budget;
mod row_hash;
mod sliding_limit;
mod sliding_sketch;
mod space_saving;
mod trailing;

pub use breaker::{Breaker, BreakerOpen, BreakerRules, BreakerState, InvalidBreaker, Outcome, Permit};
pub use bulkhead::{Bulkhead, BulkheadFull, BulkheadLimits, Entry, Queued, Slot};
pub use controlled_delay::{ControlledDelay, DelayRules, InvalidDelay};
pub use gradient_limit::{GradientLimit, GradientRules, InvalidGradient};
pub use hot_chat::{DetectorSize, Heat, HotChatDetector, HotLimits, InvalidDetector, Place, Verdict};
pub use hot_list::HotChat;
pub use latency_sample::CallEnd;
pub use leased_share::{Allotment, LeasedShares, Want};
pub use priority_levels::{CLASSES, InvalidLevels, LevelRules, Priority, PriorityLevels};
pub use push_rule::{Decision, DropShare, InvalidShare, Override, PushRule, Throttle, Turn, push_rule};
pub use recent_top::{InvalidTop, RecentTop, TopEntry, TopSize};
pub use retry_budget::{InvalidBudget, RetryBudget};
pub use sliding_limit::{Admitted, InvalidLimit, LimitSize, SlidingLimit, TooMany, WindowLimit};
pub use sliding_sketch::{InvalidSketch, SketchSize};
pub use trailing::Trailing;
