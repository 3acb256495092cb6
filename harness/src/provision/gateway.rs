//! The push gateway of a cell, which stands for those of the vendors, and its faults.
//!
//! It is started before the server, which gets its address, and is started again on the same ports after it was killed:
//! what it had counted is gone then, as with any process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bmt_sandbox::{Child, Place, PortLease, Proxy, Sandbox, SandboxError, Stream, Streams};
use serde_json::{Value as Json, json};

use super::admin::Admin;
use super::error::ProvisionError;
use super::whereabouts::Whereabouts;
use crate::workload::{PushGateway, Settings};

/// How long it may take to be ready, on a machine that may be busy.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// As the result calls its process.
const NAME: &str = "gateway";

/// Where and how a push gateway is started.
pub(super) struct GatewayPlan<'a> {
    /// The server's binary, which is the gateway as well.
    pub(super) binary: &'a Path,
    /// What the workload says of it.
    pub(super) gateway: &'a PushGateway,
    /// Seed of its service times.
    pub(super) seed: u64,
    /// Directory of its log.
    pub(super) logs: &'a Path,
    /// The server reaches it through a proxy.
    pub(super) through_proxy: bool,
}

/// A push gateway and its faults.
#[derive(Debug)]
pub(crate) struct GatewayRole {
    place: Place,
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    listens: PortLease,
    admin: PortLease,
    /// The certificate that it makes, where it speaks TLS.
    trust: Option<PathBuf>,
    proxy: Option<Proxy>,
    child: Child,
    whereabouts: Whereabouts,
    is_away: bool,
    /// What it says its settings are, defaults filled in.
    settings: Settings,
}

impl GatewayRole {
    /// Returns when it is ready. It logs to `gateway.log`.
    pub(super) async fn start(
        sandbox: &Sandbox,
        plan: GatewayPlan<'_>,
        whereabouts: Whereabouts,
    ) -> Result<Self, ProvisionError> {
        let (listens, admin) = (PortLease::take()?, PortLease::take()?);
        let trust = plan.gateway.is_tls.then(|| sandbox.dir().join("gateway.pem"));
        let config = sandbox.dir().join("gateway.yaml");
        let token = format!("{:032x}", rand::random::<u128>());
        let written = configuration(&plan, (listens.port(), admin.port()), &token, trust.as_deref());
        std::fs::write(&config, written.to_string()).map_err(|error| SandboxError::io(&config, error))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listens.port()));
        let proxy = plan.through_proxy.then(|| Proxy::start(address)).transpose()?;
        let log = plan.logs.join("gateway.log");
        let child = spawn(sandbox.place(), plan.binary, &config, &log)?;
        let mut role = Self {
            place: sandbox.place().clone(),
            binary: plan.binary.to_owned(),
            config,
            log,
            listens,
            admin,
            trust,
            proxy,
            child,
            whereabouts,
            is_away: false,
            settings: plan.gateway.settings.clone(),
        };
        role.ready().await?;
        let url = format!("http://127.0.0.1:{}", role.admin.port());
        if let Ok(settings) = (Admin { url, token }).settings().await {
            role.settings = settings;
        }
        Ok(role)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The settings with its address in them, where they have a push component.
    pub(super) fn put_into(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        let client = settings.get_mut("notify").and_then(|notify| notify.get_mut("gateway"));
        if let Some(client) = client.and_then(Json::as_object_mut) {
            let port = self.proxy.as_ref().map_or(self.listens.port(), Proxy::port);
            let scheme = if self.trust.is_some() { "https" } else { "http" };
            client.insert("url".to_owned(), json!(format!("{scheme}://127.0.0.1:{port}")));
            if let Some(trust) = &self.trust {
                client.insert("trust".to_owned(), json!(trust));
            }
        }
        settings
    }

    /// Where it gives its figures.
    pub(super) fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.admin.port())
    }

    pub(crate) async fn take_away(&mut self) -> Result<(), ProvisionError> {
        self.is_away = true;
        self.child.kill().await?;
        Ok(())
    }

    /// Starts it again on the same ports; returns when it is ready.
    pub(crate) async fn bring_back(&mut self) -> Result<(), ProvisionError> {
        if self.is_away {
            self.child.kill().await?;
            self.child = spawn(&self.place, &self.binary, &self.config, &self.log)?;
            self.ready().await?;
            self.is_away = false;
        }
        Ok(())
    }

    pub(crate) async fn pause(&mut self) -> Result<(), ProvisionError> {
        Ok(self.child.pause().await?)
    }

    pub(crate) fn resume(&self) -> Result<(), ProvisionError> {
        Ok(self.child.resume()?)
    }

    /// The proxy that the server's connections pass.
    ///
    /// # Errors
    /// When it was started without one.
    pub(crate) fn proxy(&self) -> Result<&Proxy, String> {
        let none = || "the server's connections to the push gateway do not pass a proxy".to_owned();
        self.proxy.as_ref().ok_or_else(none)
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), SandboxError> {
        if self.is_away {
            return Ok(());
        }
        self.child.ensure_running(
            "its log is gateway.log in the cell's directory; this is a bug of the push gateway, or it was killed",
        )
    }

    pub(super) async fn stop(&mut self) {
        // What does not stop in time is killed; nothing of it is needed any more.
        let _ = self.child.terminate(STOP_WITHIN).await;
    }

    async fn ready(&mut self) -> Result<(), ProvisionError> {
        let said = self.child.first_line(READY_WITHIN).await?;
        let ready: Option<Json> = serde_json::from_str(&said).ok();
        if ready.is_none_or(|ready| ready["ready"] != true) {
            return Err(ProvisionError::Puzzling { said });
        }
        self.whereabouts.note(NAME, self.child.pid());
        Ok(())
    }
}

