//! One running `redis-server`, empty at every start: its users must not rely on what a real one keeps over a restart.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::binary::{find_binary, overridden};
use crate::place::Place;
use crate::{Child, PortLease, Sandbox, SandboxError, Streams};

const PACKAGE: &str = "redis-server";
const START_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(5);
const ATTEMPT: Duration = Duration::from_secs(1);
const PORT_ATTEMPTS: usize = 5;

/// Memory that it may use; keys with the shortest time to live go first.
const MEMORY: &str = "64mb";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A Redis server without persistence, killed when dropped.
#[derive(Debug)]
pub struct Redis {
    name: String,
    place: Place,
    server: std::path::PathBuf,
    lease: PortLease,
    child: Child,
}

impl Redis {
    /// Starts `$BMT_REDIS_SERVER` if that is set, else the first `redis-server` (or `valkey-server`) found; returns
    /// when it answers.
    ///
    /// # Errors
    /// [`SandboxError::MissingBinary`] with the package to install, [`SandboxError::ChildDied`] with the end of its log
    /// if it ends meanwhile, [`SandboxError::NotUp`] after half a minute, [`SandboxError::PortTaken`] when five ports
    /// in a row were lost to others.
    pub async fn start(sandbox: &Sandbox) -> Result<Self, SandboxError> {
        let server = match overridden("BMT_REDIS_SERVER") {
            Some(named) => named?,
            None => find_binary(&["redis-server", "valkey-server"], &[], PACKAGE)?,
        };
        let name = format!("redis-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        for _ in 0..PORT_ATTEMPTS {
            let lease = PortLease::take()?;
            let child = spawn(sandbox.place(), &name, &server, &lease)?;
            let mut redis = Self {
                name: name.clone(),
                place: sandbox.place().clone(),
                server: server.clone(),
                lease,
                child,
            };
            match redis.ready().await {
                Ok(()) => return Ok(redis),
                Err(SandboxError::PortTaken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(SandboxError::PortTaken { name, port: 0 })
    }

    /// Kills it if it runs, and starts it again, empty, on the same port.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.kill().await?;
        self.child = spawn(&self.place, &self.name, &self.server, &self.lease)?;
        self.ready().await
    }

    /// `redis://127.0.0.1:port/`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.lease.port())
    }

    /// `redis-0`, `redis-1`, …: unique in this process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// The process id of the running (or last) server.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Fails once the server has ended by itself, with the end of its log.
    pub fn ensure_running(&mut self) -> Result<(), SandboxError> {
        self.child
            .ensure_running("its log says why; correct that and start again")
    }

    /// Kills the server (`SIGKILL`); what it held is lost.
    pub async fn kill(&mut self) -> Result<ExitStatus, SandboxError> {
        self.child.kill().await
    }

    /// Stops the server in an orderly way.
    pub async fn stop(&mut self) -> Result<ExitStatus, SandboxError> {
        self.child.terminate(STOP_PATIENCE).await
    }

    /// Freezes the server: connections stay open, nothing is answered.
    pub async fn pause(&mut self) -> Result<(), SandboxError> {
        self.child.pause().await
    }

    /// Thaws it.
    pub fn resume(&self) -> Result<(), SandboxError> {
        self.child.resume()
    }

    async fn ready(&mut self) -> Result<(), SandboxError> {
        let started = Instant::now();
        loop {
            let last = match tokio::time::timeout(ATTEMPT, ping(self.lease.port())).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not answer".to_owned(),
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(self.died(status));
            }
            if started.elapsed() >= START_PATIENCE {
                return Err(self.child.not_up(START_PATIENCE, &last));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn died(&self, status: ExitStatus) -> SandboxError {
        if self.child.log_text().contains("Address already in use") {
            let (name, port) = (self.name.clone(), self.lease.port());
            return SandboxError::PortTaken { name, port };
        }
        self.child.died(status, "correct what the log names, then try again")
    }
}

fn spawn(place: &Place, name: &str, server: &std::path::Path, lease: &PortLease) -> Result<Child, SandboxError> {
    let mut command = Command::new(server);
    command.args(["--bind", "127.0.0.1", "--port", &lease.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.args(["--maxmemory", MEMORY, "--maxmemory-policy", "volatile-ttl"]);
    command.arg("--dir").arg(place.dir());
    place.spawn(name, command, &Streams::default())
}

async fn ping(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    match &answer {
        b"+PONG\r\n" => Ok(()),
        other => Err(io::Error::other(format!(
            "it answered {:?}",
            String::from_utf8_lossy(other)
        ))),
    }
}
