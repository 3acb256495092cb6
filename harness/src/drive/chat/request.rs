//! From an arrival to the bytes of an HTTP request, and from a successful answer to the write that it acknowledges.
//!
//! Pure: knows what chats are and what the server's interface looks like, and nothing of connections or time.

use std::io::Write as _;

use super::series::SeriesTable;
use super::token::Signer;
use super::wire::{Chat, Cursor, FIRST_MEMBER, Revision, message};
use crate::arrival::Arrival;
use crate::record::{Joined, Sent};

/// What the requests of one traffic entry are.
#[derive(Debug, Clone)]
pub enum Sends {
    /// A new user joins one of the chats.
    Join(Vec<Chat>),
    /// The members of one of the chats are counted.
    Count(Vec<Chat>),
    /// A member sends a message to one of the chats.
    Send(Post),
    /// A member fetches the first events of one of the chats.
    Fetch(Post),
    /// Members that are online fetch what they were told of.
    Follow(Vec<Chat>),
    /// A plain GET of a path.
    Get(String),
}

/// Something that only members of a chat may do.
#[derive(Debug, Clone)]
pub struct Post {
    /// The chats.
    pub chats: Vec<Chat>,
    /// Members of each.
    pub members: u32,
    /// Whether members that are online follow the chats, so that the answer is to be read.
    pub is_followed: bool,
}

impl Post {
    /// Members take turns.
    fn user(&self, arrival: &Arrival) -> u64 {
        FIRST_MEMBER + arrival.ordinal % u64::from(self.members.max(1))
    }
}

/// Events that a user who opens a chat sees at first.
const FIRST_PAGE: u32 = 20;

/// A write that the server acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Joined(Joined),
    Sent(Sent),
}

