//! Bodies that came compressed, as they were before (RFC 9110, section 8.4).
//!
//! A leaf, and bounded: a few kilobytes that stand for gigabytes are no answer.

use std::io::{Read, Result};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::transport::Answer;

/// Bytes that a body may have.
const BODY_MAX: u64 = 4 << 20;

/// The answer with its body as it was before it was compressed, which is written to `room`; the same answer where it
/// was not. `None` where that cannot be made out, or is too long.
pub(super) fn decoded<'a>(answer: &Answer<'a>, room: &'a mut Vec<u8>) -> Option<Answer<'a>> {
    if answer.body.is_empty() {
        return Some(*answer);
    }
    let mut encodings = answer.headers("content-encoding");
    let (encoding, more) = (encodings.next(), encodings.next());
    room.clear();
    match (encoding, more) {
        (None, _) => return Some(*answer),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case(b"identity") => return Some(*answer),
        (Some(encoding), None) if is_one_of(encoding, &["gzip", "x-gzip"]) => {
            read(MultiGzDecoder::new(answer.body), room).ok()?;
        }
        (Some(encoding), None) if is_one_of(encoding, &["deflate"]) => {
            read(ZlibDecoder::new(answer.body), room).ok()?;
        }
        _ => return None,
    }
    let is_whole = room.len() as u64 <= BODY_MAX;
    is_whole.then_some(Answer { body: room, ..*answer })
}

fn is_one_of(encoding: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| encoding.eq_ignore_ascii_case(name.as_bytes()))
}

fn read(decoder: impl Read, room: &mut Vec<u8>) -> Result<usize> {
    decoder.take(BODY_MAX + 1).read_to_end(room)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn body(head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let answer = Answer {
            status: 200,
            head,
            body,
        };
        decoded(&answer, &mut Vec::new()).map(|answer| answer.body.to_vec())
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_body_is_what_it_was_before() {
        assert_eq!(body(b"content-encoding: GZIP\r\n", &gzip(b"hello")).unwrap(), b"hello");
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"hello").unwrap();
        let deflated = encoder.finish().unwrap();
        assert_eq!(body(b"content-encoding: deflate\r\n", &deflated).unwrap(), b"hello");
        assert_eq!(body(b"a: b\r\n", b"hello").unwrap(), b"hello");
        assert_eq!(body(b"content-encoding: identity\r\n", b"hello").unwrap(), b"hello");
    }

    #[test]
    fn what_cannot_be_made_out_is_no_answer_and_neither_is_a_bomb() {
        assert_eq!(body(b"content-encoding: br\r\n", b"hello"), None);
        assert_eq!(body(b"content-encoding: gzip\r\n", b"hello"), None);
        let whole = gzip(b"hello and more");
        assert_eq!(body(b"content-encoding: gzip\r\n", &whole[..whole.len() - 4]), None);
        assert_eq!(
            body(b"content-encoding: gzip\r\ncontent-encoding: gzip\r\n", &gzip(&whole)),
            None
        );
        let bomb = gzip(&vec![0; 100 << 20]);
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        let mut room = Vec::new();
        let answer = Answer {
            status: 200,
            head: b"content-encoding: gzip\r\n",
            body: &bomb,
        };
        assert!(decoded(&answer, &mut room).is_none());
        assert!(room.capacity() < 16 << 20, "{}", room.capacity());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let answer = Answer { status: 200, head: b"content-encoding: gzip\r\n", body: &body };
            decoded(&answer, &mut Vec::new());
        }
    }
}
