//! What is driven: the reference server on its shards or a program of the workload's, started here, or a server that
//! somebody else started.

use std::time::Duration;

use bmt_sandbox::Template;
use tokio::net::{TcpStream, UnixStream};

use super::admin::Admin;
use super::error::ProvisionError;
use super::external::External;
use super::gateway::GatewayRole;
use super::local::{Local, LocalPlan};
use super::process::{Process, ProcessPlan, Running};
use super::roles::{RedisRole, ShardRole};
use crate::endpoint::Endpoint;
use crate::observe::{Processes, Watched};
use crate::record::StartedProcess;
use crate::transport::{Http, Tls};
use crate::workload::Settings;

/// How long [`Target::is_lost`] takes at most.
const PROBE: Duration = Duration::from_millis(200);

/// A server that answers.
#[derive(Debug)]
pub struct Target {
    /// Where it accepts connections.
    pub endpoint: Endpoint,
    /// `host:port`, for the `Host` header.
    pub authority: String,
    /// What every path starts with, such as `/base`; empty where paths start at the root.
    pub base_path: String,
    /// Which HTTP is spoken to it.
    pub http: Http,
    /// What TLS connections to it are made with; `None` where it wants none.
    pub tls: Option<Tls>,
    /// Base of its admin API, where it is known.
    pub admin: Option<Admin>,
    /// Secret that caller tokens are signed with.
    pub secret: String,
    /// What can be observed of it.
    pub watched: Watched,
    /// Its settings, where they are known.
    pub settings: Option<Settings>,
    /// Those of the push gateway that bmt started beside it.
    pub gateway_settings: Option<Settings>,
    /// The other hosts, where several share the arrivals.
    pub others: Vec<OtherHost>,
    /// What bmt started for it.
    local: Option<Local>,
    /// The program that bmt started as it.
    process: Option<Process>,
    /// What that is, without secrets.
    started: Option<StartedProcess>,
    /// Where it is not the reference server.
    external: Option<External>,
}

/// One of the hosts that share the arrivals, but for the first, which is the target itself.
#[derive(Debug)]
pub struct OtherHost {
    /// Where it accepts connections.
    pub endpoint: Endpoint,
    /// As [`Target::authority`].
    pub authority: String,
    /// As [`Target::base_path`].
    pub base_path: String,
    /// As [`Target::tls`].
    pub tls: Option<Tls>,
}

impl Target {
    /// Starts the reference server on fresh shards.
    ///
    /// # Errors
    /// When any of them does not come up, with the cause and the remedy.
    pub async fn local(template: &Template, plan: LocalPlan<'_>) -> Result<Self, ProvisionError> {
        let (local, started) = Local::start(template, plan).await?;
        Ok(Self {
            endpoint: started.address.into(),
            authority: started.address.to_string(),
            base_path: String::new(),
            http: Http::One,
            tls: None,
            admin: Some(started.admin),
            secret: started.secret,
            watched: started.watched,
            settings: Some(started.settings),
            gateway_settings: started.gateway_settings,
            others: Vec::new(),
            local: Some(local),
            process: None,
            started: None,
            external: None,
        })
    }

    /// A target that somebody else started; it must accept a connection now.
    ///
    /// # Errors
    /// When its name has no address, or nobody listens there.
    pub async fn external(external: &External) -> Result<Self, ProvisionError> {
        let endpoint = external.connect().await?;
        let mut target = Self::reached(external, endpoint)?;
        for other in external.others() {
            target.others.push(OtherHost {
                endpoint: other.connect().await?,
                authority: other.url.authority(),
                base_path: other.url.base_path.clone(),
                tls: other.tls()?,
            });
        }
        Ok(target)
    }

    /// A program of the workload's, started and ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; with what was tried and the end of its log.
    pub async fn process(plan: ProcessPlan<'_>) -> Result<Self, ProvisionError> {
        let Running {
            process,
            external,
            endpoint,
            started,
        } = Process::start(plan).await?;
        let target = Self::reached(&external, endpoint)?;
        target.watched.processes.note_family("server", process.pid());
        Ok(Self {
            process: Some(process),
            started: Some(started),
            ..target
        })
    }

