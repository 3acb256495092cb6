//! From an arrival to its request, and from a successful answer to the write that it acknowledges.
//!
//! Pure: knows what chats are and what the server's interface looks like, and nothing of connections or time.

use std::fmt::Arguments;

use super::token::Signer;
use super::wire::{Chat, Cursor, FIRST_MEMBER, Revision, message};
use crate::arrival::Arrival;
use crate::record::{Joined, Sent};
use crate::scenario::{Place, SeriesTable};
use crate::transport::{Origin, Request};

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
            Self::Join(chats) | Self::Count(chats) | Self::Follow(chats) => chats.get(arrival.item).copied(),
            Self::Send(post) | Self::Fetch(post) => post.chats.get(arrival.item).copied(),
        }
    }
}

/// What to send for each traffic entry.
#[derive(Debug)]
pub struct RequestPlan {
    entries: Vec<Option<Sends>>,
    signer: Signer,
    to: Origin,
}

impl RequestPlan {
    /// Requests to `to` for the traffic entries in order; `None` of an entry of another scenario.
    #[must_use]
    pub fn new(to: Origin, entries: Vec<Option<Sends>>, signer: Signer) -> Self {
        Self { entries, signer, to }
    }

    fn sends(&self, arrival: &Arrival) -> &Sends {
        let sends = self.entries[arrival.flow].as_ref();
        sends.expect("an arrival of this scenario is of an entry of its own")
    }

    /// The series of an arrival, and the shard that its chat lives on, where that is known.
    pub(crate) fn place(&self, arrival: &Arrival) -> Place {
        let chat = self.sends(arrival).chat(arrival);
        Place {
            series: SeriesTable::series(arrival.flow, chat.and_then(|chat| chat.placement)),
            shard: chat.and_then(|chat| chat.shard),
        }
    }

    /// What the server acknowledges by answering with success; `Some(Err)` where the answer does not say what was
    /// stored. `None` of what writes nothing. `first_ns` as in [`Self::write`].
    pub(crate) fn acknowledged(
        &self,
        arrival: &Arrival,
        first_ns: u64,
        body: &[u8],
    ) -> Option<Result<Write, serde_json::Error>> {
        let sends = self.sends(arrival);
        let chat = sends.chat(arrival)?.id;
        match sends {
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
        matches!(self.sends(arrival), Sends::Send(_))
    }

    /// Whether the answer is of interest to members who are online.
    pub(crate) fn concerns_members(&self, arrival: &Arrival) -> bool {
        match self.sends(arrival) {
            Sends::Follow(_) => true,
            Sends::Send(post) => post.is_followed,
            _ => false,
        }
    }

    /// URL and `Authorization` of a member's WebSocket.
    pub(crate) fn push_address(&self, chat: Chat, user: u64) -> (String, String) {
        let url = self.to.websocket_url(format_args!("/v1/push?chat_id={}", chat.id));
        (url, self.signer.bearer(user))
    }

    /// Whether the request may be sent again when it is not known whether the server has seen it: it writes nothing.
    pub(crate) fn is_repeatable(&self, arrival: &Arrival) -> bool {
        !matches!(self.sends(arrival), Sends::Join(_) | Sends::Send(_))
    }

    /// Writes the request of an arrival. Users that join are new with every arrival, and the same again with the same
    /// seed. A `cursor` says who fetches, where members do. A message says when its first attempt was due, `first_ns`:
    /// an event is as old as that, however often it was retried.
    pub(crate) fn write(&self, arrival: &Arrival, first_ns: u64, cursor: Option<Cursor>, to: &mut Request) {
        let sends = self.sends(arrival);
        let chat = sends.chat(arrival).map_or(0, |chat| chat.id);
        match sends {
            Sends::Count(_) => self.get(format_args!("/v1/chats/{chat}/members/count"), user(arrival), to),
            Sends::Join(_) => {
                let user = user(arrival);
                let body = format!("{{\"name\":\"u{user}\"}}");
                self.post(format_args!("/v1/chats/{chat}/members"), user, &body, to);
            }
            Sends::Send(post) => {
                let body = format!("{{\"kind\":\"message\",\"body\":\"{}\"}}", message(first_ns));
                self.post(format_args!("/v1/chats/{chat}/events"), post.user(arrival), &body, to);
            }
            Sends::Fetch(post) => {
                let first = Cursor {
                    user: post.user(arrival),
                    after: 0,
                    limit: FIRST_PAGE,
                };
                self.fetch(chat, first, to);
            }
            Sends::Follow(_) => self.fetch(chat, cursor.expect("members say what they have"), to),
        }
    }

    fn fetch(&self, chat: u64, cursor: Cursor, to: &mut Request) {
        let Cursor { user, after, limit } = cursor;
        self.get(
            format_args!("/v1/chats/{chat}/events?after={after}&limit={limit}"),
            user,
            to,
        );
    }

    fn get(&self, path: Arguments<'_>, user: u64, to: &mut Request) {
        let head = to.start("GET", &self.to, path);
        head.header("authorization", format_args!("{}", self.signer.bearer(user)))
            .end();
    }

    fn post(&self, path: Arguments<'_>, user: u64, body: &str, to: &mut Request) {
        let head = to.start("POST", &self.to, path);
        head.header("authorization", format_args!("{}", self.signer.bearer(user)))
            .header("content-type", format_args!("application/json"))
            .end_with(body.as_bytes());
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
        let to = Origin::new("127.0.0.1:80", "");
        let plan = RequestPlan::new(to, vec![Some(sends)], Signer::new("secret", 9));
        let mut request = Request::new();
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 5,
            item: 1,
            host: 0,
        };
        plan.write(&arrival, 17, cursor, &mut request);
        String::from_utf8(request.bytes().to_vec()).unwrap()
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
        let to = Origin::new("h:80", "/base");
        let plan = RequestPlan::new(to, vec![None, Some(Sends::Join(chats()))], Signer::new("secret", 9));
        let arrival = Arrival {
            intended_ns: 0,
            flow: 1,
            ordinal: 5,
            item: 1,
            host: 0,
        };
        let mut join = Request::new();
        plan.write(&arrival, 0, None, &mut join);
        let head = b"POST /base/v1/chats/8/members HTTP/1.1\r\nhost: h:80\r\n";
        assert!(join.bytes().starts_with(head));
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
