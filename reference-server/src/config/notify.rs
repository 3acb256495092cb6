//! Notifications: through which gateway, over how many connections, and what happens when it does not keep up.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notify_breaker::{NotifyBreaker, NotifyBreakerScope};
use super::unfit::Unfit;
use super::{Bounded, Fraction, GatewayUrl, Span};

/// Whether members who are not online are notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notify {
    /// They are not; they learn of events when they come back.
    None,
    /// They are, through a push gateway.
    Gateway(Box<GatewayClient>),
}

/// The client of a push gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayClient {
    /// `http://host:port` or `https://host:port`; required.
    #[serde(default)]
    url: Option<GatewayUrl>,
    /// With `https`: a file with the certificates that are trusted (PEM).
    #[serde(default)]
    pub(crate) trust: Option<PathBuf>,
    /// What is spoken.
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// How many connections may be open, over all queues.
    #[serde(default)]
    pub(crate) connections: Connections,
    /// With `protocol: h2`, requests at a time on one connection; an HTTP/1.1 connection carries one.
    #[serde(default = "streams")]
    pub(crate) streams: Bounded<1, 10_000>,
    /// Whether a connection is used again. Without, every notification opens one.
    #[serde(default = "yes")]
    pub(crate) keep_alive: bool,
    /// Longest time until a connection is open, TLS included.
    #[serde(default = "connect_timeout")]
    pub(crate) connect_timeout: Span<1, 60_000>,
    /// Longest time from sending a notification to the whole answer.
    #[serde(default = "request_timeout")]
    pub(crate) request_timeout: Span<1, 600_000>,
    /// How long an unused connection stays open.
    #[serde(default = "idle_timeout")]
    pub(crate) idle_timeout: Span<10, 3_600_000>,
    /// Whether the roles share a queue, its connections and its breaker, or have their own.
    #[serde(default)]
    pub(crate) queues: Queues,
    /// Maximum number of waiting notifications in each queue.
    #[serde(default = "capacity")]
    pub(crate) capacity: Bounded<1, 16_777_216>,
    /// What is dropped when a queue is full.
    #[serde(default)]
    pub(crate) when_full: WhenFull,
    /// How failed notifications are tried again.
    #[serde(default)]
    pub(crate) retries: Retries,
    /// Drops notifications at once while the gateway fails or is slow.
    #[serde(default)]
    pub(crate) breaker: NotifyBreaker,
    /// Who is notified of what.
    #[serde(default)]
    pub(crate) audience: Audiences,
}

fn streams() -> Bounded<1, 10_000> {
    const { Bounded::new(100) }
}

fn yes() -> bool {
    true
}

fn connect_timeout() -> Span<1, 60_000> {
    const { Span::from_millis(1000) }
}

fn request_timeout() -> Span<1, 600_000> {
    const { Span::from_millis(2000) }
}

fn idle_timeout() -> Span<10, 3_600_000> {
    const { Span::from_millis(30_000) }
}

fn capacity() -> Bounded<1, 16_777_216> {
    const { Bounded::new(65_536) }
}

/// What is spoken to the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "GatewayProtocol")]
pub(crate) enum Protocol {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    H1,
    /// HTTP/2: many requests at a time on a connection; without TLS by prior knowledge.
    H2,
}

/// How many connections may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "GatewayConnections")]
pub(crate) enum Connections {
    /// One more whenever none has room: before the remedy.
    Unbounded,
    /// At most so many; under `queues: per_role` they are divided between the roles.
    Max(Bounded<1, 100_000>),
}

impl Default for Connections {
    fn default() -> Self {
        Self::Max(const { Bounded::new(32) })
    }
}

/// Who shares a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NotifyQueues")]
pub(crate) enum Queues {
    /// All roles: before the remedy.
    Shared,
    /// Each role has a queue, connections and a breaker of its own.
    #[default]
    PerRole,
}

