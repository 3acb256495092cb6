//! The connection to Redis: connected or away.
//!
//! Every command has a short time limit. The first failure marks Redis as away for everybody: no commands are sent
//! until a background task has reached it again, so a Redis that is down or hangs costs each partition one time limit
//! and no more. Each transition is logged once.
//!
//! Rejected: the driver's own reconnecting manager. Its commands wait for the reconnection, so a Redis that accepts
//! connections and does not answer would hold up every push.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::RedisUrl;
use crate::metrics::RedisMetrics;

/// Longest wait for an answer or a connection. An answer usually takes well under a millisecond; a fully loaded machine
/// must not make Redis look away.
const PATIENCE: Duration = Duration::from_millis(500);
/// Pause between attempts to reconnect.
const RETRY: Duration = Duration::from_millis(100);
/// How often an idle connection is checked.
const CHECK: Duration = Duration::from_millis(500);

/// The configured URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("invalid `redis` URL: {0}; expected redis://host:port/")]
pub(crate) struct InvalidUrl(RedisError);

/// Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away {
    /// On the server's clock.
    pub(crate) since: Duration,
}

pub(crate) struct Redis {
    client: Client,
    state: Mutex<State>,
    lost: Notify,
    clock: Clock,
    metrics: RedisMetrics,
}

#[derive(Clone)]
enum State {
    /// `number` distinguishes this connection from earlier ones, whose late failures are ignored.
    There {
        connection: MultiplexedConnection,
        number: u64,
    },
    Away {
        since: Duration,
        number: u64,
    },
}

impl Redis {
    /// Not connected yet: [`Redis::keep`] does that.
    pub(crate) fn new(url: &RedisUrl, clock: Clock, metrics: RedisMetrics) -> Result<Arc<Self>, InvalidUrl> {
        let client = Client::open(url.as_str()).map_err(InvalidUrl)?;
        let (since, number) = (clock.now(), 0);
        metrics.up(false);
        Ok(Arc::new(Self {
            client,
            state: Mutex::new(State::Away { since, number }),
            lost: Notify::new(),
            clock,
            metrics,
        }))
    }

    /// Tries to connect once, so that a server with a reachable Redis does not start without it.
    pub(crate) async fn reach(&self) {
        match self.connect().await {
            Ok(connection) => self.found(connection),
            Err(error) => {
                self.metrics.failed();
                tracing::warn!(%error, "redis is unreachable; `settings.hot_chat.without_redis` and `join_limit.when_away` apply until it is back");
            }
        }
    }

    /// Watches the connection and replaces it when lost, until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                if self.is_away() {
                    tokio::time::sleep(RETRY).await;
                    match self.connect().await {
                        Ok(connection) => self.found(connection),
                        Err(_) => self.metrics.failed(),
                    }
                } else {
                    let _lost_or_time_to_check = tokio::time::timeout(CHECK, self.lost.notified()).await;
                    let _away_if_it_fails = self.ask::<()>(&redis::cmd("PING")).await;
                }
            }
        })
        .await;
    }

    /// Sends a command and waits for its answer, unless Redis is away.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        let (mut connection, number) = match self.state().clone() {
            State::There { connection, number } => (connection, number),
            State::Away { since, .. } => return Err(Away { since }),
        };
        let answer = command.query_async(&mut connection).await;
        answer.map_err(|error| self.failed(&error, number))
    }

    /// A connection that has answered. The time limit covers everything, whatever the driver does.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = async {
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(2 * PATIENCE, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    fn found(&self, connection: MultiplexedConnection) {
        let mut state = self.state();
        let number = match *state {
            State::There { number, .. } | State::Away { number, .. } => number + 1,
        };
        *state = State::There { connection, number };
        self.metrics.up(true);
        tracing::info!("redis is reachable");
    }

    fn failed(&self, error: &RedisError, failed: u64) -> Away {
        self.metrics.failed();
        let mut state = self.state();
        let since = match *state {
            State::Away { since, .. } => since,
            State::There { number, .. } if number == failed => {
                let since = self.clock.now();
                *state = State::Away { since, number };
                self.metrics.up(false);
                tracing::warn!(%error, "redis is away; `settings.hot_chat.without_redis` and `join_limit.when_away` apply until it is back");
                self.lost.notify_one();
                since
            }
            State::There { .. } => self.clock.now(), // already reconnected
        };
        Away { since }
    }

    pub(crate) fn is_away(&self) -> bool {
        matches!(*self.state(), State::Away { .. })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
