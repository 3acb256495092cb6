//! Connections that never complete what they begin: the server closes each of them on its own.

use std::time::Duration;

use futures_util::future::join_all;

use super::Target;
use super::raw::Raw;
use crate::support::token;

/// Connections of each kind.
const EACH: usize = 80;

pub(super) async fn all(target: &Target) {
    let head = "POST /v1/chats HTTP/1.1\r\nhost: chat\r\n";
    let bearer = token(1);
    let body = format!("{head}authorization: Bearer {bearer}\r\ncontent-length: 100\r\n\r\n{{\"name\":");
    let handshake = format!(
        "GET /v1/push?chat_id={} HTTP/1.1\r\nhost: chat\r\nupgrade: websocket\r\n",
        target.chat
    );
    // What is sent first, what keeps being sent, and the expected status, if any.
    let kinds: [(&str, &str, &[Option<u16>]); 5] = [
        ("", "", &[None]),
        (head, "", &[None, Some(408)]),
        (head, "x", &[None, Some(408)]),
        (&body, "x", &[Some(408)]),
        (&handshake, "", &[None, Some(408)]),
    ];
    let every = kinds.iter().flat_map(|kind| std::iter::repeat_n(kind, EACH));
    join_all(every.map(|(begin, go_on, due)| dawdle(target, begin, go_on, due))).await;
}

async fn dawdle(target: &Target, begin: &str, go_on: &str, due: &[Option<u16>]) {
    let mut raw = Raw::connect(target).await;
    raw.send(begin.as_bytes()).await;
    let status = loop {
        tokio::select! {
            answer = raw.answer() => break answer.map(|answer| answer.status),
            () = tokio::time::sleep(Duration::from_secs(1)), if !go_on.is_empty() => {}
        }
        raw.send(go_on.as_bytes()).await;
    };
    assert!(due.contains(&status), "{status:?} for {begin:?}");
}
