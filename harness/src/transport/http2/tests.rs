use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

const WANTED: Wanted = Wanted {
    reads_answer: true,
    is_head: false,
    is_repeatable: true,
};

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// Bytes of the first frame.
const SETTINGS_BYTES: usize = 15;

/// What a server says to one request: SETTINGS with a bound of streams, an acknowledgement, headers, a body, and more
/// that a server may say.
fn answer() -> Vec<u8> {
    [
        frame(4, 0, 0, &[0, 3, 0, 0, 0, 9]),
        frame(4, 1, 0, &[]),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(6, 0, 0, &[1, 2, 3, 4, 5, 6, 7, 8]),
        // `:status: 200`, then a literal header.
        frame(1, 4, 1, &[0x88, 0x00, 1, b'a', 1, b'b']),
        frame(0, 0, 1, b"hello"),
        frame(0, 1, 1, b" there"),
        frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
    ]
    .concat()
}

/// What becomes of a request whose connection says these bytes: the outcome, or nothing where none was agreed on.
async fn asked(bytes: Vec<u8>) -> Option<(Outcome, usize)> {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let is_asked = &Notify::new();
    let server = async move {
        let (settings, rest) = bytes.split_at(bytes.len().min(SETTINGS_BYTES));
        let _ = theirs.write_all(settings).await;
        // Of changed SETTINGS nobody knows whether anything is asked after them.
        if answer().starts_with(settings) && settings.len() == SETTINGS_BYTES {
            is_asked.notified().await;
        }
        // It has nothing more to say, and still listens.
        let said = theirs.write_all(rest).await.and(theirs.shutdown().await);
        let heard = tokio::io::copy(&mut (&mut theirs).take(1 << 20), &mut tokio::io::sink()).await;
        said.is_ok() && heard.is_ok()
    };
    let client = async {
        let Session {
            mut send, connection, ..
        } = Session::begin(ours, Scheme::HTTP, 4).await.ok()?;
        let mut taken = Taken::default();
        taken.reset(WANTED);
        let request = http::Request::get("http://h/").body(()).unwrap();
        let Ok((mut response, _stream)) = send.send_request(request, true) else {
            return Some((Outcome::ConnectError, 0));
        };
        is_asked.notify_one();
        let mut answered = std::pin::pin!(poll_fn(|context| taken.poll(&mut response, context)));
        let answered = tokio::select! {
            biased;
            answered = &mut answered => answered,
            // What has come in is still to be had.
            _ = connection => answered.await,
        };
        match answered {
            Ok(ended) => Some((ended.outcome, taken.body.len())),
            Err(error) if error.is_io() => Some((Outcome::ConnectError, 0)),
            Err(_) => Some((Outcome::ProtocolError, 0)),
        }
    };
    tokio::select! {
        biased;
        asked = client => asked,
        _ = server => None,
    }
}

#[tokio::test]
async fn an_answer_is_taken_in() {
    assert_eq!(asked(answer()).await, Some((Outcome::Ok, "hello there".len())));
}

/// Whatever becomes of what a server says: nothing panics, nothing hangs, and a body is no longer than it was.
#[tokio::test]
async fn mutated_connections_do_no_harm() {
    let mut state = 7u64;
    let mut chance = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut ok, mut failed) = (0, 0);
    for _ in 0..100_000 {
        let mut bytes = answer();
        for _ in 0..=chance(3) {
            let place = chance(bytes.len());
            match chance(4) {
                0 => bytes.truncate(place.max(1)),
                1 => drop(bytes.remove(place.min(bytes.len() - 1))),
                _ => bytes[place] = chance(256) as u8,
            }
            bytes.push(0);
        }
        match asked(bytes).await {
            Some((Outcome::Ok, length)) => {
                assert!(length <= 300, "{length}");
                ok += 1;
            }
            _ => failed += 1,
        }
    }
    assert!(ok > 1_000 && failed > 1_000, "{ok} ok, {failed} failed");
}
