//! Where children run: the directory of their sandbox, and the CPUs that they are kept on.
//!
//! The CPUs are set before the program starts, so that its first threads and allocations are on them too. Affinity
//! belongs to a *thread* and is inherited by what that thread starts, so a thread of our own takes on the affinity,
//! starts the child, and ends. Nothing has to run between `fork` and `exec`. Rejected: setting the affinity of a
//! running child thread by thread, because it races with the threads that are being started; `taskset`, because it need
//! not be installed.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::SandboxError;
use crate::child::{Child, Stream, Streams};
use crate::log::Log;
use crate::reaper::MARK;

/// Starts children of a sandbox. A clone is for those that start again later: shards, Redis, and programs of the
/// owner's.
#[derive(Debug, Clone)]
pub struct Place {
    dir: PathBuf,
    /// Any, where empty.
    cpus: Vec<usize>,
}

impl Place {
    pub(crate) fn new(dir: PathBuf, cpus: &[usize]) -> Self {
        let cpus = cpus.to_vec();
        Self { dir, cpus }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    /// See [`crate::Sandbox::spawn`].
    ///
    /// # Errors
    /// The same.
    pub fn spawn(&self, name: &str, mut command: Command, streams: &Streams) -> Result<Child, SandboxError> {
        let path = self.log_path(name);
        let log = match &streams.stderr {
            Stream::File(kept) => Log::kept(kept),
            Stream::Log | Stream::Piped | Stream::Null => Log::passing(&path),
        };
        command.stdin(Stdio::null()).env(MARK, &self.dir).process_group(0);
        command
            .stdout(streams.stdout.open(&path)?)
            .stderr(streams.stderr.open(&path)?);
        let started = on_cpus(&self.cpus, || command.spawn());
        let started = started.map_err(|e| SandboxError::io(format!("CPUs {:?}", self.cpus), e))?;
        let process = started.map_err(|e| not_started(&command, e))?;
        let pid_file = self.dir.join("pids").join(process.id().to_string());
        let noted = std::fs::write(&pid_file, name);
        // If the note could not be written the child is dropped, and so killed, here.
        let child = Child::new(name, process, pid_file.clone(), log);
        noted.map_err(|e| SandboxError::io(pid_file, e))?;
        Ok(child)
    }
}

/// Runs `start` on a thread that may use only these CPUs, or here where there are none.
fn on_cpus<T: Send>(cpus: &[usize], start: impl FnOnce() -> T + Send) -> io::Result<T> {
    if cpus.is_empty() {
        return Ok(start());
    }
    if cpus.iter().any(|cpu| *cpu >= CpuSet::MAX_CPU) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            sched_setaffinity(None, &set)?;
            Ok(start())
        })?;
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts the child panicked")))
    })
}

fn not_started(command: &Command, source: io::Error) -> SandboxError {
    let program = Path::new(command.get_program());
    if source.kind() != io::ErrorKind::NotFound {
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