/// What is dropped when a queue is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NotifyWhenFull")]
pub(crate) enum WhenFull {
    /// The notification that has waited longest.
    #[default]
    DropOldest,
    /// The one that finds no room.
    DropNewest,
}

/// How failed notifications are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NotifyRetries")]
pub(crate) struct Retries {
    /// Retries of one notification; 0 for none.
    pub(crate) max: Bounded<0, 100>,
    /// Retries for each notification in the long run, over all of a queue.
    pub(crate) share: Fraction<0, 100>,
    /// Retries that may come at once.
    pub(crate) burst: Bounded<1, 1_000_000>,
    /// Upper bound of the pause before the first retry; it doubles with each, up to 1 s.
    pub(crate) pause: Span<0, 60_000>,
    /// Whether a notification that was sent and not answered is sent again, at the risk of delivering it twice.
    pub(crate) unanswered: bool,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            max: const { Bounded::new(0) },
            share: const { Fraction::new(0.1) },
            burst: const { Bounded::new(10) },
            pause: const { Span::from_millis(50) },
            unanswered: false,
        }
    }
}

/// Who is notified of what. Whoever caused an event, and whoever is online in its chat, is not notified of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NotifyAudiences")]
pub(crate) struct Audiences {
    /// Of a message.
    pub(crate) message: Audience,
    /// Of a reaction.
    pub(crate) reaction: Audience,
    /// Of somebody's joining.
    pub(crate) join_notice: Audience,
}

impl Default for Audiences {
    fn default() -> Self {
        Self {
            message: Audience::All,
            reaction: Audience::First(const { Bounded::new(10) }),
            join_notice: Audience::First(const { Bounded::new(1) }),
        }
    }
}

/// Which members of a chat are notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NotifyAudience")]
pub(crate) enum Audience {
    /// None.
    None,
    /// All.
    All,
    /// Those of the so many members with the lowest user ids: they stand for the owners that chats do not have here.
    First(Bounded<1, 1_000_000>),
}

impl Notify {
    /// Rejects settings that cannot work together.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let Self::Gateway(client) = self else { return Ok(()) };
        let unfit = |key: &str, message: String| {
            let key = format!("notify.gateway.{key}");
            Err(Unfit { key, message })
        };
        let Some(url) = &client.url else {
            return unfit(
                "url",
                "no gateway is given, expected the form http://host:port".to_owned(),
            );
        };
        match (url.is_tls, &client.trust) {
            (true, None) => {
                let message = "an https gateway needs `trust: FILE`, with the certificates that are trusted (PEM)";
                return unfit("url", message.to_owned());
            }
            (false, Some(_)) => {
                let message = "an http gateway shows no certificate; leave `trust` out, or use https";
                return unfit("trust", message.to_owned());
            }
            _ => {}
        }
        if let (Queues::PerRole, Connections::Max(max)) = (client.queues, client.connections)
            && max.get() < 3
        {
            let message = format!(
                "{} cannot be divided between three roles, expected at least 3 with `queues: per_role`",
                max.get()
            );
            return unfit("connections", message);
        }
        client
            .check_breaker()
            .or_else(|message| unfit("breaker.slow_call", message))
    }
}

impl GatewayClient {
    pub(crate) fn url(&self) -> &GatewayUrl {
        self.url
            .as_ref()
            .expect("settings without one are rejected when they are read")
    }

    /// A notification ends with its time-out: a breaker must be able to see that it is slow before that.
    fn check_breaker(&self) -> Result<(), String> {
        let (slow_call, limit) = (self.breaker.slow_call.get(), self.request_timeout.get());
        let is_blind = limit <= slow_call + slow_call / 16;
        if self.breaker.scope == NotifyBreakerScope::None || !is_blind {
            return Ok(());
        }
        Err(format!(
            "with a `request_timeout` of {:?} no notification lasts long enough to be slow, which takes {:?} and up to a sixteenth \
             more; lower `breaker.slow_call`, or raise `request_timeout`",
            self.request_timeout, self.breaker.slow_call
        ))
    }
}