impl Sends {
    fn chat(&self, arrival: &Arrival) -> Option<Chat> {
        match self {
            Self::Join(chats) | Self::Count(chats) | Self::Follow(chats) => chats.get(arrival.chat).copied(),
            Self::Send(post) | Self::Fetch(post) => post.chats.get(arrival.chat).copied(),
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
    base: String,
}

impl RequestPlan {
    /// Requests to `authority` (`host:port`) for the traffic entries in order; every path starts with `base`, such as
    /// `/base` or nothing.
    #[must_use]
    pub fn new(authority: &str, base: &str, entries: Vec<Sends>, signer: Signer) -> Self {
        Self {
            entries,
            signer,
            authority: authority.to_owned(),
            base: base.to_owned(),
        }
    }

    /// Number of series that the result has.
    #[must_use]
    pub fn series_count(&self) -> usize {
        SeriesTable::len(self.entries.len())
    }

    pub(crate) fn series(&self, arrival: &Arrival) -> usize {
        let placement = self.entries[arrival.flow].chat(arrival).and_then(|chat| chat.placement);
        SeriesTable::series(arrival.flow, placement)
    }

    /// The shard that the arrival's chat lives on, where that is known.
    pub(crate) fn shard(&self, arrival: &Arrival) -> Option<u16> {
        self.entries[arrival.flow].chat(arrival)?.shard
    }

    /// What the server acknowledges by answering with success; `Some(Err)` where the answer does not say what was
    /// stored. `None` of what writes nothing. `first_ns` as in [`Self::write`].
    pub(crate) fn acknowledged(
        &self,
        arrival: &Arrival,
        first_ns: u64,
        body: &[u8],
    ) -> Option<Result<Write, serde_json::Error>> {
        let entry = &self.entries[arrival.flow];
        let chat = entry.chat(arrival)?.id;
        match entry {
            Sends::Join(_) => Some(Ok(Write::Joined(Joined {
                chat,
                user: user(arrival),
            }))),
            Sends::Send(_) => Some(serde_json::from_slice(body).map(|Revision { revision }| {
                Write::Sent(Sent {
                    chat,
                    revision,
                    intended_ns: first_ns,
                })
            })),
            _ => None,
        }
    }

    /// Whether the answer to the arrival says which revision was given.
    pub(crate) fn gets_revision(&self, arrival: &Arrival) -> bool {
        matches!(self.entries[arrival.flow], Sends::Send(_))
    }

    /// Whether the answer is of interest to members who are online.
    pub(crate) fn concerns_members(&self, arrival: &Arrival) -> bool {
        match &self.entries[arrival.flow] {
            Sends::Follow(_) => true,
            Sends::Send(post) => post.is_followed,
            _ => false,
        }
    }

    /// URL and `Authorization` of a member's WebSocket.
    pub(crate) fn push_address(&self, chat: Chat, user: u64) -> (String, String) {
        let url = format!("ws://{}{}/v1/push?chat_id={}", self.authority, self.base, chat.id);
        (url, self.signer.bearer(user))
    }

    /// Whether the request may be sent again when it is not known whether the server has seen it: it writes nothing.
    pub(crate) fn is_repeatable(&self, arrival: &Arrival) -> bool {
        !matches!(self.entries[arrival.flow], Sends::Join(_) | Sends::Send(_))
    }

    /// Appends the request of an arrival. Users that join are new with every arrival, and the same again with the same
    /// seed. A `cursor` says who fetches, where members do. A message says when its first attempt was due, `first_ns`:
    /// an event is as old as that, however often it was retried.
    pub(crate) fn write(&self, arrival: &Arrival, first_ns: u64, cursor: Option<Cursor>, to: &mut Vec<u8>) {
        let entry = &self.entries[arrival.flow];
        let chat = entry.chat(arrival).map_or(0, |chat| chat.id);
        match entry {
            Sends::Get(path) => self.get(path, None, to),
            Sends::Count(_) => self.get(&format!("/v1/chats/{chat}/members/count"), Some(user(arrival)), to),
            Sends::Join(_) => {
                let user = user(arrival);
                self.post(
                    &format!("/v1/chats/{chat}/members"),
                    user,
                    &format!("{{\"name\":\"u{user}\"}}"),
                    to,
                );
            }
            Sends::Send(post) => {
                let body = format!("{{\"kind\":\"message\",\"body\":\"{}\"}}", message(first_ns));
                self.post(&format!("/v1/chats/{chat}/events"), post.user(arrival), &body, to);
            }
            Sends::Fetch(post) => {
                let user = post.user(arrival);
                self.fetch(
                    chat,
                    Cursor {
                        user,
                        after: 0,
                        limit: FIRST_PAGE,
                    },
                    to,
                );
            }
            Sends::Follow(_) => self.fetch(chat, cursor.expect("members say what they have"), to),
        }
    }

    fn fetch(&self, chat: u64, cursor: Cursor, to: &mut Vec<u8>) {
        let Cursor { user, after, limit } = cursor;
        self.get(
            &format!("/v1/chats/{chat}/events?after={after}&limit={limit}"),
            Some(user),
            to,
        );
    }

    fn get(&self, path: &str, user: Option<u64>, to: &mut Vec<u8>) {
        let (host, base) = (&self.authority, &self.base);
        let written = write!(to, "GET {base}{path} HTTP/1.1\r\nhost: {host}\r\n");
        written.expect("writing to memory cannot fail");
        if let Some(user) = user {
            self.authorize(user, to);
        }
        to.extend_from_slice(b"\r\n");
    }

    fn post(&self, path: &str, user: u64, body: &str, to: &mut Vec<u8>) {
        let (host, base, length) = (&self.authority, &self.base, body.len());
        let written = write!(
            to,
            "POST {base}{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        );
        written.expect("writing to memory cannot fail");
        self.authorize(user, to);
        to.extend_from_slice(b"\r\n");
        to.extend_from_slice(body.as_bytes());
    }

    fn authorize(&self, user: u64, to: &mut Vec<u8>) {
        let written = write!(to, "authorization: {}\r\n", self.signer.bearer(user));
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

    fn written(sends: Sends, cursor: Option<Cursor>) -> String {
        let plan = RequestPlan::new("127.0.0.1:80", "", vec![sends], Signer::new("secret", 9));
        let mut bytes = Vec::new();
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 5,
            chat: 1,
        };
        plan.write(&arrival, 17, cursor, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    fn chats() -> Vec<Chat> {
        let chat = |id| Chat {
            id,
            placement: None,
            shard: None,
        };
        [7, 8].map(chat).into()
    }

    #[test]
    fn requests_are_whole_and_name_chat_and_user() {
        let chats = chats();
        assert_eq!(
            written(Sends::Get("/x?y=1".into()), None),
            "GET /x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n"
        );
        let count = written(Sends::Count(chats.clone()), None);
        assert!(
            count.starts_with("GET /v1/chats/8/members/count HTTP/1.1\r\n") && count.ends_with("\r\n\r\n"),
            "{count}"
        );
        let join = written(Sends::Join(chats.clone()), None);
        let (head, body) = join.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/chats/8/members HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains(&format!("authorization: Bearer {}.9.", (1u64 << 40) | 5)),
            "{head}"
        );
        assert_eq!(body, format!("{{\"name\":\"u{}\"}}", (1u64 << 40) | 5));
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }

    #[test]
    fn every_path_starts_with_the_base() {
        let plan = RequestPlan::new(
            "h:80",
            "/base",
            vec![Sends::Get("/x".into()), Sends::Join(chats())],
            Signer::new("secret", 9),
        );
        let arrival = |flow| Arrival {
            intended_ns: 0,
            flow,
            ordinal: 5,
            chat: 1,
        };
        let (mut get, mut join) = (Vec::new(), Vec::new());
        plan.write(&arrival(0), 0, None, &mut get);
        plan.write(&arrival(1), 0, None, &mut join);
        assert!(get.starts_with(b"GET /base/x HTTP/1.1\r\nhost: h:80\r\n"));
        assert!(join.starts_with(b"POST /base/v1/chats/8/members HTTP/1.1\r\nhost: h:80\r\n"));
        assert_eq!(plan.push_address(chats()[0], 1).0, "ws://h:80/base/v1/push?chat_id=7");
    }

    #[test]
    fn members_send_and_fetch_as_themselves() {
        let chats = chats();
        let post = Post {
            chats: chats.clone(),
            members: 3,
            is_followed: false,
        };
        let bearer = |user: u64| format!("authorization: Bearer {user}.9.");
        let send = written(Sends::Send(post.clone()), None);
        assert!(send.starts_with("POST /v1/chats/8/events HTTP/1.1\r\n"), "{send}");
        assert!(send.contains(&bearer(FIRST_MEMBER + 5 % 3)), "{send}");
        assert!(
            send.ends_with("\r\n\r\n{\"kind\":\"message\",\"body\":\"at 17\"}"),
            "{send}"
        );
        let fetch = written(Sends::Fetch(post), None);
        assert!(
            fetch.starts_with("GET /v1/chats/8/events?after=0&limit=20 HTTP/1.1\r\n"),
            "{fetch}"
        );
        let cursor = Cursor {
            user: 77,
            after: 41,
            limit: 100,
        };
        let follow = written(Sends::Follow(chats), Some(cursor));
        assert!(
            follow.starts_with("GET /v1/chats/8/events?after=41&limit=100 HTTP/1.1\r\n"),
            "{follow}"
        );
        assert!(follow.contains(&bearer(77)), "{follow}");
    }
}
