//! What is driven: the reference server on its shards, started here, or a server that somebody else started.

mod admin;
mod local;
mod populate;
mod roles;
mod table_lock;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use bmt_sandbox::SandboxError;

pub use admin::Admin;
pub(crate) use local::server_binary;
pub use local::{Local, LocalPlan};
pub use populate::{Populated, populate};
pub use roles::Breakable;
pub(crate) use roles::{RedisRole, ShardRole};

use crate::observe::{Processes, Watched};
use crate::workload::Settings;

/// Why there is nothing to drive. All of them end a run with exit code 121.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A shard or its sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Too little disk for the shards: a database on a full disk does not fail, it waits.
    #[error(
        "{path} has {free_mib} MiB free, and {shards} shards want {wanted_mib} MiB of disk space; free some, or point TMPDIR at a larger disk"
    )]
    DiskFull {
        /// Where the shards would live.
        path: String,
        /// Number of shards.
        shards: u16,
        /// Free space.
        free_mib: u64,
        /// Wanted space.
        wanted_mib: u64,
    },
    /// The reference server's binary is not there.
    #[error(
        "cannot find the reference server `hotchat` (looked in {looked_in}); build it with `cargo build --release --workspace`, or name it in BMT_HOTCHAT"
    )]
    NoServer {
        /// Where it was looked for.
        looked_in: String,
    },
    /// It started and did not say where it listens.
    #[error("the reference server did not say where it listens, but {said:?}; is BMT_HOTCHAT of another version?")]
    Puzzling {
        /// Its first line.
        said: String,
    },
    /// A target that somebody else started cannot be reached.
    #[error("cannot reach the target {target}: {reason}; start it first, or check the address")]
    Unreachable {
        /// As given.
        target: String,
        /// The system's reason.
        reason: String,
    },
    /// The target's address cannot be read.
    #[error("`{target}` is not an address of a server; expected http://HOST:PORT")]
    NotAnAddress {
        /// As given.
        target: String,
    },
    /// Chats could not be made.
    #[error(
        "cannot prepare the chats on {target}: {reason}; does it speak the reference server's API, and do BMT_TARGET_SECRET and BMT_TARGET_ADMIN_TOKEN match its configuration?"
    )]
    Unprepared {
        /// Its address.
        target: String,
        /// What it answered.
        reason: String,
    },
}

/// A shard's redo log, system tables, and the binary log of a few minutes of storm.
const SHARD_DISK_MIB: u64 = 256;

/// Looks before the first shard starts whether all of them will fit.
///
/// # Errors
/// When the disk that temporary files live on is too small.
pub fn ensure_disk(shards: u16) -> Result<(), ProvisionError> {
    let dir = std::env::temp_dir();
    // Where the system does not say, the shards will.
    let Ok(stat) = rustix::fs::statvfs(&dir) else {
        return Ok(());
    };
    let free_mib = stat.f_bavail * stat.f_frsize / (1 << 20);
    // One more for the data directory that all are copied from.
    let wanted_mib = SHARD_DISK_MIB * (u64::from(shards) + 1);
    if free_mib >= wanted_mib {
        return Ok(());
    }
    let path = dir.display().to_string();
    Err(ProvisionError::DiskFull {
        path,
        shards,
        free_mib,
        wanted_mib,
    })
}

/// A server that answers.
#[derive(Debug)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// `host:port`, for the `Host` header.
    pub authority: String,
    /// Base of its admin API, where it is known.
    pub admin: Option<Admin>,
    /// Secret that caller tokens are signed with.
    pub secret: String,
    /// What can be observed of it.
    pub watched: Watched,
    /// Its settings, where they are known.
    pub settings: Option<Settings>,
    /// What bmt started for it.
    local: Option<Local>,
}

/// How to reach a target that somebody else started.
#[derive(Debug, Clone)]
pub struct External {
    /// `http://host:port`.
    pub url: String,
    /// Its admin API, where members can be loaded in bulk.
    pub admin: Option<Admin>,
    /// Secret that caller tokens are signed with.
    pub secret: String,
}

impl Target {
    /// A target that somebody else started; it must accept a connection now.
    ///
    /// # Errors
    /// When the address is none, or nobody listens there.
    pub async fn external(external: &External) -> Result<Self, ProvisionError> {
        let not_an_address = || ProvisionError::NotAnAddress {
            target: external.url.clone(),
        };
        let url: reqwest::Url = external.url.parse().map_err(|_| not_an_address())?;
        let ("http", Some(host)) = (url.scheme(), url.host_str()) else {
            return Err(not_an_address());
        };
        let port = url.port().unwrap_or(80);
        let unreachable = |reason: String| ProvisionError::Unreachable {
            target: external.url.clone(),
            reason,
        };
        let address = (host.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .map_err(|error| unreachable(error.to_string()))?
            .next()
            .ok_or_else(|| unreachable("the name has no address".to_owned()))?;
        match tokio::time::timeout(Duration::from_secs(5), tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("no answer within 5 s".to_owned())),
        }
        Ok(Self {
            address,
            authority: format!("{host}:{port}"),
            admin: external.admin.clone(),
            secret: external.secret.clone(),
            watched: Watched {
                metrics_url: Some(format!("http://{address}/metrics")),
                processes: Processes::default().with("generator", std::process::id()),
                ..Watched::default()
            },
            settings: None,
            local: None,
        })
    }

    /// Fails when something that bmt started for the target has ended by itself.
    ///
    /// # Errors
    /// With what ended, and the end of its log.
    pub fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        self.local.as_mut().map_or(Ok(()), Local::ensure_running)
    }

    /// Whether bmt started it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.local.is_some()
    }

    /// Redis, where bmt started it.
    ///
    /// # Errors
    /// Where it is not ours to touch.
    pub(crate) fn redis(&mut self) -> Result<&mut RedisRole, String> {
        let redis = self.local.as_mut().and_then(|local| local.redis.as_mut());
        redis.ok_or_else(|| "bmt did not start its Redis, so it does not touch it".to_owned())
    }

    /// A shard, by its number from 0.
    ///
    /// # Errors
    /// Where it is not ours to touch.
    pub(crate) fn shard(&mut self, number: u16) -> Result<&mut ShardRole, String> {
        let shards = self.local.as_mut().map(|local| &mut local.shards);
        let shard = shards.and_then(|shards| shards.get_mut(usize::from(number)));
        shard.ok_or_else(|| format!("bmt did not start a shard {number}, so it does not touch it"))
    }

    /// The server stands still; nothing happens to one that bmt did not start.
    pub(crate) async fn pause_server(&mut self) -> Result<(), ProvisionError> {
        match &mut self.local {
            Some(local) => Ok(local.server.pause().await?),
            None => Ok(()),
        }
    }

    /// It goes on.
    pub(crate) fn resume_server(&self) -> Result<(), ProvisionError> {
        match &self.local {
            Some(local) => Ok(local.server.resume()?),
            None => Ok(()),
        }
    }

    /// The admin API.
    ///
    /// # Errors
    /// Where it is not known.
    pub(crate) fn admin(&self) -> Result<&Admin, String> {
        let unknown =
            || "the target's admin API is not known; give --target-admin and BMT_TARGET_ADMIN_TOKEN".to_owned();
        self.admin.as_ref().ok_or_else(unknown)
    }

    /// Version of the database, where bmt started it.
    #[must_use]
    pub fn database_version(&self) -> Option<String> {
        self.local.as_ref().map(Local::database_version)
    }

    /// Stops what bmt started, and removes it.
    pub async fn stop(self) {
        if let Some(local) = self.local {
            local.stop().await;
        }
    }
}
