//! The configuration file: addresses, secrets, shards, and the settings that experiments vary.

mod at_most;
mod bounded;
mod fan_out;
mod fraction;
mod hot_chat;
mod labels;
mod load;
mod locate;
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
pub(crate) use fan_out::{Bus, Fetch, Push};
pub(crate) use fraction::Fraction;
pub(crate) use hot_chat::{FixedDrop, HotChat, PushOverrides, PushThrottle, TrailingPush, WithoutRedis};
pub(crate) use labels::{Labels, OTHER};
pub(crate) use load::{load, schema};
pub(crate) use redis_url::RedisUrl;
pub(crate) use settings::{Durability, Insert, Isolation, MemberCount, Requests, Settings};
pub(crate) use span::Span;
pub(crate) use unfit::Unfit;

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
    /// Where the marks of hot chats are kept; needed by every `push_throttle` but `none`.
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
#[derive(Debug, Clone, Copy, Deserialize)]
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
#[derive(Clone, Deserialize)]
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
#[derive(Clone, Deserialize)]
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
