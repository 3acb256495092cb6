//! Targets that break every rule: each is an outcome with its name, memory stays bounded, nothing hangs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value as Json;
use support::run_without_target;

/// Memory that all of `bmt` may have used, in KiB.
const RESIDENT_MAX_KIB: i64 = 256 * 1024;
const ARRIVALS: u64 = 40;

/// What a neighbour does with a connection on which a request has arrived; on the first connection to it, which is a
/// probe without a request, it does nothing.
type Act = fn(&mut TcpStream) -> std::io::Result<()>;

struct Neighbour {
    name: &'static str,
    http: &'static str,
    act: Act,
    /// Of most of its requests.
    outcome: &'static str,
}

fn serve(listener: TcpListener, is_http_2: bool, act: Act, accepted: &Arc<AtomicU64>) {
    let accepted = Arc::clone(accepted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            accepted.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let begun = if is_http_2 {
                    agree(&mut stream)
                } else {
                    ask(&mut stream)
                };
                if begun.is_some() {
                    // The other end may be gone before all is said.
                    let _ = act(&mut stream);
                }
            });
        }
    });
}

/// Reads a request of HTTP/1.1; `None` at the end of the connection.
fn ask(stream: &mut TcpStream) -> Option<()> {
    let mut piece = [0; 4096];
    stream.read(&mut piece).ok().filter(|read| *read > 0).map(drop)
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, as HPACK has it.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Says SETTINGS and waits for the first request.
fn agree(stream: &mut TcpStream) -> Option<()> {
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).ok()?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).ok()?;
    while next_frame(stream)? != HEADERS {}
    Some(())
}

/// The type of the next frame, which is read whole.
fn next_frame(stream: &mut TcpStream) -> Option<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    std::io::copy(&mut stream.take(length.into()), &mut std::io::sink()).ok()?;
    Some(head[3])
}

/// Says the same for ever.
fn flood(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
    loop {
        stream.write_all(&many)?;
    }
}

/// Answers every request on a connection with the same frames, each on the stream of its request.
fn answer_each(stream: &mut TcpStream, answer: fn(u32) -> Vec<u8>) -> std::io::Result<()> {
    let mut id = 1;
    stream.write_all(&answer(id))?;
    while let Some(kind) = next_frame(stream) {
        if kind == HEADERS {
            id += 2;
            stream.write_all(&answer(id))?;
        }
    }
    Ok(())
}

fn never_more(stream: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

/// A connection that ends with a reset.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}

const BAD: &[Neighbour] = &[
    Neighbour {
        name: "closes at once",
        http: "1.1",
        act: |_| Ok(()),
        outcome: "connect_error",
    },
    Neighbour {
        name: "garbage",
        http: "1.1",
        act: |stream| stream.write_all(b"\x16\x03\x01 what is this\r\n\r\n"),
        outcome: "protocol_error",
    },
    Neighbour {
        name: "more than announced",
        http: "1.1",
        act: |stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more"),
        outcome: "protocol_error",
    },
    Neighbour {
        name: "two lengths",
        http: "1.1",
        act: |stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
        outcome: "protocol_error",
    },
    Neighbour {
        name: "endless body",
        http: "1.1",
        act: |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            flood(stream, b"4\r\nokok\r\n")
        },
        outcome: "timeout",
    },
    Neighbour {
        name: "body that stops",
        http: "1.1",
        act: |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\nok")?;
            never_more(stream)
        },
        outcome: "timeout",
    },
    Neighbour {
        name: "endless headers",
        http: "1.1",
        act: |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            flood(stream, b"x-more: and more\r\n")
        },
        outcome: "protocol_error",
    },
    Neighbour {
        name: "reset in mid-body",
        http: "1.1",
        act: |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\nok")?;
            reset(stream)
        },
        outcome: "connect_error",
    },
    Neighbour {
        name: "redirects to itself",
        http: "1.1",
        act: |stream| {
            const ANSWER: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(ANSWER)?;
            while ask(stream).is_some() {
                stream.write_all(ANSWER)?;
            }
            Ok(())
        },
        outcome: "client_error",
    },
    Neighbour {
        name: "interim answers without end",
        http: "1.1",
        act: |stream| flood(stream, b"HTTP/1.1 102 Processing\r\n\r\n"),
        outcome: "timeout",
    },
    Neighbour {
        name: "h2 that closes",
        http: "2",
        act: |_| Ok(()),
        outcome: "connect_error",
    },
    Neighbour {
        name: "h2 garbage",
        http: "2",
        act: |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        outcome: "protocol_error",
    },
    Neighbour {
        name: "refuses streams",
        http: "2",
        act: |stream| answer_each(stream, |id| frame(RST_STREAM, 0, id, &7u32.to_be_bytes())),
        outcome: "stream_refused",
    },
    Neighbour {
        name: "resets streams",
        http: "2",
        act: |stream| answer_each(stream, |id| frame(RST_STREAM, 0, id, &2u32.to_be_bytes())),
        outcome: "stream_reset",
    },
    Neighbour {
        name: "wants no requests",
        http: "2",
        act: |stream| {
            stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8]))?;
            never_more(stream)
        },
        outcome: "connect_error",
    },
    Neighbour {
        name: "settings flood",
        http: "2",
        act: |stream| flood(stream, &frame(SETTINGS, 0, 0, &[])),
        outcome: "timeout",
    },
    Neighbour {
        name: "ping flood",
        http: "2",
        act: |stream| flood(stream, &frame(PING, 0, 0, &[0; 8])),
        outcome: "timeout",
    },
    Neighbour {
        name: "window overflow",
        http: "2",
        act: |stream| flood(stream, &frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes())),
        outcome: "protocol_error",
    },
    Neighbour {
        name: "endless continuation",
        http: "2",
        act: |stream| {
            stream.write_all(&frame(HEADERS, 0, 1, &[STATUS_200]))?;
            flood(stream, &frame(CONTINUATION, 0, 1, &[0x00, 1, b'a', 1, b'b']))
        },
        outcome: "protocol_error",
    },
    Neighbour {
        name: "h2 body that stops",
        http: "2",
        act: |stream| answer_each(stream, |id| frame(HEADERS, END_HEADERS, id, &[STATUS_200])),
        outcome: "timeout",
    },
    Neighbour {
        name: "h2 that is fine",
        http: "2",
        act: |stream| answer_each(stream, |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &[STATUS_200])),
        outcome: "ok",
    },
];

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

