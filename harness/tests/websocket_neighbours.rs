//! WebSocket targets that break every rule: each is a counted end with its name, memory stays bounded, nothing hangs.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value as Json;
use support::run_without_target;
use tungstenite::handshake::derive_accept_key;

/// Memory that all of `bmt` may have used, in KiB.
const RESIDENT_MAX_KIB: i64 = 256 * 1024;
const HOLD: u64 = 20;

/// What a neighbour does once it was asked for a WebSocket; the second argument is its request.
type Act = fn(&mut TcpStream, &str) -> std::io::Result<()>;

struct Neighbour {
    name: &'static str,
    act: Act,
    /// How most of its connections end; nothing where they do not.
    end: Option<&'static str>,
    /// How most of its texts end.
    outcome: &'static str,
}

/// Agrees on WebSocket.
fn agree(stream: &mut TcpStream, request: &str) -> std::io::Result<()> {
    let mut lines = request.lines();
    let key = lines
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    )
}

/// Agrees and says the same for ever, without reading anything.
fn flood(stream: &mut TcpStream, request: &str, bytes: &[u8]) -> std::io::Result<()> {
    agree(stream, request)?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
    loop {
        stream.write_all(&many)?;
    }
}

fn never_more(stream: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

const BAD: &[Neighbour] = &[
    Neighbour {
        name: "answers 200",
        act: |stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        end: Some("not_upgraded"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "garbage",
        act: |stream, _| stream.write_all(b"\x16\x03\x01 what is this\r\n\r\n"),
        end: Some("not_upgraded"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "another key",
        act: |stream, _| agree(stream, "Sec-WebSocket-Key: another"),
        end: Some("not_upgraded"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "endless headers",
        act: |stream, _| {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n")?;
            loop {
                stream.write_all(b"x-more: and more\r\n")?;
            }
        },
        end: Some("not_upgraded"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "never answers",
        act: |stream, _| never_more(stream),
        end: Some("not_opened"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "closes at once",
        act: |stream, request| agree(stream, request),
        end: Some("closed"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "says goodbye and stays",
        act: |stream, request| {
            agree(stream, request)?;
            stream.write_all(&[0x88, 0])?;
            never_more(stream)
        },
        end: Some("closed"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "a frame of a gigabyte",
        act: |stream, request| {
            agree(stream, request)?;
            stream.write_all(&[0x82, 127])?;
            stream.write_all(&(1_u64 << 30).to_be_bytes())?;
            let piece = [7; 16 * 1024];
            loop {
                stream.write_all(&piece)?;
            }
        },
        end: Some("too_long"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "a message of endless parts",
        act: |stream, request| {
            agree(stream, request)?;
            // A text that does not end, in frames of 64 bytes.
            let mut part = vec![0x01, 64];
            part.extend([b'a'; 64]);
            loop {
                stream.write_all(&part)?;
                part[0] = 0x00;
            }
        },
        end: Some("too_long"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "no frames",
        act: |stream, request| {
            agree(stream, request)?;
            stream.write_all(&[0xf3, 0])?;
            never_more(stream)
        },
        end: Some("protocol_error"),
        outcome: "connect_error",
    },
    Neighbour {
        name: "ping flood",
        act: |stream, request| flood(stream, request, &[0x89, 4, 1, 2, 3, 4]),
        end: None,
        outcome: "timeout",
    },
    Neighbour {
        name: "message flood",
        act: |stream, request| flood(stream, request, b"\x81\x0cnot a number"),
        end: None,
        outcome: "timeout",
    },
    Neighbour {
        name: "reads nothing",
        act: |stream, request| {
            agree(stream, request)?;
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        },
        end: None,
        outcome: "timeout",
    },
];

fn serve(listener: TcpListener, act: Act) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                // A probe asks nothing.
                let read = stream.read(&mut piece).unwrap_or(0);
                let request = String::from_utf8_lossy(&piece[..read]).into_owned();
                if request.starts_with("GET /live") {
                    // The other end may be gone before all is said.
                    let _ = act(&mut stream, &request);
                }
            });
        }
    });
}

/// Most memory that any of our children that have ended had.
#[expect(unsafe_code, reason = "a system call that no crate makes")]
fn resident_max_kib() -> i64 {
    // SAFETY: zeros are a valid `rusage`, and the kernel writes no more than one.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `rusage` that lives until the call returns.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut used) };
    assert_eq!(done, 0);
    used.ru_maxrss
}

#[test]
fn every_bad_neighbour_is_counted_with_its_name() {
    let variants = BAD.iter().map(|neighbour| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, neighbour.act);
        format!("  - {{name: {}, url: \"http://{address}\"}}\n", neighbour.name)
    });
    let workload = format!(
        "name: neighbours\nquestion: Is every one of them told apart?\ngenerator: {{timeout: 400ms}}\n\
         profile: {{kind: constant, target: 0/s, hold: 1s, warm_up: 500ms}}\n\
         traffic: {{watch: {{websocket: /live, hold: {HOLD}, send: {{every: 200ms, text: ping}}, answer: {{json: /seq}}}}}}\n\
         variants:\n{}",
        variants.collect::<String>()
    );
    let folder = tempfile::tempdir().unwrap();
    let (run, _) = run_without_target(folder.path(), &workload, &[]);
    for Neighbour { name, end, outcome, .. } in BAD {
        let cells = run["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["variant"] == *name).unwrap();
        let phases = cell["phases"].as_array().unwrap();
        let sum = |pointer: &str| -> u64 {
            let count = |phase: &Json| phase["operations"]["watch"].pointer(pointer).and_then(Json::as_u64);
            phases.iter().filter_map(count).sum()
        };
        let told = || format!("{name}: {}", phases[1]["operations"]["watch"]);
        let outcomes = phases
            .iter()
            .flat_map(|phase| phase["operations"]["watch"]["outcomes"].as_object().unwrap());
        let ended: u64 = outcomes.map(|(_, count)| count.as_u64().unwrap()).sum();
        // From 20 ms on to 1.5 s, 100 a second.
        assert_eq!(sum("/scheduled"), 148, "{}", told());
        assert_eq!(ended + sum("/unsent") + sum("/cut_off"), 148, "{}", told());
        assert!(sum(&format!("/outcomes/{outcome}")) * 2 > 148, "{}", told());
        let ends = sum("/websockets/failed") + sum("/websockets/broken");
        match end {
            Some(end) => {
                let count = sum(&format!("/websockets/ends/{end}"));
                assert!(count >= HOLD && count * 2 > ends, "{}", told());
                // After each end there is a pause, so nobody is asked again and again.
                assert!(ends <= 5 * HOLD, "{}", told());
            }
            None => assert_eq!((ends, sum("/websockets/opened")), (0, HOLD), "{}", told()),
        }
    }
    let used = resident_max_kib();
    assert!(used < RESIDENT_MAX_KIB, "{used} KiB");
}
