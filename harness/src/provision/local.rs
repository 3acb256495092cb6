//! The reference server on fresh shards, all of it gone when the cell ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bmt_sandbox::{Child, Durability, Sandbox, SandboxError, ShardOptions, Stream, Streams, Template};
use serde_json::{Value as Json, json};

use super::admin::Admin;
use super::error::ProvisionError;
use super::gateway::{GatewayPlan, GatewayRole};
use super::roles::{Breakable, RedisRole, ShardRole};
use super::whereabouts::Whereabouts;
use crate::observe::{Processes, Watched};
use crate::workload::{PushGateway, Settings};

/// How long the server may take to be ready: it migrates its shards first, on a machine that may be busy.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may drain; its callers are gone by then.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Processes that bmt started for one cell. Fields drop in order: the server before what it uses, all before their
/// directory.
#[derive(Debug)]
pub struct Local {
    pub(super) server: Child,
    pub(super) gateway: Option<GatewayRole>,
    pub(super) shards: Vec<ShardRole>,
    pub(super) redis: Option<RedisRole>,
    _sandbox: Sandbox,
}

/// What to start.
#[derive(Debug)]
pub struct LocalPlan<'a> {
    /// Number of shards; their start-up options follow from the settings.
    pub shards: u16,
    /// Further start-up options of the shards.
    pub database_options: &'a [String],
    /// Whether the server gets a Redis.
    pub redis: bool,
    /// The push gateway that the server gets.
    pub gateway: Option<&'a PushGateway>,
    /// Seed of what its processes draw by themselves.
    pub seed: u64,
    /// What faults will be done to the shards and to the gateway.
    pub breakable: Breakable,
    /// The server's settings.
    pub settings: &'a Settings,
    /// Directory of the logs of the server and of its shards.
    pub logs: &'a Path,
    /// CPUs that everything is started on; anywhere if empty.
    pub cpus: &'a [usize],
}

/// How to reach a server that was started, and what can be observed of it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) address: SocketAddr,
    pub(super) admin: Admin,
    pub(super) secret: String,
    pub(super) watched: Watched,
    pub(super) settings: Settings,
    pub(super) gateway_settings: Option<Settings>,
}

impl Local {
    /// Starts the shards with the start-up options that the settings ask for, the push gateway, and the server on them.
    /// The server logs to `server.log`, shard N to `shard-N.log`, the gateway to `gateway.log`.
    ///
    /// # Errors
    /// When any of them does not come up, with the cause and the remedy.
    pub(super) async fn start(
        template: &Template,
        LocalPlan {
            shards,
            database_options,
            redis,
            gateway,
            seed,
            breakable,
            settings,
            logs,
            cpus,
        }: LocalPlan<'_>,
    ) -> Result<(Self, Started), ProvisionError> {
        let binary = server_binary()?;
        let sandbox = Sandbox::on_cpus(cpus)?;
        let options = ShardOptions {
            extra: database_options.to_vec(),
            ..shard_options(settings)
        };
        let whereabouts = Whereabouts {
            processes: Processes::default().with("generator", std::process::id()),
        };
        let here = (&sandbox, template);
        let running = start_shards(here, shards, &options, breakable, (&whereabouts, logs)).await?;
        let redis = match redis {
            true => Some(RedisRole::start(&sandbox, whereabouts.clone()).await?),
            false => None,
        };
        let gateway = match gateway {
            None => None,
            Some(gateway) => {
                let plan = GatewayPlan {
                    binary: &binary,
                    gateway,
                    seed,
                    logs,
                    through_proxy: breakable.gateway,
                };
                Some(GatewayRole::start(&sandbox, plan, whereabouts.clone()).await?)
            }
        };
        let own = gateway.as_ref().map(|gateway| gateway.put_into(settings));
        let settings = own.as_ref().unwrap_or(settings);
        let (secret, token) = (random_hex(), random_hex());
        let config = json!({
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "secret": secret,
            "admin_token": token,
            "shards": running.iter().map(ShardRole::server_url).collect::<Vec<_>>(),
            "redis": redis.as_ref().map(RedisRole::url),
            "settings": settings,
        });
        let mut server = spawn_server(&sandbox, &binary, &config, logs)?;
        whereabouts.note("server", server.pid());
        let (address, admin) = addresses(&server.first_line(READY_WITHIN).await?)?;
        let admin = Admin { url: admin, token };
        let settings = admin.settings().await.unwrap_or_else(|_| settings.clone());
        let started = Started {
            address,
            admin,
            secret,
            watched: Watched {
                shards: running.iter().map(ShardRole::url).collect(),
                metrics_url: Some(format!("http://{address}/metrics")),
                gateway_url: gateway.as_ref().map(GatewayRole::metrics_url),
                processes: whereabouts.processes,
                ..Watched::default()
            },
            settings,
            gateway_settings: gateway.as_ref().map(GatewayRole::settings),
        };
        let local = Self {
            server,
            gateway,
            shards: running,
            redis,
            _sandbox: sandbox,
        };
        Ok((local, started))
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        self.server.ensure_running(
            "its log is server.log in the cell's directory; this is a bug of the server, or it was killed",
        )?;
        if let Some(gateway) = &mut self.gateway {
            gateway.ensure_running()?;
        }
        if let Some(redis) = &mut self.redis {
            redis.ensure_running()?;
        }
        self.shards.iter_mut().try_for_each(ShardRole::ensure_running)
    }

