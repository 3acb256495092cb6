//! `MariaDB` shards: initialised once, copied for each, started with the options under test.

mod options;
mod ready;
mod shard;
mod template;

pub use options::{Durability, ShardOptions};
pub use shard::Shard;
pub use template::Template;
