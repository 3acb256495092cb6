//! Why there is nothing to drive.

use std::time::Duration;

use bmt_sandbox::{LogEnd, SandboxError};

/// Why there is nothing to drive. All of them end a run with exit code 121.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A shard or its sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Too little disk for the shards: a database on a full disk does not fail, it waits.
    #[error(
        "{path} has {free_mib} MiB free, and {shards} shards want {wanted_mib} MiB of disk space; free some, or point TMPDIR at a larger disk"
    )]
    DiskFull {
        /// Where the shards would live.
        path: String,
        /// Number of shards.
        shards: u16,
        /// Free space.
        free_mib: u64,
        /// Wanted space.
        wanted_mib: u64,
    },
    /// The reference server's binary is not there.
    #[error(
        "cannot find the reference server `hotchat` (looked in {looked_in}); build it with `cargo build --release --workspace`, or name it in BMT_HOTCHAT"
    )]
    NoServer {
        /// Where it was looked for.
        looked_in: String,
    },
    /// It started and did not say where it listens.
    #[error("hotchat did not say where it listens, but {said:?}; is BMT_HOTCHAT of another version?")]
    Puzzling {
        /// Its first line.
        said: String,
    },
    /// A program runs and is not ready.
    #[error(
        "{name} was not ready within {waited:?}: {tried}; {log}\nmend what the log names, or give it more time with `ready: {{within: …}}`"
    )]
    NotReady {
        /// As messages call it.
        name: String,
        /// How long it was given.
        waited: Duration,
        /// The last look, and what it found.
        tried: String,
        /// The lines of its log that matter.
        log: LogEnd,
    },
    /// Somebody listens where a program that is to be started would.
    #[error(
        "somebody listens at {target} already; end that, or let bmt choose the port: `{{{{port}}}}` in `command` and `url`"
    )]
    Taken {
        /// Where.
        target: String,
    },
    /// What is to be done before or after the load failed.
    #[error("{hook} failed: {reason}")]
    Hook {
        /// Where it stands in the workload, and what it does.
        hook: String,
        /// What came of it.
        reason: String,
    },
    /// A target that somebody else started cannot be reached.
    #[error("cannot reach the target {target}: {reason}; start it first, or check the address")]
    Unreachable {
        /// As given.
        target: String,
        /// The system's reason.
        reason: String,
    },
    /// A target that somebody else started answered nothing for a while, and refuses connections.
    #[error("the target {target} is gone: {reason}; its own log says why")]
    Gone {
        /// As given.
        target: String,
        /// The system's reason.
        reason: String,
    },
    /// A target that somebody else started does not take the settings of a variant, or does not take its own ones back.
    #[error("cannot change the settings of the target {target}: {reason}")]
    Settings {
        /// As given.
        target: String,
        /// What its admin API answered.
        reason: String,
    },
    /// Chats could not be made.
    #[error(
        "cannot prepare the chats on {target}: {reason}; does it speak the reference server's API, and do BMT_TARGET_SECRET and BMT_TARGET_ADMIN_TOKEN match its configuration?"
    )]
    Unprepared {
        /// Its address.
        target: String,
        /// What it answered.
        reason: String,
    },
}
