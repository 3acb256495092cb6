//! The start-up options of a shard.
//!
//! `--no-defaults` comes first, so nothing on the machine leaks into a measurement, and every option that the
//! measurement is about is given explicitly in both positions. (`query_cache_size` alone switches the cache on even
//! where `query_cache_type` is 0, so both are always set.)

use std::path::{Path, PathBuf};

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Redo log and binary log reach the disk before the commit is acknowledged.
    #[default]
    Full,
    /// They reach it some time later: a crash of the machine loses the last second.
    Relaxed,
}

/// How a shard is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOptions {
    /// `innodb_autoinc_lock_mode`: 0, 1 or 2; read by the server at start-up only.
    pub autoinc_lock_mode: u8,
    /// Whether the query cache is on (16 MiB).
    pub query_cache: bool,
    /// `sync_binlog` and `innodb_flush_log_at_trx_commit`: 1 and 1, or 0 and 2.
    pub durability: Durability,
    /// Whether its flushes to the disk can be made slower while it runs ([`crate::Shard::set_flush_delay`]).
    pub slow_disk: bool,
    /// File that its error log is appended to, where it should outlive the sandbox.
    pub log: Option<PathBuf>,
    /// Further options (`--name=value`), after all others, so they win.
    pub extra: Vec<String>,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            autoinc_lock_mode: 2,
            query_cache: false,
            durability: Durability::Full,
            slow_disk: false,
            log: None,
            extra: Vec::new(),
        }
    }
}

/// The small redo log of the template, cheap to copy; each shard grows its own at its first start.
pub(super) const TEMPLATE_LOG: &str = "--innodb-log-file-size=4M";

impl ShardOptions {
    /// The command line, without the program.
    pub(super) fn arguments(&self, dir: &Path, port: u16) -> Vec<String> {
        let (sync_binlog, flush) = match self.durability {
            Durability::Full => (1, 1),
            Durability::Relaxed => (0, 2),
        };
        let (cache_type, cache_size) = if self.query_cache { (1, "16M") } else { (0, "0") };
        let dir = dir.display();
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--datadir={dir}/data"),
            format!("--tmpdir={dir}"),
            format!("--pid-file={dir}/mariadbd.pid"),
            format!("--init-file={dir}/init.sql"),
            // Relative to the data directory: an absolute path may exceed the 107 bytes a socket's name can have.
            "--socket=shard.sock".to_owned(),
            format!("--port={port}"),
            format!("--innodb-autoinc-lock-mode={}", self.autoinc_lock_mode),
            format!("--query-cache-type={cache_type}"),
            format!("--query-cache-size={cache_size}"),
            format!("--sync-binlog={sync_binlog}"),
            format!("--innodb-flush-log-at-trx-commit={flush}"),
        ];
        arguments.extend(FIXED.iter().map(|&option| option.to_owned()));
        if rustix::process::geteuid().is_root() {
            arguments.push("--user=root".to_owned());
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

/// The same for every shard: reachable, roomy in connections, small in memory, quiet.
const FIXED: [&str; 17] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--max-connections=2000",
    "--back-log=1024",
    "--thread-cache-size=256",
    "--table-open-cache=1000",
    "--character-set-server=utf8mb4",
    "--server-id=1",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=96M",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--performance-schema=OFF",
    "--skip-slave-start",
    "--lower-case-table-names=0",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_options_are_explicit_in_both_positions() {
        for (query_cache, kind, size) in [(false, "0", "0"), (true, "1", "16M")] {
            let options = ShardOptions {
                query_cache,
                ..ShardOptions::default()
            };
            let line = options.arguments(Path::new("/d"), 1);
            assert_eq!(line[0], "--no-defaults");
            assert!(line.contains(&format!("--query-cache-type={kind}")));
            assert!(line.contains(&format!("--query-cache-size={size}")));
        }
        for (durability, sync, flush) in [(Durability::Full, 1, 1), (Durability::Relaxed, 0, 2)] {
            let options = ShardOptions {
                durability,
                ..ShardOptions::default()
            };
            let line = options.arguments(Path::new("/d"), 1);
            assert!(line.contains(&format!("--sync-binlog={sync}")));
            assert!(line.contains(&format!("--innodb-flush-log-at-trx-commit={flush}")));
        }
    }
}