    pub(super) fn database_version(&self) -> String {
        self.shards
            .first()
            .map(|shard| shard.version().to_owned())
            .unwrap_or_default()
    }

    pub(super) async fn stop(mut self) {
        // What does not stop in time is killed; nothing of it is needed any more.
        let _ = self.server.terminate(STOP_WITHIN).await;
        if let Some(gateway) = &mut self.gateway {
            gateway.stop().await;
        }
        for shard in &mut self.shards {
            shard.stop().await;
        }
    }
}

async fn start_shards(
    here: (&Sandbox, &Template),
    shards: u16,
    options: &ShardOptions,
    breakable: Breakable,
    (whereabouts, logs): (&Whereabouts, &Path),
) -> Result<Vec<ShardRole>, ProvisionError> {
    let mut running = Vec::new();
    for index in 0..shards {
        let options = ShardOptions {
            log: Some(logs.join(format!("shard-{index}.log"))),
            ..options.clone()
        };
        running.push(ShardRole::start(here, index, options, breakable, whereabouts.clone()).await?);
    }
    Ok(running)
}

fn spawn_server(sandbox: &Sandbox, binary: &Path, config: &Json, logs: &Path) -> Result<Child, SandboxError> {
    let file = sandbox.dir().join("hotchat.yaml");
    std::fs::write(&file, config.to_string()).map_err(|error| SandboxError::io(&file, error))?;
    let mut command = Command::new(binary);
    command.arg("--config").arg(&file);
    let streams = Streams {
        stdout: Stream::Piped,
        stderr: Stream::File(logs.join("server.log")),
    };
    sandbox.spawn("hotchat", command, &streams)
}

/// The addresses of the API and of the admin API that the server says it listens on.
fn addresses(line: &str) -> Result<(SocketAddr, String), ProvisionError> {
    let puzzling = || ProvisionError::Puzzling { said: line.to_owned() };
    let ready: Json = serde_json::from_str(line).map_err(|_| puzzling())?;
    let api = ready["api"].as_str().and_then(|api| api.parse().ok());
    let admin = ready["admin"].as_str().map(|admin| format!("http://{admin}"));
    api.zip(admin).ok_or_else(puzzling)
}

/// The start-up options of a shard under these settings; the server checks at its own start that they are in force.
fn shard_options(settings: &Settings) -> ShardOptions {
    let defaults = ShardOptions::default();
    ShardOptions {
        autoinc_lock_mode: settings
            .get("autoinc_lock_mode")
            .and_then(Json::as_u64)
            .and_then(|mode| u8::try_from(mode).ok())
            .unwrap_or(defaults.autoinc_lock_mode),
        query_cache: settings.get("member_count").is_some_and(|count| count == "query_cache"),
        durability: match settings.get("durability").and_then(Json::as_str) {
            Some("relaxed") => Durability::Relaxed,
            _ => Durability::Full,
        },
        ..defaults
    }
}

/// `$BMT_HOTCHAT`, or `hotchat` beside this program.
///
/// # Errors
/// When it is in neither place.
pub(crate) fn server_binary() -> Result<PathBuf, ProvisionError> {
    if let Some(named) = std::env::var_os("BMT_HOTCHAT").map(PathBuf::from) {
        return if named.is_file() {
            Ok(named)
        } else {
            Err(ProvisionError::NoServer {
                looked_in: format!("BMT_HOTCHAT={}", named.display()),
            })
        };
    }
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(Path::new(".")).join("hotchat");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(ProvisionError::NoServer {
            looked_in: beside.display().to_string(),
        })
    }
}

fn random_hex() -> String {
    use rand::RngExt as _;
    let bits: u128 = rand::rng().random();
    format!("{bits:032x}")
}
