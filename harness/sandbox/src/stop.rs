//! How a child ends (by itself, asked to, killed, dropped) or stands still for a while.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::{Child, SandboxError};

const POLL: Duration = Duration::from_millis(2);

/// How long a killed process may take to disappear: it may have to finish a write to a slow disk.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

impl Child {
    /// Waits for its end; `None` when it still runs after `within`.
    pub async fn wait(&mut self, within: Duration) -> Result<Option<ExitStatus>, SandboxError> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            if started.elapsed() >= within {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it (`SIGKILL` to its process group) and waits until it is gone.
    pub async fn kill(&mut self) -> Result<ExitStatus, SandboxError> {
        self.signal(Signal::KILL)?;
        let pid = self.pid();
        self.wait(KILL_PATIENCE).await?.ok_or_else(|| SandboxError::Unkillable {
            name: self.name.clone(),
            pid,
        })
    }

    /// Asks its process group to end (`SIGTERM`), and kills what of it is left when the child has ended, or after
    /// `grace`.
    pub async fn terminate(&mut self, grace: Duration) -> Result<ExitStatus, SandboxError> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)?; // a paused process does not see a SIGTERM
        self.ends(grace).await?;
        // Until the child is waited for, the number of its group is nobody else's.
        self.kill().await
    }

    /// Returns when it has ended, without waiting for it, or after `within`.
    async fn ends(&mut self, within: Duration) -> Result<(), SandboxError> {
        let pid = Pid::from_child(&self.process);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let started = Instant::now();
        while self.ended.is_none() && started.elapsed() < within {
            let ended = waitid(WaitId::Pid(pid), look).map_err(|e| SandboxError::io(&self.name, e.into()))?;
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops it where it is (`SIGSTOP` to its process group), as a hanging machine would; returns when it stands still.
    ///
    /// Its connections stay open and nothing is answered, until [`Child::resume`].
    pub async fn pause(&mut self) -> Result<(), SandboxError> {
        self.signal(Signal::STOP)?;
        let pid = Pid::from_child(&self.process);
        let look = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let started = Instant::now();
        while self.try_wait()?.is_none() {
            let stopped = waitid(WaitId::Pid(pid), look).map_err(|e| SandboxError::io(&self.name, e.into()))?;
            if stopped.is_some() {
                return Ok(());
            }
            if started.elapsed() >= KILL_PATIENCE {
                return Err(SandboxError::Unkillable {
                    name: self.name.clone(),
                    pid: self.pid(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub(crate) fn note_end(&mut self, status: Option<ExitStatus>) {
        self.ended = status;
        // Best effort: a note that stays costs one more `kill` without a target when the sandbox ends.
        let _ = std::fs::remove_file(&self.pid_file);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.try_wait(), Ok(None)) && self.signal(Signal::KILL).is_ok() {
            let status = self.process.wait().ok();
            self.note_end(status);
        }
    }
}
