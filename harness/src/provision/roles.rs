//! Databases and Redis of a cell, which a fault may take away for a while.
//!
//! What was taken away on purpose is not missed ([`ShardRole::ensure_running`]), and what was started again is observed
//! like the first.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bmt_sandbox::{Proxy, Redis, Sandbox, SandboxError, Shard, ShardOptions, Template};

use super::error::ProvisionError;
use super::table_lock::TableLock;
use super::whereabouts::Whereabouts;

/// A Redis that a fault may take away for a while.
#[derive(Debug)]
pub(crate) struct RedisRole {
    redis: Redis,
    whereabouts: Whereabouts,
    is_away: bool,
}

impl RedisRole {
    pub(super) async fn start(sandbox: &Sandbox, whereabouts: Whereabouts) -> Result<Self, ProvisionError> {
        let redis = Redis::start(sandbox).await?;
        whereabouts.note("redis", redis.pid());
        Ok(Self {
            redis,
            whereabouts,
            is_away: false,
        })
    }

    pub(super) fn url(&self) -> String {
        self.redis.url()
    }

    pub(crate) async fn take_away(&mut self) -> Result<(), ProvisionError> {
        self.is_away = true;
        self.redis.kill().await?;
        Ok(())
    }

    pub(crate) async fn bring_back(&mut self) -> Result<(), ProvisionError> {
        self.redis.restart().await?;
        self.is_away = false;
        self.whereabouts.note("redis", self.redis.pid());
        Ok(())
    }

    pub(crate) async fn pause(&mut self) -> Result<(), ProvisionError> {
        Ok(self.redis.pause().await?)
    }

    pub(crate) fn resume(&self) -> Result<(), ProvisionError> {
        Ok(self.redis.resume()?)
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), SandboxError> {
        if self.is_away {
            Ok(())
        } else {
            self.redis.ensure_running()
        }
    }
}

/// What the faults of a workload need of its shards and of its push gateway from the beginning. All shards get the
/// same, so that they can be compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Breakable {
    /// The server reaches them through a proxy.
    pub connections: bool,
    /// Their flushes to the disk can be delayed.
    pub disk: bool,
    /// The server reaches the push gateway through a proxy.
    pub gateway: bool,
}

/// A shard and its faults.
#[derive(Debug)]
pub(crate) struct ShardRole {
    shard: Shard,
    /// As the result calls it.
    name: String,
    proxy: Option<Proxy>,
    lock: Option<TableLock>,
    whereabouts: Whereabouts,
    is_away: bool,
}

impl ShardRole {
    pub(super) async fn start(
        (sandbox, template): (&Sandbox, &Template),
        index: u16,
        options: ShardOptions,
        breakable: Breakable,
        whereabouts: Whereabouts,
    ) -> Result<Self, ProvisionError> {
        let options = ShardOptions {
            slow_disk: breakable.disk,
            ..options
        };
        let shard = Shard::start(sandbox, template, options).await?;
        let name = format!("shard {index}");
        whereabouts.note(&name, shard.pid());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shard.port()));
        let proxy = breakable.connections.then(|| Proxy::start(address)).transpose()?;
        Ok(Self {
            shard,
            name,
            proxy,
            lock: None,
            whereabouts,
            is_away: false,
        })
    }

    /// Where the server reaches it.
    pub(super) fn server_url(&self) -> String {
        match &self.proxy {
            Some(proxy) => self.shard.url_through(proxy.port()),
            None => self.shard.socket_url().unwrap_or_else(|| self.shard.url()),
        }
    }

    /// Where bmt itself reaches it, whatever faults the server's connections have.
    pub(super) fn url(&self) -> String {
        self.shard.url()
    }

    pub(super) fn version(&self) -> &str {
        self.shard.version()
    }

    pub(crate) async fn take_away(&mut self) -> Result<(), ProvisionError> {
        self.is_away = true;
        self.shard.kill().await?;
        Ok(())
    }

    /// Returns when it answers again.
    pub(crate) async fn bring_back(&mut self) -> Result<(), ProvisionError> {
        self.shard.restart().await?;
        self.is_away = false;
        self.whereabouts.note(&self.name, self.shard.pid());
        Ok(())
    }

    pub(crate) async fn pause(&mut self) -> Result<(), ProvisionError> {
        Ok(self.shard.pause().await?)
    }

    pub(crate) fn resume(&self) -> Result<(), ProvisionError> {
        Ok(self.shard.resume()?)
    }

    /// Each flush to the disk takes so much longer; zero ends it.
    pub(crate) fn slow_disk(&self, by: Duration) -> Result<(), ProvisionError> {
        Ok(self.shard.set_flush_delay(by)?)
    }

    /// Locks its tables for `hold` at a time, again and again, until [`ShardRole::unlock`].
    pub(crate) async fn lock(&mut self, hold: Duration) -> Result<(), String> {
        self.lock = Some(TableLock::start(&self.shard.url(), hold).await?);
        Ok(())
    }

    /// Returns when its tables are free.
    pub(crate) async fn unlock(&mut self) {
        if let Some(lock) = self.lock.take() {
            lock.end().await;
        }
    }

    /// The proxy that the server's connections pass.
    ///
    /// # Errors
    /// When it was started without one.
    pub(crate) fn proxy(&self) -> Result<&Proxy, String> {
        let none = || format!("the server's connections to {} do not pass a proxy", self.name);
        self.proxy.as_ref().ok_or_else(none)
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        if self.is_away {
            return Ok(());
        }
        let remedy = "it was killed, or its log says why; run again once that is mended";
        Ok(self.shard.ensure_running(remedy)?)
    }

    pub(super) async fn stop(&mut self) {
        // Its data is not needed any more.
        let _ = self.shard.kill().await;
    }
}
