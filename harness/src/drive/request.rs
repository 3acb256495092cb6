//! From an arrival to an HTTP request.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};

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
    /// A plain GET.
    Get(Uri),
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
    headers: HeaderMap,
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
    ///
    /// # Errors
    /// When `authority` cannot be a `Host` header.
    pub fn new(
        authority: &str,
        entries: Vec<Sends>,
        signer: Signer,
    ) -> Result<Self, hyper::header::InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(authority)?);
        Ok(Self {
            entries,
            signer,
            headers,
        })
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

    /// The request of an arrival. Users are new with every arrival, and the same again with the same seed.
    pub(crate) fn build(&self, arrival: &Arrival) -> Request<Full<Bytes>> {
        let entry = &self.entries[arrival.flow];
        let chat = entry.chat(arrival).map_or(0, |chat| chat.id);
        let mut request = match entry {
            Sends::Get(uri) => {
                let mut request = Request::new(Full::default());
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = self.headers.clone();
                return request;
            }
            Sends::Count(_) => {
                let mut request = Request::new(Full::default());
                *request.uri_mut() = path(format!("/v1/chats/{chat}/members/count"));
                request
            }
            Sends::Join(_) => {
                let body = format!("{{\"name\":\"u{}\"}}", user(arrival));
                let mut request = Request::new(Full::from(body));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = path(format!("/v1/chats/{chat}/members"));
                request
            }
        };
        let is_join = matches!(entry, Sends::Join(_));
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        if is_join {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let bearer = HeaderValue::from_maybe_shared(Bytes::from(self.signer.bearer(user(arrival))))
            .expect("a token is plain ASCII");
        headers.insert(AUTHORIZATION, bearer);
        request
    }
}

fn path(text: String) -> Uri {
    Uri::from_maybe_shared(Bytes::from(text)).expect("a path of letters and digits is a URI")
}

/// The user of an arrival: unique within a cell, and far from the ids of the members that chats start with.
fn user(arrival: &Arrival) -> u64 {
    ((arrival.flow as u64 + 1) << 40) | arrival.ordinal
}
