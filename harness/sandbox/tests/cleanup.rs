//! Nothing outlives its owner: not after a drop, a panic, or `kill -9`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bmt_sandbox::{Sandbox, SandboxError, Stream, Streams};

const LIMIT: Duration = Duration::from_secs(30);

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; its new parent has not reaped it yet.
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Every process that carries the mark of the sandbox at `dir`.
fn marked(dir: &Path) -> Vec<PathBuf> {
    let mark = format!("BMT_SANDBOX={}", dir.display());
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|e| e.path().join("environ"));
    processes
        .filter(|environ| {
            std::fs::read(environ).is_ok_and(|bytes| bytes.split(|&b| b == 0).any(|entry| entry == mark.as_bytes()))
        })
        .collect()
}

/// Path of `examples/hold`, which cargo builds along with the tests.
fn hold() -> Command {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).expect("tests run from target/<profile>/deps");
    Command::new(target.join("examples/hold"))
}

/// Runs `examples/hold` until it holds something: the owner, its directory and its children.
fn held(mode: Option<&str>) -> (std::process::Child, PathBuf, Vec<u32>) {
    use std::io::BufRead;
    let mut owner = hold()
        .args(mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let mut words = line.split_whitespace();
    let dir = PathBuf::from(words.next().expect("hold prints its directory"));
    (owner, dir, words.map(|w| w.parse().unwrap()).collect())
}

#[test]
fn kill_dash_nine_of_the_owner_leaves_nothing() {
    let (mut owner, dir, pids) = held(None);
    assert!(dir.exists() && pids.len() == 2 && pids.iter().all(|&pid| runs(pid)));
    assert_eq!(marked(&dir).len(), 3, "two children and the daemon");
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("children gone", || !pids.iter().any(|&pid| runs(pid)));
    until("directory gone", || !dir.exists());
    until("grandchildren gone", || marked(&dir).is_empty());
}

#[test]
fn a_panic_of_the_owner_leaves_nothing() {
    let (mut owner, dir, pids) = held(Some("panic"));
    assert!(!owner.wait().unwrap().success());
    assert!(!dir.exists(), "the drop waits for the clean-up");
    assert!(!pids.iter().any(|&pid| runs(pid)));
    assert!(marked(&dir).is_empty());
}

#[test]
fn dropping_the_sandbox_first_also_ends_its_children() {
    let sandbox = Sandbox::new().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & wait"]); // a grandchild in the same group
    let child = sandbox.spawn("sh", command, &Streams::default()).unwrap();
    let (dir, pid) = (sandbox.dir().to_owned(), child.pid());
    assert!(runs(pid) && dir.join("pids").join(pid.to_string()).exists());
    drop(sandbox);
    assert!(!dir.exists() && !runs(pid));
    assert!(marked(&dir).is_empty());
}

#[test]
fn a_dropped_child_is_gone_and_its_note_with_it() {
    let sandbox = Sandbox::new().unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let child = sandbox.spawn("sleep", command, &Streams::default()).unwrap();
    let pid = child.pid();
    drop(child);
    assert!(!runs(pid));
    assert!(!sandbox.dir().join("pids").join(pid.to_string()).exists());
}

#[tokio::test]
async fn a_paused_child_can_still_be_terminated() {
    let sandbox = Sandbox::new().unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let mut child = sandbox.spawn("sleep", command, &Streams::default()).unwrap();
    child.pause().await.unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
    assert!(stat.contains(") T "), "{stat}");
    let status = child.terminate(LIMIT).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[tokio::test]
async fn the_first_line_of_a_child_can_be_awaited_and_its_end_is_told() {
    let sandbox = Sandbox::new().unwrap();
    let streams = Streams {
        stdout: Stream::Piped,
        stderr: Stream::Log,
    };
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; echo 'out of luck' >&2; exit 7"]);
    let mut child = sandbox.spawn("sh", command, &streams).unwrap();
    assert_eq!(child.first_line(LIMIT).await.unwrap(), "ready");
    let error = child.first_line(LIMIT).await.unwrap_err();
    assert!(matches!(error, SandboxError::ChildDied { .. }));
    let text = error.to_string();
    assert!(
        text.contains("exit status: 7") && text.contains("out of luck"),
        "{text}"
    );
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let sandbox = Sandbox::new().unwrap();
    let error = sandbox
        .spawn("x", Command::new("/no/such/program"), &Streams::default())
        .unwrap_err();
    assert!(
        matches!(&error, SandboxError::MissingBinary { binary, .. } if binary == "/no/such/program"),
        "{error}"
    );
}

#[tokio::test]
async fn a_terminated_child_takes_along_what_of_its_group_does_not_listen() {
    let sandbox = Sandbox::new().unwrap();
    let mut command = Command::new("sh");
    // Without its environment it does not carry the mark of the sandbox either.
    command.args(["-c", "env -i sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' & wait"]);
    let streams = Streams {
        stdout: Stream::Piped,
        stderr: Stream::Log,
    };
    let mut child = sandbox.spawn("sh", command, &streams).unwrap();
    let deaf: u32 = child.first_line(LIMIT).await.unwrap().parse().unwrap();
    assert!(runs(deaf));
    let status = child.terminate(LIMIT).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    until("the deaf one is gone", || !runs(deaf));
}
