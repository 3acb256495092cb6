use proptest::prelude::*;

use super::*;

const DONE: Progress = Progress::Done {
    status: 200,
    keep_alive: true,
};
const CLOSES: Progress = Progress::Done {
    status: 200,
    keep_alive: false,
};

/// Answers, and what they come to.
const ANSWERS: [(&str, Progress); 15] = [
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", DONE),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", DONE),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: Close\r\n\r\nok",
        CLOSES,
    ),
    ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", CLOSES),
    (
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok",
        DONE,
    ),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
        DONE,
    ),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n",
        DONE,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
        DONE,
    ),
    (
        "HTTP/1.1 204 No Content\r\n\r\n",
        Progress::Done {
            status: 204,
            keep_alive: true,
        },
    ),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay", Progress::Malformed),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        Progress::Malformed,
    ),
    ("HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok", Progress::Malformed),
    ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Progress::Malformed),
    ("SSH-2.0-OpenSSH_9.2\r\n", Progress::Malformed),
    ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Progress::Unfinished),
];

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Progress {
    let mut reply = Reply::default();
    let mut last = Progress::Unfinished;
    for piece in pieces {
        last = reply.take(piece);
        if last == Progress::Malformed {
            return last;
        }
    }
    last
}

#[test]
fn each_answer_ends_where_the_standard_says() {
    for (answer, expected) in ANSWERS {
        assert_eq!(read([answer.as_bytes()]), expected, "{answer:?}");
    }
}

#[test]
fn without_a_length_the_end_of_the_connection_is_the_end() {
    let mut reply = Reply::default();
    assert_eq!(reply.take(b"HTTP/1.1 200 OK\r\n\r\nsome"), Progress::Unfinished);
    assert_eq!(reply.closed(), CLOSES);
    reply.reset(false, false);
    assert_eq!(
        reply.take(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome"),
        Progress::Unfinished
    );
    assert_eq!(reply.closed(), Progress::Unfinished, "the rest of the body is missing");
}

#[test]
fn what_the_caller_is_asked_to_wait_is_the_longer_of_header_and_body() {
    for (header, body, asked_ms) in [
        ("", "", None),
        ("Retry-After: 2\r\n", "", Some(2_000)),
        ("", r#"{"error":"throttled","retry_after_ms":340}"#, Some(340)),
        ("retry-after:  1 \r\n", r#"{"retry_after_ms":340}"#, Some(1_000)),
        ("retry-after: 1\r\n", r#"{"retry_after_ms":2340}"#, Some(2_340)),
        ("retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "no JSON", None),
        ("retry-after: -1\r\n", r#"{"retry_after_ms":-5}"#, None),
    ] {
        let answer = format!(
            "HTTP/1.1 429 Too Many Requests\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut reply = Reply::default();
        reply.reset(true, false);
        assert!(matches!(
            reply.take(answer.as_bytes()),
            Progress::Done { status: 429, .. }
        ));
        let asked = asked_ms.map(Duration::from_millis);
        assert_eq!(reply.answer(429).asked(), asked, "{header:?} {body:?}");
        assert_eq!(
            reply.answer(0).asked(),
            None,
            "an answer that did not come whole asks nothing"
        );
        reply.reset(true, false);
        assert!(matches!(
            reply.take(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
            Progress::Done { status: 503, .. }
        ));
        assert_eq!(reply.answer(503).asked(), None, "nothing is left of the answer before");
    }
}

#[test]
fn an_answer_to_head_ends_with_its_head() {
    for answer in ["content-length: 9", "transfer-encoding: chunked", "x: y"] {
        let mut reply = Reply::default();
        reply.reset(true, true);
        assert_eq!(
            reply.take(format!("HTTP/1.1 200 OK\r\n{answer}\r\n\r\n").as_bytes()),
            DONE,
            "{answer}"
        );
    }
}

#[test]
fn a_head_without_end_is_not_held_for_ever() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_MAX));
    assert_eq!(read([endless.as_bytes()]), Progress::Malformed);
}

proptest! {
    #[test]
    fn how_an_answer_is_cut_into_pieces_does_not_matter(which in 0..ANSWERS.len(), cuts in prop::collection::vec(0usize..200, 0..8)) {
        let (answer, expected) = ANSWERS[which];
        let bytes = answer.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let got = read(cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
        // What follows a complete answer is told apart only when it arrives with it; the connection refuses it when
        // it comes later.
        let surplus = expected == Progress::Malformed && answer.ends_with("okay");
        prop_assert!(got == expected || surplus, "{answer:?} {cuts:?}: {got:?}");
    }

    #[test]
    fn a_body_that_is_wanted_is_kept_whole(how in 0usize..3, cuts in prop::collection::vec(0usize..120, 0..8)) {
        let answer = [
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello world",
        ][how];
        let bytes = answer.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut reply = Reply::default();
        for kept in [true, false] {
            reply.reset(kept, false);
            for pair in cuts.windows(2) {
                reply.take(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(reply.answer(200).body, if kept { &b"hello world"[..] } else { &b""[..] });
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), prefix in any::<bool>()) {
        let mut whole = if prefix { b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec() } else { Vec::new() };
        whole.extend(bytes);
        read(whole.chunks(7));
    }
}

/// Changes a few bytes: one is another, some go, some come twice, or the rest is missing.
fn mutate(bytes: &mut Vec<u8>, chance: &mut impl FnMut(usize) -> usize) {
    for _ in 0..=chance(4) {
        let length = bytes.len().max(1);
        let (from, many) = (chance(length), 1 + chance(9));
        let to = (from + many).min(bytes.len());
        match chance(6) {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(from.min(to)..to)),
            2 => {
                let twice = bytes[from.min(to)..to].repeat(1 + chance(40));
                bytes.splice(from.min(to)..from.min(to), twice);
            }
            3 => bytes.insert(from.min(bytes.len()), b"\r\n:;,0f9 \x00\xff"[chance(11)]),
            _ if bytes.is_empty() => bytes.push(b'H'),
            _ => bytes[from] = chance(256) as u8,
        }
    }
}

/// Whatever becomes of an answer: nothing panics, it ends where it ends, and it takes no more memory than it may.
#[test]
fn a_million_mutated_answers_do_no_harm() {
    let mut state = 7u64;
    let mut chance = move |below: usize| {
        state = next(state);
        (state >> 33) as usize % below
    };
    let mut reply = Reply::default();
    let (mut done, mut malformed) = (0, 0);
    for round in 0..1_000_000usize {
        let mut bytes = ANSWERS[round % ANSWERS.len()].0.as_bytes().to_vec();
        mutate(&mut bytes, &mut chance);
        reply.reset(round % 2 == 0, round % 7 == 0);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((1 + chance(64)).min(rest.len()));
            rest = more;
            match reply.take(piece) {
                Progress::Unfinished => {}
                Progress::Done { status, .. } => {
                    assert!((200..=999).contains(&status), "{status}");
                    done += 1;
                    break;
                }
                Progress::Malformed => {
                    malformed += 1;
                    break;
                }
            }
        }
        assert!(reply.held.len() <= HEAD_MAX && reply.body.len() <= BODY_MAX + 64);
    }
    assert!(
        done > 10_000 && malformed > 100_000,
        "{done} done, {malformed} malformed"
    );
}

/// The next of a row of numbers that look drawn (a linear congruential generator, by Knuth).
fn next(state: u64) -> u64 {
    state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}
