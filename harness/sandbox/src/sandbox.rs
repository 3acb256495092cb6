//! One temporary directory and everything that runs in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::SandboxError;
use crate::child::{Child, Streams};
use crate::place::Place;
use crate::reaper::Reaper;

/// A temporary directory and the processes started in it; both end with this value, whatever ends its owner.
///
/// Dropping it kills what still runs and removes the directory before it returns (bounded: ten seconds).
#[derive(Debug)]
pub struct Sandbox {
    place: Place,
    /// Removes the directory as well; `None` only while dropping.
    reaper: Option<Reaper>,
}

impl Sandbox {
    /// Creates the directory (`bmt-…` under `$TMPDIR` or `/tmp`) and the reaper that watches over it.
    pub fn new() -> Result<Self, SandboxError> {
        Self::on_cpus(&[])
    }

    /// The same; what is started in it runs on these CPUs alone, from its first instruction on. Anywhere if empty.
    ///
    /// # Errors
    /// As [`Sandbox::new`]. Starting a child fails where this process may not use the CPUs.
    pub fn on_cpus(cpus: &[usize]) -> Result<Self, SandboxError> {
        let parent = std::env::temp_dir();
        let dir = tempfile::Builder::new()
            .prefix("bmt-")
            .tempdir_in(&parent)
            .map_err(|e| SandboxError::io(&parent, e))?;
        // The reaper comes first, the sub-directories after: from here on nothing can be left behind.
        let reaper = Reaper::start(dir.path()).map_err(|e| SandboxError::io("sh", e))?;
        let sandbox = Self {
            place: Place::new(dir.keep(), cpus),
            reaper: Some(reaper),
        };
        for sub in ["pids", "logs"] {
            let path = sandbox.dir().join(sub);
            std::fs::create_dir(&path).map_err(|e| SandboxError::io(&path, e))?;
        }
        Ok(sandbox)
    }

    /// The directory; gone when the sandbox is.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// Where the standard error of the child called `name` goes with [`crate::Stream::Log`].
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.place.log_path(name)
    }

    /// Starts `command` in a process group of its own, so that a Ctrl-C on the terminal reaches only its owner.
    ///
    /// # Errors
    /// [`SandboxError::MissingBinary`] when the program does not exist, [`SandboxError::Io`] for anything else.
    pub fn spawn(&self, name: &str, command: Command, streams: &Streams) -> Result<Child, SandboxError> {
        self.place.spawn(name, command, streams)
    }

    /// For what starts children again later.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.reaper.take());
        // Something is left to remove only if the reaper itself was killed.
        let _ = std::fs::remove_dir_all(self.dir());
    }
}
