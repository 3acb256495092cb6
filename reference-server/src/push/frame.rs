//! A push in wire format: the text frame `{"chat_id":…,"revision":…}`, encoded once for all members.

use tungstenite::protocol::frame::Frame as WebSocketFrame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// A header of 2 bytes, 24 bytes of JSON, two numbers of at most 20 digits.
const LENGTH_MAX: usize = 2 + 24 + 40;

/// An encoded push; server frames are not masked, so all members get the same bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    bytes: [u8; LENGTH_MAX],
    length: usize,
    pub(super) revision: u64,
}

impl Frame {
    pub(super) fn new(chat_id: u64, revision: u64) -> Self {
        let json = format!(r#"{{"chat_id":{chat_id},"revision":{revision}}}"#);
        let frame = WebSocketFrame::message(json, OpCode::Data(Data::Text), true);
        let mut bytes = [0; LENGTH_MAX];
        let mut left = bytes.as_mut_slice();
        frame.format(&mut left).expect("a push fits LENGTH_MAX");
        let length = LENGTH_MAX - left.len();
        Self {
            bytes,
            length,
            revision,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_one_unmasked_text_frame() {
        let frame = Frame::new(12, 345);
        assert_eq!(frame.bytes()[..2], [0x81, 29]);
        assert_eq!(&frame.bytes()[2..], br#"{"chat_id":12,"revision":345}"#);
        assert_eq!(Frame::new(u64::MAX, u64::MAX).bytes().len(), LENGTH_MAX);
    }
}