fn cell<'a>(run: &'a Json, name: &str) -> &'a Json {
    let cells = run["cells"].as_array().unwrap();
    cells.iter().find(|cell| cell["variant"] == name).unwrap()
}

#[test]
fn every_bad_neighbour_is_an_outcome_with_its_name() {
    let listening = BAD.iter().map(|neighbour| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicU64::new(0));
        serve(listener, neighbour.http == "2", neighbour.act, &accepted);
        (address, accepted)
    });
    let listening: Vec<_> = listening.collect();
    let variants = BAD.iter().zip(&listening).map(|(neighbour, (address, _))| {
        let Neighbour { name, http, .. } = neighbour;
        format!("  - {{name: {name}, url: \"http://{address}\", http: {http}}}\n")
    });
    let workload = format!(
        "name: neighbours\nquestion: Is every one of them told apart?\n\
         generator: {{connections: 8, streams: 4, timeout: 300ms}}\narrivals: uniform\n\
         profile: {{kind: constant, target: {ARRIVALS}/s, hold: 1s}}\n\
         traffic: {{get: {{request: {{get: /}}, check: {{body: {{contains: \"\"}}}}, share: 1}}}}\nvariants:\n{}",
        variants.collect::<String>()
    );
    let folder = tempfile::tempdir().unwrap();
    let (run, _) = run_without_target(folder.path(), &workload, &[]);
    for (Neighbour { name, outcome, .. }, (_, accepted)) in BAD.iter().zip(&listening) {
        let phase = &cell(&run, name)["phases"][0];
        let operation = &phase["operations"]["get"];
        let outcomes = operation["outcomes"].as_object().unwrap();
        let ended: u64 = outcomes.values().map(|count| count.as_u64().unwrap()).sum();
        let unsent: u64 = operation["unsent_causes"]
            .as_object()
            .map_or(0, |causes| causes.values().map(|count| count.as_u64().unwrap()).sum());
        assert_eq!(ended + unsent, ARRIVALS, "{name}: {operation}");
        let count = outcomes.get(*outcome).map_or(0, |count| count.as_u64().unwrap());
        assert!(count * 2 > ARRIVALS, "{name}: {outcomes:?}");
        // Nobody is asked again and again for one arrival.
        let accepted = accepted.load(Ordering::Relaxed);
        assert!(accepted <= ARRIVALS + 10, "{name}: {accepted} connections");
    }
    let refused = &cell(&run, "refuses streams")["phases"][0];
    assert_eq!(
        refused["connections"]["client"]["streams_refused"],
        refused["operations"]["get"]["outcomes"]["stream_refused"]
    );
    let used = resident_max_kib();
    assert!(used < RESIDENT_MAX_KIB, "{used} KiB");
}
