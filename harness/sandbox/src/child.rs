//! A running child process: what it says, whether it lives, and the signals that hold it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;

use crate::SandboxError;
use crate::log::{Log, LogEnd};

/// Where one output stream of a child goes.
#[derive(Debug, Clone)]
pub enum Stream {
    /// The child's log in the sandbox ([`crate::Sandbox::log_path`]), appended to.
    Log,
    /// A file of the caller's choice, appended to; it survives the sandbox.
    File(PathBuf),
    /// A pipe; read it with [`Child::first_line`].
    Piped,
    /// Nowhere.
    Null,
}

impl Stream {
    pub(crate) fn open(&self, log: &Path) -> Result<Stdio, SandboxError> {
        match self {
            Self::Log => append(log).map(Stdio::from),
            Self::File(path) => append(path).map(Stdio::from),
            Self::Piped => Ok(Stdio::piped()),
            Self::Null => Ok(Stdio::null()),
        }
    }
}

fn append(path: &Path) -> Result<File, SandboxError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|e| SandboxError::io(path, e))
}

/// Where the output of a child goes; by default both streams go to its log.
#[derive(Debug, Clone)]
pub struct Streams {
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            stdout: Stream::Log,
            stderr: Stream::Log,
        }
    }
}

/// A child process of a sandbox. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Child {
    pub(crate) name: String,
    pub(crate) process: std::process::Child,
    pub(crate) pid_file: PathBuf,
    log: Log,
    stdout: Option<BufReader<ChildStdout>>,
    pub(crate) ended: Option<ExitStatus>,
}

impl Child {
    pub(crate) fn new(name: &str, process: std::process::Child, pid_file: PathBuf, log: Log) -> Self {
        Self {
            name: name.to_owned(),
            process,
            pid_file,
            log,
            stdout: None,
            ended: None,
        }
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The last lines of its standard error that matter.
    pub fn log_tail(&self) -> String {
        self.log.end().lines
    }

    /// The same, and where the whole log is.
    pub fn log_end(&self) -> LogEnd {
        self.log.end()
    }

    /// What it wrote to its standard error so far, or the end of that.
    pub(crate) fn log_text(&self) -> String {
        self.log.text().unwrap_or_default()
    }

    /// `Some` once it has ended; reaps it.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, SandboxError> {
        if self.ended.is_none() {
            let status = self.process.try_wait().map_err(|e| SandboxError::io(&self.name, e))?;
            if status.is_some() {
                self.note_end(status);
            }
        }
        Ok(self.ended)
    }

    /// Fails with the end of its log if it has ended.
    pub fn ensure_running(&mut self, remedy: &str) -> Result<(), SandboxError> {
        match self.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.died(status, remedy)),
        }
    }

    /// The next line of its standard output (which must be [`Stream::Piped`]), without the line break.
    ///
    /// # Errors
    /// [`SandboxError::ChildDied`] when it ends first, [`SandboxError::NotUp`] when the line does not come in time.
    pub async fn first_line(&mut self, within: Duration) -> Result<String, SandboxError> {
        if let Some(pipe) = self.process.stdout.take() {
            let pipe = ChildStdout::from_std(pipe).map_err(|e| SandboxError::io(&self.name, e))?;
            self.stdout = Some(BufReader::new(pipe));
        }
        let stdout = self
            .stdout
            .as_mut()
            .expect("first_line is only called on a child with a piped stdout");
        let mut line = String::new();
        match tokio::time::timeout(within, stdout.read_line(&mut line)).await {
            Ok(Ok(n)) if n > 0 => Ok(line.trim_end().to_owned()),
            Ok(Ok(_)) => match self.wait(within).await? {
                Some(status) => Err(self.died(status, "its log says why; correct that and start again")),
                None => Err(self.not_up(within, "it closed its standard output")),
            },
            Ok(Err(source)) => Err(SandboxError::io(&self.name, source)),
            Err(_) => Err(self.not_up(within, "it printed nothing")),
        }
    }

    /// Lets it go on after [`Child::pause`] (`SIGCONT`).
    pub fn resume(&self) -> Result<(), SandboxError> {
        self.signal(Signal::CONT)
    }

    /// Sends a signal to the whole process group; nothing happens once the child has been reaped.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), SandboxError> {
        if self.ended.is_some() {
            return Ok(());
        }
        match kill_process_group(Pid::from_child(&self.process), signal) {
            // An unreaped child keeps its id, so no such group means that it has just ended.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(SandboxError::io(&self.name, e.into())),
        }
    }

    pub(crate) fn died(&self, status: ExitStatus, remedy: &str) -> SandboxError {
        SandboxError::ChildDied {
            name: self.name.clone(),
            status,
            log: self.log.end(),
            remedy: remedy.to_owned(),
        }
    }

    pub(crate) fn not_up(&self, waited: Duration, last: &str) -> SandboxError {
        SandboxError::NotUp {
            name: self.name.clone(),
            waited,
            last: last.to_owned(),
            log: self.log.end(),
        }
    }
}
