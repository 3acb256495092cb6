//! The URL of Redis.

use serde::Deserialize;

/// `redis://[user:password@]host:port/[database]`; logs show only whether it is set, since it may hold a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RedisUrl(String);

impl RedisUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RedisUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix("redis://") {
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(Self(text)),
            _ => Err("expected the form redis://host:port/"),
        }
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}
