//! Whether the shards of a run fit on the disk.

use super::error::ProvisionError;

/// A shard's redo log, system tables, and the binary log of a few minutes of storm.
const SHARD_DISK_MIB: u64 = 256;

/// Looks before the first shard starts whether all of them will fit.
///
/// # Errors
/// When the disk that temporary files live on is too small.
pub fn ensure_disk(shards: u16) -> Result<(), ProvisionError> {
    let dir = std::env::temp_dir();
    // Where the system does not say, the shards will.
    let Ok(stat) = rustix::fs::statvfs(&dir) else {
        return Ok(());
    };
    let free_mib = stat.f_bavail * stat.f_frsize / (1 << 20);
    // One more for the data directory that all are copied from.
    let wanted_mib = SHARD_DISK_MIB * (u64::from(shards) + 1);
    if free_mib >= wanted_mib {
        return Ok(());
    }
    let path = dir.display().to_string();
    Err(ProvisionError::DiskFull {
        path,
        shards,
        free_mib,
        wanted_mib,
    })
}
