//! The configuration file: addresses, secrets, shards, and the settings that experiments vary.
//!
//! ```text
//! load.rs        reads the file; every mistake with its place        locate.rs   where a key stands
//! settings.rs    the settings: a switch per remedy                   hot_chat.rs fan_out.rs isolation.rs labels.rs   parts of them
//! join_limit.rs  the throttle of joins
//! unfit.rs       what no single key can say                          policies.rs what they mean to the policies
//! live.rs        the settings in force, replaced as a whole           change.rs   which may change, and to what
//! follow.rs      editing the file changes the running server
//! bounded.rs fraction.rs span.rs at_most.rs redis_url.rs              values with their range in their type
//! ```

mod at_most;
mod bounded;
mod change;
mod fan_out;
mod follow;
mod fraction;
mod hot_chat;
mod isolation;
mod join_limit;
mod labels;
mod live;
mod load;
mod locate;
mod policies;
mod redis_url;
mod settings;
mod span;
#[cfg(test)]
mod tests;
mod unfit;

use std::net::SocketAddr;

use serde::Deserialize;

pub(crate) use at_most::AtMost;
pub(crate) use bounded::Bounded;
pub(crate) use follow::follow;
pub(crate) use fraction::Fraction;
pub(crate) use hot_chat::{HotChat, PushOverrides, PushThrottle, TrailingPush, WithoutRedis};
pub(crate) use isolation::{Breaker, BreakerScope, Bulkhead, BulkheadScope};
pub(crate) use join_limit::{JoinLimit, JoinThrottle, LocalShared, WhenAway};
pub(crate) use labels::{Label, Labels, OTHER};
pub(crate) use live::{Live, Source};
pub(crate) use load::{ConfigFile, load, schema};
pub(crate) use redis_url::RedisUrl;
pub(crate) use settings::{Durability, Insert, Isolation, MemberCount, Requests, Settings};
pub(crate) use span::Span;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the public API listens; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub(crate) listen: SocketAddr,
    /// Where the admin API listens.
    #[serde(default = "loopback")]
    pub(crate) admin: SocketAddr,
    /// HMAC secret of the callers' tokens.
    pub(crate) secret: Secret,
    /// Bearer token that the admin API wants.
    pub(crate) admin_token: Secret,
    /// One `mysql://user:password@host:port/database` per shard; their order is the shard map.
    pub(crate) shards: ShardUrls,
    /// Where the marks of hot chats are kept, and joins that several processes count together; needed by every `push_throttle` but `none`, and by
    /// the `join_throttle`s `redis` and `local_shared`.
    #[serde(default)]
    pub(crate) redis: Option<RedisUrl>,
    /// Connections open at a time; those beyond are closed at once and counted.
    #[serde(default)]
    pub(crate) max_connections: MaxConnections,
    /// How long a connection may take to send its next request's head, the idle time before it included.
    #[serde(default = "idle_timeout")]
    pub(crate) idle_timeout: Span<10, 3_600_000>,
    /// How long the body of a request may take to arrive.
    #[serde(default = "body_timeout")]
    pub(crate) body_timeout: Span<10, 600_000>,
    /// What experiments vary.
    #[serde(default)]
    pub(crate) settings: Settings,
}

impl Config {
    /// The first key outside `settings` in which `other` differs: all of these are used at start only.
    fn restart_needed(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            ("listen", self.listen != other.listen),
            ("admin", self.admin != other.admin),
            ("secret", self.secret != other.secret),
            ("admin_token", self.admin_token != other.admin_token),
            ("shards", self.shards != other.shards),
            ("redis", self.redis != other.redis),
            ("max_connections", self.max_connections != other.max_connections),
            ("idle_timeout", self.idle_timeout != other.idle_timeout),
            ("body_timeout", self.body_timeout != other.body_timeout),
        ];
        differs.into_iter().find_map(|(key, differs)| differs.then_some(key))
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn idle_timeout() -> Span<10, 3_600_000> {
    Span::from_millis(75_000)
}

fn body_timeout() -> Span<10, 600_000> {
    Span::from_millis(10_000)
}

/// 1 to 1,000,000; 20,000 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct MaxConnections(Bounded<1, 1_000_000>);

impl Default for MaxConnections {
    fn default() -> Self {
        Self(Bounded::new(20_000))
    }
}

impl MaxConnections {
    pub(crate) fn get(self) -> usize {
        self.0.as_usize()
    }
}

/// A secret of at least eight bytes that never shows in a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() < 8 {
            Err("a secret needs at least 8 bytes")
        } else {
            Ok(Self(text))
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// 1 to 64 shards.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct ShardUrls(Vec<String>);

impl ShardUrls {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl TryFrom<Vec<String>> for ShardUrls {
    type Error = &'static str;

    fn try_from(urls: Vec<String>) -> Result<Self, Self::Error> {
        if (1..=64).contains(&urls.len()) {
            Ok(Self(urls))
        } else {
            Err("expected 1 to 64 shards")
        }
    }
}

impl std::fmt::Debug for ShardUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} shards", self.0.len()) // the URLs hold passwords
    }
}
