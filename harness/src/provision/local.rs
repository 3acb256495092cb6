//! The reference server on fresh shards, all of it gone when the cell ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bmt_sandbox::{Child, Durability, Redis, Sandbox, SandboxError, Shard, ShardOptions, Stream, Streams, Template};
use serde_json::{Value as Json, json};

use super::{Admin, ProvisionError, Target};
use crate::observe::Watched;
use crate::workload::Settings;

/// The server migrates its shards before it is ready, on a machine that may be busy.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The server drains; its callers are gone by then.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Processes that bmt started for one cell. Fields drop in order: the server before its shards, both before their directory.
#[derive(Debug)]
pub struct Local {
    server: Child,
    shards: Vec<Shard>,
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
    /// The server's settings.
    pub settings: &'a Settings,
    /// Directory of the server's log.
    pub logs: &'a Path,
    /// CPUs that everything is kept on; anywhere if empty.
    pub cpus: &'a [usize],
}

/// A Redis that a fault may take away for a while.
#[derive(Debug)]
pub(crate) struct RedisRole {
    redis: Redis,
    cpus: Vec<usize>,
    is_away: bool,
}

impl RedisRole {
    async fn start(sandbox: &Sandbox, cpus: &[usize]) -> Result<Self, SandboxError> {
        Ok(Self {
            redis: Redis::start(sandbox).await?,
            cpus: cpus.to_vec(),
            is_away: false,
        })
    }

    pub(crate) async fn take_away(&mut self) -> Result<(), SandboxError> {
        self.redis.kill().await?;
        self.is_away = true;
        Ok(())
    }

    pub(crate) async fn bring_back(&mut self) -> Result<(), ProvisionError> {
        self.redis.restart().await?;
        self.is_away = false;
        pin(&[self.redis.pid()], &self.cpus)
    }

    fn ensure_running(&mut self) -> Result<(), SandboxError> {
        if self.is_away {
            Ok(())
        } else {
            self.redis.ensure_running()
        }
    }
}

impl Local {
    /// Starts the shards with the start-up options that the settings ask for, and the server on them. The server logs to `server.log`.
    ///
    /// # Errors
    /// When any of them does not come up, with the cause and the remedy.
    pub async fn start(
        template: &Template,
        LocalPlan {
            shards,
            database_options,
            redis,
            settings,
            logs,
            cpus,
        }: LocalPlan<'_>,
    ) -> Result<Target, ProvisionError> {
        let binary = server_binary()?;
        let sandbox = Sandbox::new()?;
        let options = ShardOptions {
            extra: database_options.to_vec(),
            ..shard_options(settings)
        };
        let mut running = Vec::new();
        for _ in 0..shards {
            running.push(Shard::start(&sandbox, template, options.clone()).await?);
        }
        let redis = match redis {
            true => Some(RedisRole::start(&sandbox, cpus).await?),
            false => None,
        };
        let (secret, token) = (random_hex(), random_hex());
        let mut config = json!({
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "secret": secret,
            "admin_token": token,
            "shards": running.iter().map(Shard::url).collect::<Vec<_>>(),
            "settings": settings,
        });
        if let Some(role) = &redis {
            config["redis"] = role.redis.url().into();
        }
        let file = sandbox.dir().join("hotchat.yaml");
        std::fs::write(&file, config.to_string()).map_err(|error| SandboxError::io(&file, error))?;
        let mut command = Command::new(&binary);
        command.arg("--config").arg(&file);
        let streams = Streams {
            stdout: Stream::Piped,
            stderr: Stream::File(logs.join("server.log")),
        };
        let mut server = sandbox.spawn("hotchat", command, &streams)?;
        let pids = running.iter().map(Shard::pid).chain([server.pid()]);
        let pids: Vec<u32> = pids.chain(redis.iter().map(|role| role.redis.pid())).collect();
        pin(&pids, cpus)?;
        let line = server.first_line(READY_WITHIN).await?;
        let puzzling = || ProvisionError::Puzzling { said: line.clone() };
        let ready: Json = serde_json::from_str(&line).map_err(|_| puzzling())?;
        let address = ready["api"]
            .as_str()
            .and_then(|api| api.parse().ok())
            .ok_or_else(puzzling)?;
        let admin = ready["admin"].as_str().ok_or_else(puzzling)?;
        let admin = Admin {
            url: format!("http://{admin}"),
            token,
        };
        let settings = admin.settings().await.unwrap_or_else(|_| settings.clone());
        Ok(Target {
            address,
            authority: address.to_string(),
            admin: Some(admin),
            secret,
            watched: watched(&running, &server, redis.as_ref(), &address.to_string()),
            settings: Some(settings),
            local: Some(Self {
                server,
                shards: running,
                redis,
                _sandbox: sandbox,
            }),
        })
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        self.server.ensure_running(
            "its log is server.log in the cell's directory; this is a bug of the server, or it was killed",
        )?;
        if let Some(redis) = &mut self.redis {
            redis.ensure_running()?;
        }
        for shard in &mut self.shards {
            if let Some(status) = shard.try_wait()? {
                return Err(ProvisionError::Sandbox(SandboxError::ChildDied {
                    name: format!("{} (mariadbd, pid {})", shard.name(), shard.pid()),
                    status,
                    tail: shard.error_log_tail(),
                    remedy: "it was killed, or its log says why; run again once that is mended".to_owned(),
                }));
            }
        }
        Ok(())
    }

    pub(super) fn database_version(&self) -> String {
        self.shards
            .first()
            .map(|shard| shard.version().to_owned())
            .unwrap_or_default()
    }

    pub(super) async fn stop(mut self) {
        // Whatever does not stop in time is killed; nothing of it is needed any more.
        let _ = self.server.terminate(STOP_WITHIN).await;
        for shard in &mut self.shards {
            let _ = shard.kill().await;
        }
    }
}

fn watched(shards: &[Shard], server: &Child, redis: Option<&RedisRole>, address: &str) -> Watched {
    let databases = shards
        .iter()
        .enumerate()
        .map(|(index, shard)| (format!("shard {index}"), shard.pid()));
    let processes: BTreeMap<String, u32> = databases
        .chain([
            ("server".to_owned(), server.pid()),
            ("generator".to_owned(), std::process::id()),
        ])
        .chain(redis.map(|role| ("redis".to_owned(), role.redis.pid())))
        .collect();
    Watched {
        shards: shards.iter().map(Shard::url).collect(),
        metrics_url: Some(format!("http://{address}/metrics")),
        processes,
    }
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

/// Keeps the processes on `cpus`; children and threads that they start later inherit it.
fn pin(pids: &[u32], cpus: &[usize]) -> Result<(), ProvisionError> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    for pid in pids {
        let tasks = format!("/proc/{pid}/task");
        let entries = std::fs::read_dir(&tasks).map_err(|error| SandboxError::io(&tasks, error))?;
        for task in entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        {
            // A thread that has just ended needs no CPU.
            let _ = rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(task), &set);
        }
    }
    Ok(())
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
