//! A program of the workload's, started anew for each cell, all of it gone when the cell ends.

use std::path::Path;
use std::time::{Duration, Instant};

use bmt_sandbox::{Child, PortLease, Sandbox, SandboxError, Stream, Streams};

use super::client::client;
use super::command::command;
use super::error::ProvisionError;
use super::external::External;
use crate::endpoint::Endpoint;
use crate::record::StartedProcess;
use crate::workload::{Launch, Reach, Ready, TargetUrl, Variables};

/// How long one look whether it is ready may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Between two looks.
const RETRY: Duration = Duration::from_millis(20);
/// How long it may take to end; its callers are gone by then.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Ports that are tried.
const PORT_ATTEMPTS: usize = 3;
const REMEDY: &str = "its log says why; it has to stay in the foreground until it is told to end";

/// A program that is the target of one cell. Fields drop in order: the program before its directory.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    port: u16,
    /// `None` where it could not listen on a port that somebody holds.
    _lease: Option<PortLease>,
    _sandbox: Sandbox,
}

/// What to start.
#[derive(Debug)]
pub struct ProcessPlan<'a> {
    /// The program, where it listens, and when it is ready.
    pub launch: &'a Launch,
    /// Its environment, besides what it inherits.
    pub env: &'a Variables,
    /// How it is reached.
    pub reach: &'a Reach,
    /// Secret that caller tokens are signed with, where chats are made.
    pub secret: &'a str,
    /// Directory of its log, `server.log`.
    pub logs: &'a Path,
    /// CPUs that it is started on; anywhere if empty.
    pub cpus: &'a [usize],
}

/// A program that is ready.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) external: External,
    pub(super) endpoint: Endpoint,
    pub(super) started: StartedProcess,
}

impl Process {
    /// Starts it, and returns when it is ready.
    ///
    /// The port that it gets is held meanwhile, which every server allows that sets `SO_REUSEADDR`. One that says that
    /// its address is in use may be of the few that do not, and is started again on a port that is free but not held.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; with what was tried and the end of its log.
    pub(super) async fn start(plan: ProcessPlan<'_>) -> Result<Running, ProvisionError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let lease = PortLease::take()?;
            let port = lease.port();
            let (mut process, external) = Self::spawn(&plan, port, (attempt == 1).then_some(lease)).await?;
            match process.ready(&plan, port, &external).await {
                Ok(endpoint) => {
                    let started = started(&plan, port);
                    return Ok(Running {
                        process,
                        external,
                        endpoint,
                        started,
                    });
                }
                Err(error) if attempt < PORT_ATTEMPTS && says_in_use(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn spawn(
        plan: &ProcessPlan<'_>,
        port: u16,
        lease: Option<PortLease>,
    ) -> Result<(Self, External), ProvisionError> {
        let ProcessPlan { launch, env, .. } = plan;
        let url = launch.url.filled(port);
        let parsed = TargetUrl::parse(&url).map_err(|reason| ProvisionError::Unreachable {
            target: launch.url.shown(port),
            reason,
        })?;
        let external = External {
            secret: plan.secret.to_owned(),
            ..External::new(parsed).reached(plan.reach)
        };
        // Of a port that the workload chose: whoever has it would be driven in the program's place.
        if external.url.port != port && external.connect().await.is_ok() {
            return Err(ProvisionError::Taken { target: url });
        }
        let sandbox = Sandbox::on_cpus(plan.cpus)?;
        let log = Stream::File(plan.logs.join("server.log"));
        let streams = Streams {
            stdout: log.clone(),
            stderr: log,
        };
        let child = sandbox.spawn(
            &name(launch, port),
            command(&launch.program, env, port, sandbox.dir()),
            &streams,
        )?;
        let process = Self {
            child,
            port,
            _lease: lease,
            _sandbox: sandbox,
        };
        Ok((process, external))
    }

    /// Returns where it accepts connections, when it is ready.
    async fn ready(
        &mut self,
        plan: &ProcessPlan<'_>,
        port: u16,
        external: &External,
    ) -> Result<Endpoint, ProvisionError> {
        let Launch { ready, within, .. } = plan.launch;
        let began = Instant::now();
        let mut tried = None;
        loop {
            let patience = ATTEMPT.min(within.saturating_sub(began.elapsed()));
            match tokio::time::timeout(patience, look(external, ready)).await {
                Ok(Ok(endpoint)) => {
                    self.ensure_running()?;
                    return Ok(endpoint);
                }
                Ok(Err(problem)) => tried = Some(problem),
                // A look that was cut short says less than the one before.
                Err(_) if patience < ATTEMPT && tried.is_some() => {}
                Err(_) => tried = Some(format!("{} was not answered", asked(external, ready))),
            }
            self.ensure_running()?;
            if began.elapsed() >= *within {
                return Err(ProvisionError::NotReady {
                    name: name(plan.launch, port),
                    waited: *within,
                    tried: tried.unwrap_or_default(),
                    log: self.child.log_end(),
                });
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The port that it was told to listen on.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub(super) fn ensure_running(&mut self) -> Result<(), ProvisionError> {
        Ok(self.child.ensure_running(REMEDY)?)
    }

    pub(super) async fn stop(mut self) {
        // What does not stop in time is killed, and what it left behind goes with the sandbox.
        let _ = self.child.terminate(STOP_WITHIN).await;
    }
}

/// As messages call it.
fn name(launch: &Launch, port: u16) -> String {
    let words = launch.program.shown(port);
    format!("the target `{}`", words.first().map_or("", String::as_str))
}

/// What was started, without secrets.
fn started(ProcessPlan { launch, env, .. }: &ProcessPlan<'_>, port: u16) -> StartedProcess {
    let env = env.iter();
    StartedProcess {
        command: launch.program.shown(port),
        env: env
            .map(|(name, variable)| (name.clone(), variable.shown(port)))
            .collect(),
        url: launch.url.shown(port),
    }
}

/// Whether it ended because it could not listen on its port.
fn says_in_use(error: &ProvisionError) -> bool {
    match error {
        ProvisionError::Sandbox(SandboxError::ChildDied { log, .. }) => {
            let log = log.lines.to_ascii_lowercase();
            log.contains("address already in use") || log.contains("eaddrinuse")
        }
        _ => false,
    }
}

fn asked(external: &External, ready: &Ready) -> String {
    match ready {
        Ready::Port => format!("a connection to {}", external.url),
        Ready::Http(path) => format!("GET {}{path}", external.base()),
    }
}

/// Looks once whether it is ready; with what it found otherwise.
async fn look(external: &External, ready: &Ready) -> Result<Endpoint, String> {
    let asked = || asked(external, ready);
    if let Ready::Http(path) = ready {
        let client = client(external.url.socket.as_deref())
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = client.map_err(|error| error.to_string())?;
        let answer = client.get(format!("{}{path}", external.base())).send().await;
        let status = answer
            .map_err(|error| format!("{}: {}", asked(), innermost(&error)))?
            .status();
        if !status.is_success() {
            return Err(format!("{} was answered {status}", asked()));
        }
    }
    match external.connect().await {
        Ok(endpoint) => Ok(endpoint),
        Err(ProvisionError::Unreachable { reason, .. }) => Err(format!("{}: {reason}", asked())),
        Err(other) => Err(other.to_string()),
    }
}

/// The error behind all others, which names the cause.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
