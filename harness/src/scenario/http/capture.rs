//! What a step of a session takes from its answer.

use serde_json::Value as Json;

use super::jar;
use crate::template::{Capture, CaptureFrom, Cell};
use crate::transport::Answer;

/// Bytes of a value that is captured.
const VALUE_MAX: usize = 64 * 1024;

/// Takes all of them, each into its slot; `false` where the answer does not have one.
pub(super) fn take(captures: &[Capture], answer: &Answer<'_>, to: &mut [Option<Cell>]) -> bool {
    let reads_json = captures
        .iter()
        .any(|capture| matches!(capture.from, CaptureFrom::Json(_)));
    let json = reads_json
        .then(|| serde_json::from_slice::<Json>(answer.body).ok())
        .flatten();
    captures.iter().all(|capture| {
        let found = found(&capture.from, answer, json.as_ref()).filter(|cell| {
            let text = cell.as_str();
            text.len() <= VALUE_MAX && !(capture.is_for_header && text.contains(char::is_control))
        });
        let is_found = found.is_some();
        to[capture.slot] = found;
        is_found
    })
}

fn found(from: &CaptureFrom, answer: &Answer<'_>, json: Option<&Json>) -> Option<Cell> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Cell::text);
    match from {
        CaptureFrom::Json(pointer) => json?.pointer(pointer).filter(|value| !value.is_null()).map(Cell::json),
        CaptureFrom::Header(name) => text(answer.headers(name).next()?),
        CaptureFrom::Cookie(name) => {
            let set = answer.headers("set-cookie").filter_map(jar::pair);
            let value = set.filter(|(set, _)| set == name).last();
            value.map(|(_, value)| Cell::text(value))
        }
        CaptureFrom::Regex(regex) => {
            let found = regex.captures(answer.body)?;
            let group = match regex.captures_len() {
                1 => found.get(0),
                _ => found.get(1),
            };
            text(group?.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(from: CaptureFrom, is_for_header: bool) -> Option<Cell> {
        let answer = Answer {
            status: 200,
            head: b"Location: /orders/7\r\nSet-Cookie: sid=old; Path=/\r\nset-cookie: sid=new\r\nX: \xff\r\n",
            body: br#"{"token":"t\n1","id":17,"lines":["a",{"b":1}],"no":null,"html":"<a href=/x?csrf=9f>"}"#,
        };
        let mut slots = [Some(Cell::text("before")), None];
        let capture = Capture {
            slot: 1,
            from,
            is_for_header,
        };
        let is_found = take(&[capture], &answer, &mut slots);
        assert_eq!(slots[0], Some(Cell::text("before")));
        assert_eq!(is_found, slots[1].is_some());
        slots[1].take()
    }

    #[test]
    fn values_are_found_where_they_are_and_keep_their_type() {
        let json = |pointer: &str| CaptureFrom::Json(pointer.to_owned());
        let header = |name: &str| CaptureFrom::Header(name.to_owned());
        let cookie = |name: &str| CaptureFrom::Cookie(name.to_owned());
        let regex = |text: &str| CaptureFrom::Regex(regex::bytes::Regex::new(text).unwrap());
        let number = Cell::json(&serde_json::json!(17));
        for (from, cell) in [
            (json("/token"), Some(Cell::text("t\n1"))),
            (json("/id"), Some(number)),
            (json("/lines/1"), Some(Cell::json(&serde_json::json!({"b": 1})))),
            (json("/no"), None),
            (json("/missing"), None),
            (header("location"), Some(Cell::text("/orders/7"))),
            (header("x"), None),
            (header("y"), None),
            (cookie("sid"), Some(Cell::text("new"))),
            (cookie("SID"), None),
            (regex("csrf=([0-9a-f]+)"), Some(Cell::text("9f"))),
            (regex("csrf=[0-9a-f]+"), Some(Cell::text("csrf=9f"))),
            (regex("csrf=(x)?"), None),
            (regex("nothing"), None),
        ] {
            assert_eq!(taken(from.clone(), false), cell, "{from:?}");
        }
        assert_eq!(taken(json("/token"), true), None, "a header is one line");
    }

    #[test]
    fn a_value_may_have_64_kib() {
        for (length, is_found) in [(VALUE_MAX, true), (VALUE_MAX + 1, false)] {
            let body = format!("\"{}\"", "x".repeat(length));
            let answer = Answer {
                body: body.as_bytes(),
                ..Answer::default()
            };
            let capture = Capture {
                slot: 0,
                from: CaptureFrom::Json(String::new()),
                is_for_header: false,
            };
            assert_eq!(take(&[capture], &answer, &mut [None]), is_found);
        }
    }
}
