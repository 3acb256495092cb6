//! A target that somebody else started: how it is reached, and whether anybody listens there.

use std::time::Duration;

use super::admin::Admin;
use super::error::ProvisionError;
use crate::endpoint::Endpoint;
use crate::transport::{Dial, Http, Sources, Tls, TlsOptions, try_once};
use crate::workload::{Reach, TargetUrl};

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to reach a target that somebody else started.
#[derive(Debug, Clone)]
pub struct External {
    /// Where it is.
    pub url: TargetUrl,
    /// Where the others are, where several share the arrivals.
    pub others: Vec<TargetUrl>,
    /// Which HTTP is spoken to it.
    pub http: Http,
    /// What TLS is spoken with, where it is.
    pub tls: TlsOptions,
    /// Its admin API, where members can be loaded in bulk.
    pub admin: Option<Admin>,
    /// Secret that caller tokens are signed with.
    pub secret: String,
}

impl External {
    /// A server at this address; there is no admin API and no secret yet.
    #[must_use]
    pub fn new(url: TargetUrl) -> Self {
        Self {
            url,
            others: Vec::new(),
            http: Http::One,
            tls: TlsOptions::default(),
            admin: None,
            secret: String::new(),
        }
    }

    /// Reached as a variant wants it.
    #[must_use]
    pub fn reached(self, reach: &Reach) -> Self {
        Self {
            others: reach.others.clone(),
            http: reach.http,
            tls: reach.tls.clone(),
            ..self
        }
    }

    /// What paths follow: `http://host:port/base`.
    pub(super) fn base(&self) -> String {
        let scheme = if self.url.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.url.authority(), self.url.base_path)
    }

    /// Each of the others, as a target of its own.
    pub(super) fn others(&self) -> impl Iterator<Item = Self> {
        let others = self.others.iter();
        others.map(|url| Self {
            url: url.clone(),
            others: Vec::new(),
            ..self.clone()
        })
    }

    /// What TLS connections to it are made with; `None` where it wants none.
    pub(super) fn tls(&self) -> Result<Option<Tls>, ProvisionError> {
        if !self.url.is_tls {
            return Ok(None);
        }
        let tls = Tls::new(&self.tls, &self.url.host, self.http);
        tls.map(Some).map_err(|reason| self.unreachable(reason))
    }

    fn unreachable(&self, reason: String) -> ProvisionError {
        ProvisionError::Unreachable {
            target: self.url.to_string(),
            reason,
        }
    }

    async fn endpoints(&self) -> Result<Vec<Endpoint>, ProvisionError> {
        if let Some(socket) = &self.url.socket {
            return Ok(vec![Endpoint::Unix(socket.clone())]);
        }
        let addresses = tokio::net::lookup_host((self.url.host.trim_matches(['[', ']']), self.url.port)).await;
        let addresses = addresses.map_err(|error| self.unreachable(error.to_string()))?;
        Ok(addresses.map(Endpoint::Ip).collect())
    }

    /// Where it accepts a connection now, as it will be asked for.
    pub(super) async fn connect(&self) -> Result<Endpoint, ProvisionError> {
        let tls = self.tls()?;
        let mut problem = "the name has no address".to_owned();
        // A name may stand for several, of which the server listens on one.
        for endpoint in self.endpoints().await? {
            let dial = Dial {
                sources: Sources::new(endpoint.clone(), Vec::new(), 1),
                tls: tls.clone(),
                http: self.http,
            };
            problem = match tokio::time::timeout(PATIENCE, try_once(&dial)).await {
                Ok(Ok(())) => return Ok(endpoint),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {PATIENCE:?}"),
            };
        }
        Err(self.unreachable(problem))
    }
}
