//! Well-formed requests that must be rejected, each with its status.

use rand::RngExt;

use super::raw::Raw;
use super::{Dice, Target};
use crate::support::{signed, token};

pub(super) async fn throw(target: &Target, number: u64, dice: &mut Dice) {
    let mut raw = Raw::connect(target).await;
    for _ in 0..number {
        let (request, expected) = pick(target, dice);
        raw.send(request.as_bytes()).await;
        let answer = raw.answer().await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {request:?}"));
        assert_eq!(answer.status, expected, "{request:?}");
        assert!(
            answer.body.starts_with(b"{\"error\":"),
            "rejected in the usual form: {request:?}"
        );
        if !answer.stays_open || expected == 413 {
            raw = Raw::connect(target).await;
        }
    }
}

fn request(method: &str, path: &str, token: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {token}\r\n{more}\r\n")
}

fn with_body(path: &str, token: &str, body: &str) -> String {
    let length = format!("content-length: {}\r\n", body.len());
    request("POST", path, token, &length) + body
}

/// A request and its expected status.
fn pick(target: &Target, dice: &mut Dice) -> (String, u16) {
    let chat = target.chat;
    let (count, events) = (
        format!("/v1/chats/{chat}/members/count"),
        format!("/v1/chats/{chat}/events"),
    );
    let push = format!("/v1/push?chat_id={chat}");
    let hello = r#"{"kind":"message","body":"hello"}"#;
    let handshake = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let stranger = token(dice.random_range(1000..2000));
    match dice.random_range(0..13) {
        0 => (request("GET", &count, &forged(dice), ""), 401),
        1 => (
            request(
                "GET",
                &events,
                &signed(&format!("1.{}", dice.random_range(0..1_000_000))),
                "",
            ),
            401,
        ),
        2 => (request("GET", &push, &forged(dice), handshake), 401),
        3 => (with_body(&events, "", hello), 401),
        4 => (request("GET", &push, &stranger, handshake), 403),
        5 => (request("GET", &events, &stranger, ""), 403),
        6 => (with_body(&events, &stranger, hello), 403),
        7 => (request("GET", &push, &token(1), "upgrade: websocket\r\n"), 400),
        8 => (
            with_body(&events, &token(1), &hello[..dice.random_range(0..hello.len())]),
            400,
        ),
        9 => (
            request(
                "GET",
                &format!("/v1/chats/{}x/events", dice.random::<u32>()),
                &stranger,
                "",
            ),
            400,
        ),
        10 => (
            request("GET", &format!("/v1/chat/{}", dice.random::<u64>()), &stranger, ""),
            404,
        ),
        11 => (request("PUT", &events, &stranger, ""), 405),
        _ => (oversize(&events, dice), 413),
    }
}

/// Well-formed, but signed with another key.
fn forged(dice: &mut Dice) -> String {
    let mac: Vec<u8> = (0..32).map(|_| dice.random()).collect();
    format!("1.99999999999.{}", hex::encode(mac))
}

/// A body that announces itself as too large, or turns out to be.
fn oversize(path: &str, dice: &mut Dice) -> String {
    if dice.random_ratio(9, 10) {
        let length = dice.random_range(65_537..u64::from(u32::MAX));
        request("POST", path, &token(1), &format!("content-length: {length}\r\n"))
    } else {
        let chunk = format!("{:x}\r\n{}\r\n", 70_000, "x".repeat(70_000));
        request("POST", path, &token(1), "transfer-encoding: chunked\r\n") + &chunk
    }
}
