//! One temporary directory and everything that runs in it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::{Child, Stream, Streams};
use crate::reaper::{MARK, Reaper};
use crate::{SandboxError, log};

/// A temporary directory and the processes started in it; both end with this value, whatever ends its owner.
///
/// Dropping it kills what still runs and removes the directory before it returns (bounded: ten seconds).
#[derive(Debug)]
pub struct Sandbox {
    dir: PathBuf,
    /// Removes the directory as well; `None` only while dropping.
    reaper: Option<Reaper>,
}

impl Sandbox {
    /// Creates the directory (`bmt-…` under `$TMPDIR` or `/tmp`) and the reaper that watches over it.
    pub fn new() -> Result<Self, SandboxError> {
        let parent = std::env::temp_dir();
        let dir = tempfile::Builder::new()
            .prefix("bmt-")
            .tempdir_in(&parent)
            .map_err(|e| SandboxError::io(&parent, e))?;
        // The reaper comes first, the sub-directories after: from here on nothing can be left behind.
        let reaper = Reaper::start(dir.path()).map_err(|e| SandboxError::io("sh", e))?;
        let sandbox = Self {
            dir: dir.keep(),
            reaper: Some(reaper),
        };
        for sub in ["pids", "logs"] {
            let path = sandbox.dir.join(sub);
            std::fs::create_dir(&path).map_err(|e| SandboxError::io(&path, e))?;
        }
        Ok(sandbox)
    }

    /// The directory; gone when the sandbox is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the standard error of the child called `name` goes with [`Stream::Log`].
    pub fn log_path(&self, name: &str) -> PathBuf {
        log_path(&self.dir, name)
    }

    /// Starts `command` in a process group of its own, so that a Ctrl-C on the terminal reaches only its owner.
    ///
    /// # Errors
    /// [`SandboxError::MissingBinary`] when the program does not exist, [`SandboxError::Io`] for anything else.
    pub fn spawn(&self, name: &str, command: Command, streams: &Streams) -> Result<Child, SandboxError> {
        spawn_in(&self.dir, name, command, streams)
    }

    /// The last lines of the log of the child called `name`.
    pub fn log_tail(&self, name: &str) -> String {
        log::tail(&self.log_path(name))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.reaper.take());
        // Only where the reaper was killed itself is there anything left to remove.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn log_path(sandbox: &Path, name: &str) -> PathBuf {
    sandbox.join("logs").join(format!("{name}.log"))
}

/// [`Sandbox::spawn`] for those who hold only the directory: a shard that is started again.
pub(crate) fn spawn_in(
    sandbox: &Path,
    name: &str,
    mut command: Command,
    streams: &Streams,
) -> Result<Child, SandboxError> {
    let log = log_path(sandbox, name);
    command.stdin(Stdio::null()).env(MARK, sandbox).process_group(0);
    command
        .stdout(streams.stdout.open(&log)?)
        .stderr(streams.stderr.open(&log)?);
    let process = command.spawn().map_err(|e| not_started(&command, e))?;
    let pid_file = sandbox.join("pids").join(process.id().to_string());
    let noted = std::fs::write(&pid_file, name);
    let log = match &streams.stderr {
        Stream::File(path) => path.clone(),
        Stream::Log | Stream::Piped | Stream::Null => log,
    };
    // If the note could not be written the child is dropped, and so killed, here.
    let child = Child::new(name, process, pid_file.clone(), log);
    noted.map_err(|e| SandboxError::io(pid_file, e))?;
    Ok(child)
}

fn not_started(command: &Command, source: std::io::Error) -> SandboxError {
    let program = Path::new(command.get_program());
    if source.kind() != std::io::ErrorKind::NotFound {
        return SandboxError::io(program, source);
    }
    SandboxError::MissingBinary {
        binary: program.display().to_string(),
        looked_in: if program.is_absolute() {
            "that place only".to_owned()
        } else {
            std::env::var("PATH").unwrap_or_default()
        },
        remedy: "install it or build it first".to_owned(),
    }
}
