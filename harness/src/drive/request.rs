//! From an arrival to the bytes of an HTTP request.

use std::io::Write as _;

use super::Signer;
use crate::arrival::Arrival;
use crate::workload::Placement;

/// A chat that requests can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chat {
    /// The server's id.
    pub id: u64,
    /// Where it lives, where that is known.
    pub placement: Option<Placement>,
}

/// What the requests of one traffic entry are.
#[derive(Debug, Clone)]
pub enum Sends {
    /// A new user joins one of the chats.
    Join(Vec<Chat>),
    /// The members of one of the chats are counted.
    Count(Vec<Chat>),
    /// A plain GET of a path.
    Get(String),
}

impl Sends {
    fn chat(&self, arrival: &Arrival) -> Option<Chat> {
        match self {
            Self::Join(chats) | Self::Count(chats) => chats.get(arrival.chat).copied(),
            Self::Get(_) => None,
        }
    }
}

/// What to send for each traffic entry.
#[derive(Debug)]
pub struct RequestPlan {
    entries: Vec<Sends>,
    signer: Signer,
    authority: String,
}

/// The result keeps each traffic entry apart by placement: lane `2 × entry` is the hot chat's shard (or everything,
/// where nothing lives on shards), the next one the other shards.
#[derive(Debug, Clone, Copy)]
pub struct LaneTable;

impl LaneTable {
    /// Number of lanes for `entries` traffic entries.
    #[must_use]
    pub fn len(entries: usize) -> usize {
        2 * entries
    }

    /// The lane of an entry at a placement.
    #[must_use]
    pub fn lane(entry: usize, placement: Option<Placement>) -> usize {
        2 * entry + usize::from(placement == Some(Placement::OtherShards))
    }
}

impl RequestPlan {
    /// Requests to `authority` (`host:port`) for the traffic entries in order.
    #[must_use]
    pub fn new(authority: &str, entries: Vec<Sends>, signer: Signer) -> Self {
        Self {
            entries,
            signer,
            authority: authority.to_owned(),
        }
    }

    /// Number of lanes that the result has.
    #[must_use]
    pub fn lanes(&self) -> usize {
        LaneTable::len(self.entries.len())
    }

    pub(crate) fn lane(&self, arrival: &Arrival) -> usize {
        let placement = self.entries[arrival.flow].chat(arrival).and_then(|chat| chat.placement);
        LaneTable::lane(arrival.flow, placement)
    }

    /// Appends the request of an arrival. Users are new with every arrival, and the same again with the same seed.
    pub(crate) fn write(&self, arrival: &Arrival, to: &mut Vec<u8>) {
        let entry = &self.entries[arrival.flow];
        let chat = entry.chat(arrival).map_or(0, |chat| chat.id);
        let user = user(arrival);
        let host = &self.authority;
        let written = match entry {
            Sends::Get(path) => write!(to, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            Sends::Count(_) => write!(
                to,
                "GET /v1/chats/{chat}/members/count HTTP/1.1\r\nhost: {host}\r\nauthorization: {}\r\n\r\n",
                self.signer.bearer(user)
            ),
            Sends::Join(_) => {
                let body = format!("{{\"name\":\"u{user}\"}}");
                write!(
                    to,
                    "POST /v1/chats/{chat}/members HTTP/1.1\r\nhost: {host}\r\nauthorization: {}\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    self.signer.bearer(user),
                    body.len()
                )
            }
        };
        written.expect("writing to memory cannot fail");
    }
}

/// The user of an arrival: unique within a cell, and far from the ids of the members that chats start with.
fn user(arrival: &Arrival) -> u64 {
    ((arrival.flow as u64 + 1) << 40) | arrival.ordinal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sends: Sends) -> String {
        let plan = RequestPlan::new("127.0.0.1:80", vec![sends], Signer::new("secret", 9));
        let mut bytes = Vec::new();
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 5,
            chat: 1,
        };
        plan.write(&arrival, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn requests_are_whole_and_name_chat_and_user() {
        let chats: Vec<Chat> = [7, 8].map(|id| Chat { id, placement: None }).into();
        assert_eq!(
            written(Sends::Get("/x?y=1".into())),
            "GET /x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n"
        );
        let count = written(Sends::Count(chats.clone()));
        assert!(
            count.starts_with("GET /v1/chats/8/members/count HTTP/1.1\r\n") && count.ends_with("\r\n\r\n"),
            "{count}"
        );
        let join = written(Sends::Join(chats));
        let (head, body) = join.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/chats/8/members HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains(&format!("authorization: Bearer {}.9.", (1u64 << 40) | 5)),
            "{head}"
        );
        assert_eq!(body, format!("{{\"name\":\"u{}\"}}", (1u64 << 40) | 5));
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }
}