fn configuration(plan: &GatewayPlan<'_>, (listens, admin): (u16, u16), token: &str, trust: Option<&Path>) -> Json {
    let tls = match trust {
        Some(certificate) => json!({ "self_made": { "certificate": certificate } }),
        None => json!("none"),
    };
    let mut config = json!({
        "listen": format!("127.0.0.1:{listens}"),
        "admin": format!("127.0.0.1:{admin}"),
        "admin_token": token,
        "tls": tls,
        "seed": plan.seed,
        "settings": plan.gateway.settings,
    });
    if let Some(threads) = plan.gateway.threads {
        config["threads"] = json!(threads);
    }
    config
}

fn spawn(place: &Place, binary: &Path, config: &Path, log: &Path) -> Result<Child, SandboxError> {
    let mut command = Command::new(binary);
    command.arg("push-gateway").arg("--config").arg(config);
    let streams = Streams {
        stdout: Stream::Piped,
        stderr: Stream::File(log.to_owned()),
    };
    place.spawn(NAME, command, &streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(gateway: &PushGateway) -> GatewayPlan<'_> {
        GatewayPlan {
            binary: Path::new("hotchat"),
            gateway,
            seed: 7,
            logs: Path::new("."),
            through_proxy: false,
        }
    }

    #[test]
    fn what_the_workload_says_is_passed_on_and_nothing_else_of_it() {
        let settings = json!({ "handshake_cpu": "1ms" });
        let gateway = PushGateway {
            settings: settings.as_object().unwrap().clone(),
            is_tls: true,
            threads: Some(1),
        };
        let written = configuration(&plan(&gateway), (4000, 4001), "token", Some(Path::new("/tmp/c.pem")));
        assert_eq!(written["listen"], "127.0.0.1:4000");
        assert_eq!(written["admin"], "127.0.0.1:4001");
        assert_eq!(written["tls"]["self_made"]["certificate"], "/tmp/c.pem");
        assert_eq!((&written["threads"], &written["seed"]), (&json!(1), &json!(7)));
        assert_eq!(written["settings"], settings);
        let plain = PushGateway {
            is_tls: false,
            threads: None,
            ..gateway
        };
        let written = configuration(&plan(&plain), (4000, 4001), "token", None);
        assert_eq!((&written["tls"], &written["threads"]), (&json!("none"), &Json::Null));
    }
}
