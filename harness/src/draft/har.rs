//! Recordings of a browser: HAR 1.2.
//!
//! What a page asks of its own server is kept; static files and other servers are left out. The first request of a kind
//! gives headers and body.

use std::collections::HashMap;

use serde::Deserialize;

use super::address::Address;
use super::body::recorded;
use super::entries::{Entries, entries};
use super::error::DraftError;
use super::found::{Found, counted, is_safe, method_key};
use super::groups::{Example, Groups, Request};
use super::secret::{self, Header};

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    request: Sent,
    #[serde(default)]
    response: Answer,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default, rename = "postData")]
    body: Option<Posted>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Posted {
    mime_type: String,
    text: String,
    params: Vec<Pair>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    status: i64,
    content: Content,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    mime_type: String,
}

impl Recorded {
    /// Whether the answer says that it is a static file, whatever its name.
    fn is_static(&self) -> bool {
        let media = &self.response.content.mime_type;
        let kinds = ["image/", "font/", "video/", "audio/", "text/css"];
        kinds.iter().any(|kind| media.starts_with(kind)) || media.contains("javascript")
    }

    fn example(&self) -> Example {
        let mut example = Example::default();
        for Pair { name, value } in &self.request.headers {
            let name = name.to_ascii_lowercase();
            match secret::header(&name, value) {
                // A body says itself what it is.
                _ if name == "content-type" => {}
                Header::Kept if example.headers.iter().all(|(known, _)| *known != name) => {
                    example.headers.push((name, value.clone()));
                }
                Header::Withheld if !example.withheld.contains(&name) => example.withheld.push(name),
                _ => {}
            }
        }
        if let Some(posted) = self
            .request
            .body
            .as_ref()
            .filter(|_| method_key(&self.request.method).is_some_and(|method| !is_safe(method)))
        {
            let content_type = Some(posted.mime_type.as_str()).filter(|media| !media.is_empty());
            example.recorded = recorded(&posted.body(), content_type);
        }
        example
    }
}

impl Posted {
    /// Some browsers write the fields of a form only.
    fn body(&self) -> String {
        if !self.text.is_empty() {
            return self.text.clone();
        }
        let encoded = super::address::encoded_value;
        let fields = self
            .params
            .iter()
            .map(|field| format!("{}={}", encoded(&field.name), encoded(&field.value)));
        fields.collect::<Vec<_>>().join("&")
    }
}

/// What a recording tells of the traffic.
///
/// # Errors
/// When it is no HAR, or has no request for anything but static files.
pub fn from_har(har: &[u8]) -> Result<Found, DraftError> {
    let har = har.strip_prefix(b"\xef\xbb\xbf").unwrap_or(har);
    let har: Har = serde_json::from_slice(har).map_err(|error| {
        let next = "expected HAR 1.2, as the network panel of a browser exports it: {\"log\": {\"entries\": […]}}";
        DraftError::new(format!("is no HAR: {error}"), next).at(error.line() as u64)
    })?;
    let all = har.log.entries;
    let (origin, others) = origins(&all);
    let mut groups = Groups::default();
    let mut other_methods = 0_u64;
    for entry in &all {
        let Some(address) = Address::read(&entry.request.url).filter(|address| address.origin == origin) else {
            continue;
        };
        if entry.is_static() {
            groups.statics += 1;
            continue;
        }
        let Some(method) = method_key(&entry.request.method) else {
            other_methods += 1;
            continue;
        };
        let status = u16::try_from(entry.response.status).ok().filter(|status| *status > 0);
        let request = Request {
            method,
            address,
            status,
        };
        if let Some(group) = groups.add(&request)
            && group.example.is_none()
        {
            group.example = Some(entry.example());
        }
    }
    if groups.groups.is_empty() {
        let next = "record the page again with the network panel open, then export it with its content";
        return Err(DraftError::new(
            "no request in it is for anything but static files",
            next,
        ));
    }
    let Entries {
        entries,
        data,
        mut notes,
    } = entries(groups);
    if !others.is_empty() {
        notes.push(format!("Left out: requests to other servers: {}.", others.join(", ")));
    }
    if other_methods > 0 {
        let requests = counted(other_methods, "request");
        notes.push(format!(
            "Left out: {requests} with a method that a workload does not know."
        ));
    }
    notes.push(
        "The shares are those of one visit. Headers and bodies are those of the first request of each kind.".to_owned(),
    );
    Ok(Found {
        origin,
        notes,
        data,
        entries,
        ..Found::default()
    })
}

/// The server that was asked most often for anything but static files, and the others with their counts.
fn origins(all: &[Recorded]) -> (Option<String>, Vec<String>) {
    let mut seen: Vec<(String, u64, u64)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in all {
        let Some(address) = Address::read(&entry.request.url) else {
            continue;
        };
        let is_static = entry.is_static() || super::address::is_static(address.path);
        let Some(origin) = address.origin else { continue };
        let at = *places.entry(origin.clone()).or_insert_with(|| {
            seen.push((origin, 0, 0));
            seen.len() - 1
        });
        seen[at].1 += 1;
        seen[at].2 += u64::from(!is_static);
    }
    // The sort is stable: of equals, the one that was asked first.
    seen.sort_by_key(|(_, _, dynamic)| std::cmp::Reverse(*dynamic));
    let mut seen = seen.into_iter();
    let own = seen.next().map(|(origin, _, _)| origin);
    let others = seen.take(8).map(|(origin, count, _)| format!("{origin} ({count})"));
    (own, others.collect())
}
