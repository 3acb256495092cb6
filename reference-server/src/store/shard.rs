//! One shard: a call on it takes a connection, has a time limit, and is retried when a deadlock rolled it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Pool, PoolError, TimeoutType};
use futures_util::future::BoxFuture;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Connection, MySqlConnection};

use super::connect::{Breaks, Connector};
use super::error::{Meaning, StoreError, meaning};
use super::lease::Lease;
use super::{retry, sql};
use crate::metrics::PoolMetrics;

/// The limits that every call on a shard keeps.
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
}

impl Shard {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Connections open now, for the metrics page.
    pub(crate) fn open_connections(&self) -> usize {
        self.pool.status().size
    }

    /// Runs `work` on a connection of this shard, within the usual time limit.
    ///
    /// `work` may be run again from its beginning when the database rolled it back; it leaves no transaction open
    /// when it succeeds.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        self.call_within(self.limits.storage_timeout, work).await
    }

    /// [`Shard::call`] with a limit of its own.
    pub(super) async fn call_within<T, F>(&self, limit: Duration, work: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let result = match self.lease().await {
            Err(error) => Err(error),
            // The lease moves into the attempt: when the limit ends it the connection is closed.
            Ok(lease) => match tokio::time::timeout(limit, self.attempt(lease, work)).await {
                Ok(result) => result,
                Err(_) => Err(StoreError::Timeout {
                    shard: self.index,
                    limit,
                }),
            },
        };
        if let Err(error) = &result {
            self.metrics.failed(error.kind());
        }
        result
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        let shard = self.index;
        let started = Instant::now();
        let got = self.pool.get().await;
        self.metrics.waited(started.elapsed());
        match got {
            Ok(object) => Ok(Lease::new(object, &self.metrics)),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                self.metrics.timed_out();
                Err(StoreError::NoConnection {
                    shard,
                    waited: self.limits.acquire_timeout,
                })
            }
            Err(error) => Err(StoreError::Unavailable {
                shard,
                cause: error.to_string(),
            }),
        }
    }

    async fn attempt<T, F>(&self, mut lease: Lease, work: F) -> Result<T, StoreError>
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
                return Err(StoreError::Unavailable {
                    shard: self.index,
                    cause: error.to_string(),
                });
            }
            // A lock wait time-out, and every other error, leaves the transaction open.
            if let Err(error) = sql::run(&mut lease, "ROLLBACK".to_owned()).await {
                self.breaks.note(Instant::now());
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

    /// Whether the shard answers, on a connection of its own: a busy pool is not a shard that is down.
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
