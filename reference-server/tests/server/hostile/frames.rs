//! Connected members that send malformed WebSocket frames.

use rand::RngExt;

use super::raw::Raw;
use super::{Dice, Target};
use crate::support::token;

const PROTOCOL: u16 = 1002;
const INVALID: u16 = 1007;
const POLICY: u16 = 1008;
const SIZE: u16 = 1009;

pub(super) async fn throw(target: &Target, number: u64, dice: &mut Dice) {
    let handshake = format!(
        "GET /v1/push?chat_id={} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {}\r\nupgrade: websocket\r\n\
         connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        target.chat,
        token(1)
    );
    for _ in 0..number {
        let mut raw = Raw::connect(target).await;
        raw.send(handshake.as_bytes()).await;
        let answer = raw.answer().await.expect("a member is let in");
        assert_eq!(answer.status, 101);
        let (frames, code) = pick(dice);
        raw.send(&frames).await;
        raw.finish().await;
        let goodbye = raw.rest().await;
        if let Some(code) = code {
            let close = [&[0x88][..], goodbye.get(1..2).unwrap_or_default(), &code.to_be_bytes()].concat();
            assert!(
                goodbye.starts_with(&close),
                "{goodbye:02x?}, not {code}, for {frames:02x?}"
            );
        }
    }
}

/// A frame with a mask of zeros; `first` is the byte of flags and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).expect("small frames only") {
        short @ 0..=125 => frame.push(0x80 | short.to_le_bytes()[0]),
        long => {
            frame.push(0x80 | 126);
            frame.extend(long.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Frames and the expected close code; `None`: the connection just ends.
fn pick(dice: &mut Dice) -> (Vec<u8>, Option<u16>) {
    let length = dice.random_range(0..100);
    let payload: Vec<u8> = (0..length).map(|_| dice.random_range(b'a'..=b'z')).collect();
    let pick = |dice: &mut Dice, of: &[u8]| of[dice.random_range(0..of.len())];
    match dice.random_range(0..11) {
        0 => (
            frame(0x80 | pick(dice, &[3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), &payload),
            Some(PROTOCOL),
        ),
        1 => (
            [&[0x81, payload.len().to_le_bytes()[0]], &payload[..]].concat(),
            Some(PROTOCOL),
        ), // not masked
        2 => (
            frame(0x81 | pick(dice, &[0x10, 0x20, 0x40, 0x70]), &payload),
            Some(PROTOCOL),
        ),
        3 => (too_long(dice), Some(SIZE)),
        4 => (frame(0x80, &payload), Some(PROTOCOL)), // continues nothing
        5 => ([frame(0x01, &payload), frame(0x81, &payload)].concat(), Some(PROTOCOL)), // starts a message twice
        6 => (frame(pick(dice, &[0x88, 0x89, 0x8a]), &[b'a'; 126]), Some(PROTOCOL)),
        7 => (frame(pick(dice, &[0x08, 0x09, 0x0a]), &payload), Some(PROTOCOL)), // control frames must not be fragmented
        8 => (frame(0x81, &[0xff, 0xfe]), Some(INVALID)),
        9 => (frame(pick(dice, &[0x81, 0x82]), &payload), Some(POLICY)),
        _ => ((0..dice.random_range(1..300)).map(|_| dice.random()).collect(), None),
    }
}

/// Announces a length of up to 2⁶² bytes.
fn too_long(dice: &mut Dice) -> Vec<u8> {
    let length = dice.random_range(1_u64 << 16..1 << 62);
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 100]);
    frame
}