    fn reached(external: &External, endpoint: Endpoint) -> Result<Self, ProvisionError> {
        let page = match &endpoint {
            Endpoint::Ip(address) if !external.url.is_tls => {
                Some(format!("http://{address}{}/metrics", external.url.base_path))
            }
            // Read without TLS, and from an address.
            Endpoint::Ip(_) | Endpoint::Unix(_) => None,
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            authority: external.url.authority(),
            base_path: external.url.base_path.clone(),
            http: external.http,
            tls: external.tls()?,
            admin: external.admin.clone(),
            secret: external.secret.clone(),
            watched: Watched {
                metrics_url: page,
                processes: Processes::default().with("generator", std::process::id()),
                target: Some(endpoint),
                ..Watched::default()
            },
            settings: None,
            gateway_settings: None,
            others: Vec::new(),
            local: None,
            process: None,
            started: None,
            external: Some(external.clone()),
        })
    }

    /// Looks whether a target that somebody else started refuses connections, within 200 ms. To be called about
    /// once a second, and only while it answers nothing: [`Silence`](super::Silence) says when. A target that accepts
    /// or stays silent is not lost but slow or hung, and a local error says nothing about it. Of a target that bmt
    /// started, [`Target::ensure_running`] knows better.
    pub async fn is_lost(&self) -> Option<ProvisionError> {
        let external = self.external.as_ref()?;
        let attempt = async {
            match &self.endpoint {
                Endpoint::Ip(address) => TcpStream::connect(address).await.err(),
                Endpoint::Unix(path) => UnixStream::connect(path).await.err(),
            }
        };
        let error = tokio::time::timeout(PROBE, attempt).await.ok()??;
        refuses(&error).then(|| ProvisionError::Gone {
            target: external.url.to_string(),
            reason: error.to_string(),
        })
    }

    /// Fails when something that bmt started for the target has ended by itself.
    ///
    /// # Errors
    /// With what ended, and the end of its log.
    pub fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        self.local.as_mut().map_or(Ok(()), Local::ensure_running)?;
        self.process.as_mut().map_or(Ok(()), Process::ensure_running)
    }

    /// The port that it was told to listen on, or is reached at; a Unix socket has none.
    pub(super) fn port(&self) -> Option<u16> {
        let process = self.process.as_ref().map(Process::port);
        process.or_else(|| self.endpoint.port())
    }

    /// What paths follow: `http://host:port/base`.
    pub(super) fn base(&self) -> String {
        format!("http://{}{}", self.authority, self.base_path)
    }

    /// The program that bmt started as the target, without secrets.
    #[must_use]
    pub fn started(&self) -> Option<&StartedProcess> {
        self.started.as_ref()
    }

    /// Whether it is the reference server, started by bmt.
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

    /// The push gateway, where bmt started it.
    ///
    /// # Errors
    /// Where it is not ours to touch.
    pub(crate) fn gateway(&mut self) -> Result<&mut GatewayRole, String> {
        let gateway = self.local.as_mut().and_then(|local| local.gateway.as_mut());
        gateway.ok_or_else(|| "bmt did not start its push gateway, so it does not touch it".to_owned())
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

    /// Stops the server where it is (`SIGSTOP`), unless somebody else started it.
    pub(crate) async fn pause_server(&mut self) -> Result<(), ProvisionError> {
        match &mut self.local {
            Some(local) => Ok(local.server.pause().await?),
            None => Ok(()),
        }
    }

    /// Lets it go on.
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
        if let Some(process) = self.process {
            process.stop().await;
        }
    }
}

/// Whether the error of a connection attempt says that nobody listens there.
fn refuses(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            // A Unix socket that was removed.
            | ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::workload::TargetUrl;

    #[tokio::test]
    async fn a_target_is_lost_once_it_refuses_connections_and_not_while_it_hangs() {
        // Accepts in the backlog only: it hangs.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let external = External::new(TargetUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
        let target = Target::external(&external).await.unwrap();
        assert!(target.is_lost().await.is_none());
        drop(listener);
        let lost = target.is_lost().await.unwrap().to_string();
        assert!(
            lost.contains(&external.url.to_string()) && lost.contains("refused"),
            "{lost}"
        );
    }
}
