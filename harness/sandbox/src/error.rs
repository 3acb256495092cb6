//! What can go wrong while starting or stopping something, each with what to do next.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::LogEnd;

/// Why a sandbox could not do what was asked. Every message ends with what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A program that should be installed is not.
    #[error("`{binary}` not found (looked in {looked_in}); {remedy}")]
    MissingBinary {
        /// The program's name.
        binary: String,
        /// Directories, colon separated, in the order they were tried.
        looked_in: String,
        /// The command that installs it.
        remedy: String,
    },
    /// No space left where the sandbox lives.
    #[error("disk full at {path}: {source}; free some space or point TMPDIR at a larger disk", path = path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// A file or directory could not be used.
    #[error("{path}: {source}; check that it exists and that its permissions allow this user", path = path.display())]
    Io {
        /// The file, directory or program concerned.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// Another process uses the port.
    #[error(
        "{name}: port {port} is taken by another process; end it (`ss -ltnp 'sport = :{port}'` names it) or try again"
    )]
    PortTaken {
        /// The child that wanted it.
        name: String,
        /// The port.
        port: u16,
    },
    /// The child runs but does not answer.
    #[error(
        "{name} did not come up within {waited:?}: {last}; {log}\ncheck whether the machine is overloaded or the disk slow, then try again"
    )]
    NotUp {
        /// The child.
        name: String,
        /// How long it was given.
        waited: Duration,
        /// What the last attempt to reach it said.
        last: String,
        /// The lines of its log that matter.
        log: LogEnd,
    },
    /// The child ended although it should be running.
    #[error("{name} ended by itself ({status}); {log}\n{remedy}")]
    ChildDied {
        /// The child.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The lines of its log that matter.
        log: LogEnd,
        /// What to try next.
        remedy: String,
    },
    /// The child does not react to `SIGKILL` or `SIGSTOP` (it hangs in the kernel, usually on a disk).
    #[error("{name} (pid {pid}) does not react to being killed or stopped; look for a hanging disk in `dmesg`")]
    Unkillable {
        /// The child.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// A running shard refused a statement.
    #[error("{name} refused a statement: {source}; see its error log for the cause")]
    Database {
        /// The shard.
        name: String,
        /// The driver's error.
        source: sqlx::Error,
    },
}

impl SandboxError {
    /// An I/O error at `path`, with a full disk told apart.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_io_errors() {
        let full = SandboxError::io("/x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, SandboxError::DiskFull { .. }));
        assert!(full.to_string().contains("point TMPDIR at a larger disk"), "{full}");
        let denied = SandboxError::io("/x", io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(denied, SandboxError::Io { .. }));
    }
}
