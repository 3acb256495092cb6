//! Random bytes, and valid requests with something broken. None of it may be answered with a server error.

use rand::RngExt;

use super::raw::{Raw, status};
use super::{Dice, Target};
use crate::support::token;

pub(super) async fn throw(target: &Target, number: u64, dice: &mut Dice) {
    let proper = proper(target);
    let mut malformed = 0;
    for _ in 0..number {
        let (input, garbage) = if dice.random_ratio(1, 3) {
            (garbage(dice), true)
        } else {
            let mut input = proper[dice.random_range(0..proper.len())].clone();
            for _ in 0..dice.random_range(1..4) {
                mutate(&mut input, dice);
            }
            (input, false)
        };
        let mut raw = Raw::connect(target).await;
        raw.send(&input).await;
        raw.finish().await;
        let answer = raw.rest().await;
        let shown = || String::from_utf8_lossy(&input).into_owned();
        if let Some(status) = status(&answer) {
            assert!(status < 500 || status == 503, "{status} for {:?}", shown());
            malformed += u64::from(garbage && status == 400);
        } else {
            assert!(answer.is_empty(), "{answer:?} for {:?}", shown());
        }
    }
    // The others were the beginning of a head, or blank lines.
    assert!(malformed * 3 > number / 2, "only {malformed} of {number} were 400");
}

/// Valid requests, except that their caller is not a member.
fn proper(target: &Target) -> Vec<Vec<u8>> {
    let Target { chat, .. } = target;
    let bearer = token(9);
    let with_body = |path: String, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {bearer}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let requests = [
        "GET /healthz HTTP/1.1\r\nhost: chat\r\naccept: */*\r\n\r\n".to_owned(),
        format!("GET /v1/chats/{chat}/members/count HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {bearer}\r\n\r\n"),
        format!("DELETE /v1/chats/{chat}/members/9 HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {bearer}\r\n\r\n"),
        format!(
            "GET /v1/chats/{chat}/events?after=0&limit=10 HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {bearer}\r\n\r\n"
        ),
        with_body(
            format!("/v1/chats/{chat}/events"),
            r#"{"kind":"message","body":"hello"}"#,
        ),
        with_body(
            format!("/v1/chats/{}/members", chat + 1_000_000),
            r#"{"name":"nobody"}"#,
        ),
        format!(
            "GET /v1/push?chat_id={chat} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {bearer}\r\nupgrade: websocket\r\n\
             connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
    ];
    requests.map(String::into_bytes).into()
}

/// Bytes that are not a request, terminated like one.
fn garbage(dice: &mut Dice) -> Vec<u8> {
    let length = dice.random_range(1..200);
    let mut bytes: Vec<u8> = (0..length).map(|_| dice.random()).collect();
    bytes.extend(b"\r\n\r\n");
    bytes
}

/// Breaks something.
fn mutate(input: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.random_range(0..input.len().max(1)).min(input.len());
    let end = (at + dice.random_range(1..20)).min(input.len());
    match dice.random_range(0..8) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => input.extend_from_within(at..end),
        3 => drop(input.splice(at..at, (0..dice.random_range(1..10)).map(|_| dice.random::<u8>()))),
        4 => input[at..end].fill(dice.random()),
        5 => drop(input.splice(at..at, *b"\r\n")),
        6 => drop(input.splice(at..at, *b"\r\ntransfer-encoding: chunked\r\ncontent-length: -1\r\n")),
        // Occasionally more than any head may have.
        _ if dice.random_ratio(1, 100) => drop(input.splice(at..at, vec![b'a'; 500_000])),
        _ => drop(input.splice(at..at, vec![b'%'; 300])),
    }
}
