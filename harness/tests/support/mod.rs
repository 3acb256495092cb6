//! What the tests of the command share: a server to drive, and a way to run `bmt`.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it, and which part differs"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

pub(crate) mod live;
pub(crate) mod place;
pub(crate) mod shop;
pub(crate) mod storm;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// A blocking HTTP server with a thread for each connection; what a request waits for is up to `work`.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `work` is called with the time since the first request; the answer `ok` leaves when it returns.
    pub(crate) fn start(work: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self::answering(move |_, since_first| {
            work(since_first);
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
        })
    }

    /// `takes` is called with each request, and says when it returns whether it was done or turned away.
    pub(crate) fn start_or_shed(takes: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self::answering(move |_, _| {
            let status = if takes() { "200 OK" } else { "503 Service Unavailable" };
            format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok")
        })
    }

    /// The same, on a given port.
    pub(crate) fn on(port: u16, work: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self::listening(port, move |_, since_first| {
            work(since_first);
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
        })
    }

    /// `answer` gets each request, and the time since the first one; what it returns is sent.
    pub(crate) fn answering(answer: impl Fn(&str, Duration) -> String + Send + Sync + 'static) -> Self {
        Self::listening(0, answer)
    }

    fn listening(port: u16, answer: impl Fn(&str, Duration) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let first = Arc::new(std::sync::OnceLock::new());
        // The thread lives until the test process ends, like the listener that it owns.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, first) = (Arc::clone(&answer), Arc::clone(&first));
                std::thread::spawn(move || serve(stream, &*answer, &first));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&str, Duration) -> String + ?Sized),
    first: &std::sync::OnceLock<Instant>,
) {
    stream.set_nodelay(true).unwrap();
    while let Some(request) = request(&mut stream) {
        if request.starts_with("GET /metrics") {
            // The observer asks once whether there are any.
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        let answer = answer(&request, first.get_or_init(Instant::now).elapsed());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request, with its body; `None` at the end of the connection.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut buffer = [0; 2048];
    let mut whole = String::new();
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        whole.push_str(std::str::from_utf8(&buffer[..read]).ok()?);
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let mut lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= lengths.next().map_or(0, |length| length.parse().unwrap()) {
            return Some(whole);
        }
    }
}

/// A workload that sends plain GETs.
pub(crate) fn get_workload(arrivals: &str, rate: &str, hold: &str, connections: u32) -> String {
    format!(
        "name: get\nquestion: What is reported?\nprofile: {{kind: constant, target: {rate}, hold: {hold}}}\narrivals: {arrivals}\n\
         generator: {{connections: {connections}, timeout: 10s}}\n\
         traffic:\n  get: {{operation: {{get: {{path: /}}}}, share: 1}}\nvariants: [{{name: only}}]\n"
    )
}

/// What workloads know as `env.BMT_TEST_KEY`.
pub(crate) const KEY: &str = "swordfish-7031";

/// `bmt` with its standard streams piped.
pub(crate) fn bmt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bmt"));
    command
        .args(arguments)
        .env("BMT_TEST_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs have the machine to themselves, one test at a time: two would be each other's neighbours. A test that asks for
/// it again has it already.
pub(crate) fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    let holds = HOLDS.replace(true);
    let lock = || ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Alone((!holds).then(lock))
}

thread_local! {
    static HOLDS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The machine is this test's until it goes.
pub(crate) struct Alone(Option<MutexGuard<'static, ()>>);

impl Drop for Alone {
    fn drop(&mut self) {
        if self.0.is_some() {
            HOLDS.set(false);
        }
    }
}

/// Runs a workload against a URL, alone, and returns `run.json` with the exit code.
pub(crate) fn run_against(workload: &str, url: &str, more: &[&str]) -> (Json, i32) {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), workload, url, more)
}

/// The same, of a workload in a folder that has the files that it names.
pub(crate) fn run_in(folder: &Path, workload: &str, url: &str, more: &[&str]) -> (Json, i32) {
    let more = [&["--target", url], more].concat();
    run_without_target(folder, workload, &more)
}

/// The same, of a workload that says itself where its target is.
pub(crate) fn run_without_target(folder: &Path, workload: &str, more: &[&str]) -> (Json, i32) {
    let _alone = alone();
    let file = folder.join("workload.yaml");
    std::fs::write(&file, workload).unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    let mut arguments = vec!["run", file, "--format", "json", "--out", folder];
    arguments.extend(more);
    let output = bmt(&arguments).output().unwrap();
    (json(&output), output.status.code().unwrap())
}

pub(crate) fn json(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The only operation of the only phase of the only cell.
pub(crate) fn only_operation(run: &Json) -> &Json {
    &run["cells"][0]["phases"][0]["operations"]["get"]
}

/// The only run directory below `out`.
pub(crate) fn run_directory(out: &Path) -> std::path::PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Waits until `holds`, looking often; panics after a minute.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
