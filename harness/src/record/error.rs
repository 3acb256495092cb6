//! Why a run directory could not be written or read.

use std::path::Path;

/// Why a run directory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}; {remedy}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is not what it should be.
    #[error("cannot read {path}: {problem}")]
    Malformed {
        /// The file, with the line where there are several.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordingError {
    let path = path.display().to_string();
    move |source| {
        let remedy = match source.kind() {
            std::io::ErrorKind::StorageFull => "free some disk space, or name another place with --out",
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                "name a place you may write to with --out"
            }
            _ => "check the path, or name another with --out",
        };
        RecordingError::Io {
            action,
            path,
            source,
            remedy,
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "texts and errors are made where they are passed"
)]
pub(super) fn malformed(path: &Path, problem: impl ToString) -> RecordingError {
    RecordingError::Malformed {
        path: path.display().to_string(),
        problem: problem.to_string(),
    }
}
