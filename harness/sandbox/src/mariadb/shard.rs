//! One running `mariadbd`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::options::ShardOptions;
use super::ready::{Failure, version};
use super::template::Template;
use crate::flushes::Flushes;
use crate::place::Place;
use crate::{Child, PortLease, Sandbox, SandboxError, Stream, Streams, flushes};

const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const PORT_ATTEMPTS: usize = 5;
/// What `sockaddr_un` holds, without the final zero.
const SOCKET_NAME_MAX: usize = 107;

/// Shards of one process are numbered, whatever sandbox they are in.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A `MariaDB` server on its own copy of the template, killed when dropped; its data goes with the sandbox.
#[derive(Debug)]
pub struct Shard {
    name: String,
    place: Place,
    dir: PathBuf,
    server: PathBuf,
    password: String,
    options: ShardOptions,
    lease: PortLease,
    /// Dropped, and so killed, before the supervisor of its flushes: a flush that fails would look like a broken disk.
    child: Child,
    flushes: Option<Flushes>,
    version: String,
}

impl Shard {
    /// Copies the template and starts a server on it; returns when it answers queries.
    ///
    /// # Errors
    /// [`SandboxError::ChildDied`] with the end of its error log if it ends meanwhile, [`SandboxError::NotUp`] after a
    /// minute, [`SandboxError::PortTaken`] when five ports in a row were lost to others.
    pub async fn start(sandbox: &Sandbox, template: &Template, options: ShardOptions) -> Result<Self, SandboxError> {
        let name = format!("shard-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = sandbox.dir().join(&name);
        copy(template, &dir).await?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let lease = PortLease::take()?;
            let server = template.server.clone();
            let (mut child, flushes) = spawn(sandbox.place(), &dir, &name, &server, &options, &lease)?;
            let url = url(&template.password, lease.port());
            match version(&mut child, &url, START_PATIENCE).await {
                Ok(version) => {
                    let password = template.password.clone();
                    return Ok(Self {
                        name,
                        place: sandbox.place().clone(),
                        dir,
                        server,
                        password,
                        options,
                        lease,
                        child,
                        flushes,
                        version,
                    });
                }
                Err(Failure::Port) if attempts < PORT_ATTEMPTS => {}
                Err(Failure::Port) => {
                    return Err(SandboxError::PortTaken {
                        name,
                        port: lease.port(),
                    });
                }
                Err(Failure::Other(error)) => return Err(error),
            }
        }
    }

    /// Kills it if it runs, and starts it again on the same data and the same port, with the same options.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.kill().await?;
        let (child, flushes) = spawn(
            &self.place,
            &self.dir,
            &self.name,
            &self.server,
            &self.options,
            &self.lease,
        )?;
        if let (Some(before), Some(now)) = (&self.flushes, &flushes) {
            now.set_delay(before.delay());
        }
        (self.child, self.flushes) = (child, flushes);
        let url = url(&self.password, self.lease.port());
        match version(&mut self.child, &url, START_PATIENCE).await {
            Ok(_) => Ok(()),
            Err(Failure::Port) => Err(SandboxError::PortTaken {
                name: self.name.clone(),
                port: self.lease.port(),
            }),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// `mysql://user:password@127.0.0.1:port/hotchat`; the user may do anything, so an observer can use it too.
    pub fn url(&self) -> String {
        url(&self.password, self.lease.port())
    }

    /// The same by way of another port of 127.0.0.1, such as a [`crate::Proxy`]'s.
    pub fn url_through(&self, port: u16) -> String {
        url(&self.password, port)
    }

    /// The same through the server's Unix socket, which costs both ends less than TCP on loopback; `None` where the
    /// path of the directory is too long for a socket's name.
    pub fn socket_url(&self) -> Option<String> {
        let path = self.dir.join("data").join("shard.sock");
        let path = path.to_str().filter(|path| path.len() <= SOCKET_NAME_MAX)?;
        // A path may hold what means something in a URL.
        let path: String = path.bytes().map(percent_encoded).collect();
        Some(format!("{}&socket={path}", self.url()))
    }

    /// `shard-0`, `shard-1`, …: unique in this process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `SELECT VERSION()` says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// The process id of the running (or last) server.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// `Some` once the server has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, SandboxError> {
        self.child.try_wait()
    }

    /// Kills the server (`SIGKILL`), as a power cut of the process would; the data stays for [`Shard::restart`].
    pub async fn kill(&mut self) -> Result<ExitStatus, SandboxError> {
        self.child.kill().await
    }

    /// Stops the server in an orderly way, killing it if it takes more than half a minute.
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

    /// Makes each flush to the disk (`fsync`, `fdatasync`, `msync`) take so much longer from now on; zero ends it.
    ///
    /// # Errors
    /// When it was not started with [`ShardOptions::slow_disk`].
    pub fn set_flush_delay(&self, delay: Duration) -> Result<(), SandboxError> {
        let none = || std::io::Error::other("it was started without slow_disk, so its flushes cannot be delayed");
        let flushes = self.flushes.as_ref();
        let flushes = flushes.ok_or_else(|| SandboxError::io(&self.name, none()))?;
        flushes.set_delay(delay);
        Ok(())
    }

    /// Fails once the server has ended, with what its error log says.
    pub fn ensure_running(&mut self, remedy: &str) -> Result<(), SandboxError> {
        self.child.ensure_running(remedy)
    }

    /// The last lines of its error log that matter.
    pub fn error_log_tail(&self) -> String {
        self.child.log_tail()
    }
}

fn url(password: &str, port: u16) -> String {
    format!("mysql://hotchat:{password}@127.0.0.1:{port}/hotchat?ssl-mode=disabled")
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Copies off the runtime's threads: it is tens of megabytes.
async fn copy(template: &Template, dir: &Path) -> Result<(), SandboxError> {
    let (template, target) = (template.clone(), dir.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        fs::create_dir(&target).map_err(|e| SandboxError::io(&target, e))?;
        template.copy_to(&target)
    });
    copied.await.map_err(|e| SandboxError::io(dir, e.into()))?
}

fn spawn(
    place: &Place,
    dir: &Path,
    name: &str,
    server: &Path,
    options: &ShardOptions,
    lease: &PortLease,
) -> Result<(Child, Option<Flushes>), SandboxError> {
    let mut command = Command::new(server);
    command.args(options.arguments(dir, lease.port()));
    // The error log is its standard error, which it may write to whatever an AppArmor profile says of the file.
    let log = options.log.clone().map_or(Stream::Log, Stream::File);
    let streams = Streams {
        stdout: log.clone(),
        stderr: log,
    };
    let start = || place.spawn(name, command, &streams);
    if options.slow_disk {
        let failed = |error| SandboxError::io(name, std::io::Error::other(flushes::remedy(&error)));
        let (child, flushes) = Flushes::supervise(start).map_err(failed)?;
        Ok((child?, Some(flushes)))
    } else {
        Ok((start()?, None))
    }
}
