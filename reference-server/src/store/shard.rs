//! One shard: a call passes breaker and bulkhead, takes a connection, has a time limit, and is retried after a
//! deadlock.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Pool, PoolError, TimeoutType};
use futures_util::future::BoxFuture;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Connection, MySqlConnection};

use super::cancel::Cancel;
use super::connect::{Breaks, Connector};
use super::error::{Meaning, StoreError, meaning};
use super::isolation::{CallKind, Isolation, given_up};
use super::lease::Lease;
use super::{retry, sql};
use crate::deadline::{Deadline, Ended};
use crate::metrics::PoolMetrics;

/// The pool ends the wait for a connection, and for opening one, much sooner: `acquire_timeout` limits each.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// The limits of every call to a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) acquire_timeout: Duration,
    pub(crate) storage_timeout: Duration,
    pub(crate) deadlock_retries: u32,
}

pub(crate) struct Shard {
    pub(super) index: usize,
    pub(super) pool: Pool<Connector>,
    pub(super) options: MySqlConnectOptions,
    pub(super) breaks: Arc<Breaks>,
    pub(super) limits: Limits,
    pub(super) metrics: PoolMetrics,
    pub(super) cancel: Cancel,
    pub(super) isolation: Arc<Isolation>,
}

impl Shard {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Connections open now, for the metrics page.
    pub(crate) fn open_connections(&self) -> usize {
        self.pool.status().size
    }

    /// Updates the gauges of its breakers and its bulkhead.
    pub(crate) fn scrape(&self) {
        self.isolation.scrape(self.index);
    }

    /// Runs `work` on a connection of this shard, for a caller who waits until `deadline`.
    ///
    /// `work` may run again from its beginning after the database rolled it back; it leaves no transaction open on
    /// success.
    pub(super) async fn call<T, F>(&self, kind: CallKind, deadline: &Deadline, work: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let result = match self.isolation.enter(self.index, kind, deadline).await {
            Err(refused) => Err(refused),
            Ok(entered) => {
                // Before its statements the call ends with its caller; the statements themselves may have to be
                // completed.
                let statements: Cow<'_, Deadline> = if kind.is_seen_through() {
                    Cow::Owned(deadline.without_caller())
                } else {
                    Cow::Borrowed(deadline)
                };
                let limit = self.limits.storage_timeout;
                let result = self.run(limit, deadline, &statements, work).await;
                entered.done(&result);
                result
            }
        };
        self.counted(result)
    }

    /// A call of the admin API: it passes neither breaker nor bulkhead, does not end with its caller, and has a limit
    /// of its own.
    pub(super) async fn call_by_operator<T, F>(&self, limit: Duration, work: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let never = Deadline::never();
        self.counted(self.run(limit, &never, &never, work).await)
    }

    fn counted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.metrics.failed(error.kind());
        }
        result
    }

    /// Waits for a connection until `deadline`, then for the statements until `statements`.
    async fn run<T, F>(
        &self,
        limit: Duration,
        deadline: &Deadline,
        statements: &Deadline,
        work: F,
    ) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let shard = self.index;
        let lease = self.lease(deadline).await?;
        if let Err(ended) = deadline.check() {
            lease.give_back();
            return Err(given_up(shard, ended));
        }
        let cut = statements.cut(limit);
        // The lease moves into the attempt: if the attempt is dropped, the connection is closed and its session killed.
        match statements.bound(limit, self.attempt(lease, work)).await {
            Ok(result) => result,
            Err(Ended::Gone) => Err(StoreError::Abandoned { shard }),
            Err(Ended::Limit) => Err(StoreError::Timeout {
                shard,
                limit,
                cut: false,
            }),
            Err(Ended::Deadline) => Err(StoreError::Timeout {
                shard,
                limit: cut,
                cut: true,
            }),
        }
    }

    async fn lease(&self, deadline: &Deadline) -> Result<Lease<'_>, StoreError> {
        let shard = self.index;
        let started = Instant::now();
        let got = deadline.bound(WAIT_MAX, self.pool.get()).await;
        let waited = started.elapsed();
        self.metrics.waited(waited);
        match got {
            Ok(Ok(object)) => Ok(Lease::new(object, &self.metrics, &self.cancel)),
            Err(Ended::Gone) => Err(StoreError::Abandoned { shard }),
            Err(Ended::Limit | Ended::Deadline) => {
                self.metrics.timed_out();
                let cut = true;
                Err(StoreError::NoConnection { shard, waited, cut })
            }
            Ok(Err(PoolError::Timeout(TimeoutType::Wait))) => {
                self.metrics.timed_out();
                Err(StoreError::NoConnection {
                    shard,
                    waited: self.limits.acquire_timeout,
                    cut: false,
                })
            }
            Ok(Err(error)) => Err(StoreError::Unavailable {
                shard,
                cause: error.to_string(),
            }),
        }
    }

    async fn attempt<T, F>(&self, mut lease: Lease<'_>, work: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let mut attempts = 0;
        loop {
            let error = match work(&mut lease).await {
                Ok(value) => {
                    lease.give_back();
                    return Ok(value);
                }
                Err(error) => error,
            };
            attempts += 1;
            let meaning = meaning(&error);
            if meaning == Meaning::ConnectionLost {
                self.breaks.note(Instant::now());
                lease.discard();
                return Err(StoreError::Unavailable {
                    shard: self.index,
                    cause: error.to_string(),
                });
            }
            // A lock wait time-out, and every other error, leaves the transaction open.
            if let Err(error) = sql::run(&mut lease, "ROLLBACK".to_owned()).await {
                self.breaks.note(Instant::now());
                lease.discard();
                return Err(StoreError::Unavailable {
                    shard: self.index,
                    cause: error.to_string(),
                });
            }
            if meaning != Meaning::RolledBack || attempts > self.limits.deadlock_retries {
                lease.give_back();
                return Err(self.explained(meaning, attempts, error));
            }
            self.metrics.retried();
            tokio::time::sleep(retry::pause(attempts - 1, rand::random())).await;
        }
    }

    fn explained(&self, meaning: Meaning, attempts: u32, source: sqlx::Error) -> StoreError {
        let shard = self.index;
        match meaning {
            Meaning::RolledBack => StoreError::Contended { shard, attempts },
            Meaning::StatementTimeout => StoreError::Timeout {
                shard,
                limit: self.limits.storage_timeout,
                cut: false,
            },
            Meaning::ConnectionLost => StoreError::Unavailable {
                shard,
                cause: source.to_string(),
            },
            Meaning::Duplicate(_) | Meaning::NoParent | Meaning::NoRevision | Meaning::Other => {
                StoreError::Internal { shard, source }
            }
        }
    }

    /// Checks that the shard answers, on a connection of its own: a busy pool does not mean that the shard is down.
    pub(crate) async fn answers(&self, within: Duration) -> Result<(), String> {
        let ask = async {
            let mut connection = MySqlConnection::connect_with(&self.options).await?;
            connection.ping().await?;
            connection.close().await
        };
        match tokio::time::timeout(within, ask).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {within:?}")),
        }
    }
}
