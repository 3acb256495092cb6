//! The reaper: a tiny `sh` that removes everything as soon as its standard input closes.
//!
//! Why a process and not a `Drop` or a signal handler: neither runs on `kill -9` or when the machine is short of
//! memory. A pipe closes in every case. It kills by process group (`DIR/pids/<pid>`, written after each start), and
//! then whatever still carries the sandbox's mark in its environment: a child whose owner died between starting and
//! noting it, or a grandchild that left its group.
//!
//! Rejected: `PR_SET_PDEATHSIG` follows the *thread* that started the child, which in a tokio program may end any time.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Marks every process started in a sandbox; the value is the sandbox's directory.
pub(crate) const MARK: &str = "BMT_SANDBOX";

/// After the pipe closes: at most 500 rounds, 20 ms apart, until a round finds neither process nor directory. (A killed
/// process is gone only a moment later.)
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
while read -r _; do :; done
rounds=0
while [ $rounds -lt 500 ]; do
  for file in "$1"/pids/*; do
    [ -e "$file" ] && kill -9 -- "-${file##*/}" 2>/dev/null
  done
  left=
  for file in $(grep -lszxF -- "$2=$1" /proc/[0-9]*/environ 2>/dev/null); do
    left=1
    pid=${file#/proc/}
    kill -9 "${pid%/environ}" 2>/dev/null
  done
  rm -rf -- "$1" 2>/dev/null
  [ -z "$left" ] && [ ! -e "$1" ] && break
  rounds=$((rounds + 1))
  sleep 0.02
done
"#;

/// How long a normal drop waits for the reaper: its own limit is about this.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Reaper {
    process: Child,
}

impl Reaper {
    /// Starts watching over `dir`.
    pub(crate) fn start(dir: &Path) -> io::Result<Self> {
        let process = Command::new("sh")
            .arg("-c")
            .arg(SCRIPT)
            .arg("bmt-reaper")
            .arg(dir)
            .arg(MARK)
            .env_remove(MARK) // or a sandbox inside a sandbox would lose its reaper to the outer one
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { process })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
