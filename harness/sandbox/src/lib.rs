//! Temporary `MariaDB` shards, Redis servers and other child processes that never outlive their owner.
//!
//! A rehearsal starts databases and servers by the dozen and kills some of them on purpose. Whatever ends the owner
//! (a normal return, a panic, Ctrl-C, `kill -9`), no process and no directory may stay behind.
//!
//! ```text
//! sandbox.rs    Sandbox: one temporary directory and its reaper
//! place.rs      starts children in that directory, on given CPUs
//! reaper.rs     the `sh` process that outlives us by a moment and removes everything
//! child.rs      Child: signals, waiting, its first line, its log
//! stop.rs       how a child ends: asked, killed, dropped
//! log.rs        the lines of a log that matter, for error messages
//! port.rs       PortLease: a TCP port that stays ours while we restart on it
//! priority.rs   real-time priority for bmt's own threads
//! binary.rs     where an installed program is looked for, and what to install if it is not there
//! flushes.rs    flushes to the disk of a child, made slower on request
//! proxy.rs      Proxy: connections through it can be made slow, or cut
//! redis.rs      Redis: a running `redis-server`
//! mariadb/      Template (initialised once) and Shard (a copy, running)
//! error.rs      SandboxError: what went wrong and what to do next
//! ```
//!
//! Waiting is `async` (tokio timers) so that it can be bounded; dropping is synchronous and needs no runtime.

mod binary;
mod child;
mod error;
mod flushes;
mod log;
pub mod mariadb;
mod place;
mod port;
pub mod priority;
mod proxy;
mod reaper;
mod redis;
mod sandbox;
mod stop;

pub use binary::find_binary;
pub use child::{Child, Stream, Streams};
pub use error::SandboxError;
pub use flushes::can_delay_flushes;
pub use log::LogEnd;
pub use mariadb::{Durability, Shard, ShardOptions, Template};
pub use place::Place;
pub use port::PortLease;
pub use proxy::Proxy;
pub use redis::Redis;
pub use sandbox::Sandbox;
