//! The configuration file: addresses, secrets, shards, and the settings that experiments vary.
//!
//! ```text
//! load.rs        reads the file; every error with its location       locate.rs   where a key stands
//! settings.rs    the settings: a switch per remedy                   join_limit.rs the join throttle
//! hot_chat.rs fan_out.rs isolation.rs labels.rs request_policy.rs notify.rs   other parts of the settings
//! notify_breaker.rs                                                  the breaker of a queue of notifications
//! unfit.rs       checks across several keys                          policies.rs the settings as policy values
//! live.rs        the settings in force, replaced as a whole          change.rs   which may change, and to what
//! follow.rs      applies edits of the file to the running server
//! bounded.rs fraction.rs span.rs at_most.rs redis_url.rs gateway_url.rs  values with their range in their type
//! ```

mod at_most;
mod bounded;
mod change;
mod fan_out;
mod follow;
mod fraction;
mod gateway_url;
mod hot_chat;
mod isolation;
mod join_limit;
mod labels;
mod live;
mod load;
mod locate;
mod notify;
mod notify_breaker;
mod policies;
mod redis_url;
mod request_policy;
mod settings;
mod span;
#[cfg(test)]
mod tests;
mod unfit;

use std::net::SocketAddr;

use serde::Deserialize;

pub(crate) use at_most::AtMost;
pub(crate) use bounded::Bounded;
pub(crate) use change::merged;
pub(crate) use follow::follow;
pub(crate) use fraction::Fraction;
pub(crate) use gateway_url::GatewayUrl;
pub(crate) use hot_chat::{HotChat, PushOverrides, PushThrottle, TrailingPush, WithoutRedis};
pub(crate) use isolation::{Breaker, BreakerScope, Bulkhead, BulkheadScope};
pub(crate) use join_limit::{JoinLimit, JoinThrottle, LocalShared, WhenAway};
pub(crate) use labels::{Label, Labels, OTHER};
pub(crate) use live::{Live, Source};
pub(crate) use load::{ConfigError, ConfigFile, load, located, parse_any, read, schema};
pub(crate) use notify::{Audience, Audiences, Connections, GatewayClient, Notify, Protocol, Queues, Retries, WhenFull};
pub(crate) use notify_breaker::NotifyBreakerScope;
pub(crate) use redis_url::RedisUrl;
pub(crate) use request_policy::{CodelPolicy, DagorPolicy, GradientPolicy, RequestPolicy};
pub(crate) use settings::{Durability, Insert, Isolation, MemberCount, Requests, Settings};
pub(crate) use span::Span;
pub(crate) use unfit::Unfit;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address of the public API; port 0 picks a free port.
    #[serde(default = "loopback")]
    pub(crate) listen: SocketAddr,
    /// Address of the admin API.
    #[serde(default = "loopback")]
    pub(crate) admin: SocketAddr,
    /// HMAC secret for caller tokens.
    pub(crate) secret: Secret,
    /// Bearer token of the admin API.
    pub(crate) admin_token: Secret,
    /// One `mysql://user:password@host:port/database` per shard; their order is the shard map.
    pub(crate) shards: ShardUrls,
    /// Redis holds the marks of hot chats, and join counts shared by several processes; required by every
    /// `push_throttle` except `none`, and by the `join_throttle`s `redis` and `local_shared`.
    #[serde(default)]
    pub(crate) redis: Option<RedisUrl>,
    /// Maximum number of open connections; further ones are closed at once and counted.
    #[serde(default)]
    pub(crate) max_connections: MaxConnections,
    /// How long a connection may take to send the head of its next request, including the idle time before it.
    #[serde(default = "idle_timeout")]
    pub(crate) idle_timeout: Span<10, 3_600_000>,
    /// How long the body of a request may take to arrive.
    #[serde(default = "body_timeout")]
    pub(crate) body_timeout: Span<10, 600_000>,
    /// The settings that experiments vary.
    #[serde(default)]
    pub(crate) settings: Settings,
}

impl Config {
    /// The first key outside `settings` in which `other` differs: all of these take effect at start only.
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

/// 1 to 1,000,000; the default is 20,000.
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

/// A secret of at least eight bytes that never appears in a log.
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
