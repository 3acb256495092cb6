//! Why a run could not go on.

use crate::record::RecordingError;

/// Why a run could not go on. Everything measured before is on disk.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The run directory.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The generator itself.
    #[error("the generator failed: {0}; check the limits of this machine with `bmt doctor`")]
    Generator(#[from] std::io::Error),
}
