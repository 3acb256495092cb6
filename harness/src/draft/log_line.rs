//! A line of an access log: common or combined, or a JSON object.
//!
//! ```text
//!   10.0.0.1 - ann [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "referer" "agent"
//!   {"time": "2000-10-10T13:55:36Z", "method": "GET", "uri": "/a", "status": 200}
//! ```
//!
//! A leaf.

use std::collections::BTreeMap;

use jiff::fmt::strtime::BrokenDownTime;
use serde_json::Value as Json;

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) status: Option<u16>,
    /// Seconds since 1970 by the clock of the log.
    pub(super) second: Option<i64>,
}

impl Line {
    /// `None` of a line that is no request.
    pub(super) fn read(line: &str) -> Option<Self> {
        match line.trim_start().starts_with('{') {
            true => Self::from_json(line),
            false => Self::from_common(line),
        }
    }

    fn from_common(line: &str) -> Option<Self> {
        let open = line.find('"')?;
        let (before, rest) = (&line[..open], &line[open + 1..]);
        let close = closing_quote(rest)?;
        let (method, target) = request_line(&rest[..close])?;
        let time = before.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let status = rest[close + 1..].split_whitespace().next();
        Some(Self {
            method,
            target,
            status: status.and_then(|status| status.parse().ok()),
            second: time.and_then(|(time, _)| second(time)),
        })
    }

    fn from_json(line: &str) -> Option<Self> {
        let Json::Object(object) = serde_json::from_str(line).ok()? else {
            return None;
        };
        let mut fields = BTreeMap::new();
        flatten("", &object, 0, &mut fields);
        let text = |names: &[&str]| names.iter().find_map(|name| fields.get(*name)?.as_str());
        let whole = text(&LINES).and_then(request_line);
        let method = text(&METHODS).map(str::to_owned);
        let (method, mut target) = match (whole, method, text(&TARGETS)) {
            (_, Some(method), Some(target)) => (method, target.to_owned()),
            (Some(whole), _, _) => whole,
            _ => return None,
        };
        if let Some(query) = text(&QUERIES).filter(|query| !query.is_empty() && *query != "-" && !target.contains('?'))
        {
            target.push('?');
            target.push_str(query.trim_start_matches('?'));
        }
        let status = STATUSES.iter().find_map(|name| match fields.get(*name)? {
            Json::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        });
        let second = TIMES.iter().find_map(|name| match fields.get(*name)? {
            Json::String(text) => second(text),
            number => epoch(number.as_f64()?),
        });
        Some(Self {
            method,
            target,
            status,
            second,
        })
    }
}

/// Names of fields, without what separates their words; `request: {uri: …}` is `requesturi`.
const LINES: [&str; 3] = ["request", "requestline", "httprequest"];
const METHODS: [&str; 8] = [
    "method",
    "requestmethod",
    "httpmethod",
    "httprequestmethod",
    "httprequestrequestmethod",
    "reqmethod",
    "verb",
    "csmethod",
];
const TARGETS: [&str; 17] = [
    "requesturi",
    "uri",
    "target",
    "requesttarget",
    "requesturl",
    "httprequestrequesturl",
    "url",
    "requestpath",
    "path",
    "urloriginal",
    "httptarget",
    "httpurl",
    "urlpath",
    "requrl",
    "httppath",
    "rawpath",
    "csuristem",
];
const QUERIES: [&str; 6] = ["querystring", "args", "query", "urlquery", "requestquery", "csuriquery"];
const STATUSES: [&str; 13] = [
    "status",
    "statuscode",
    "responsestatus",
    "responsecode",
    "responsestatuscode",
    "httpstatus",
    "httpstatuscode",
    "httpresponsestatuscode",
    "httprequeststatus",
    "downstreamstatus",
    "resstatuscode",
    "scstatus",
    "code",
];
const TIMES: [&str; 12] = [
    "timestamp",
    "time",
    "timelocal",
    "timeiso8601",
    "ts",
    "datetime",
    "date",
    "msec",
    "starttime",
    "startlocal",
    "startutc",
    "eventtime",
];

fn flatten(prefix: &str, object: &serde_json::Map<String, Json>, depth: u8, into: &mut BTreeMap<String, Json>) {
    for (name, value) in object {
        let plain = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase());
        let name: String = prefix.chars().chain(plain).collect();
        match value {
            Json::Object(inner) if depth < 3 => flatten(&name, inner, depth + 1, into),
            value => drop(into.entry(name).or_insert_with(|| value.clone())),
        }
    }
}

/// `GET /path HTTP/1.1`, also without its version.
fn request_line(text: &str) -> Option<(String, String)> {
    let (method, rest) = text.trim().split_once(' ')?;
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        _ => rest,
    };
    let is_method = !method.is_empty() && method.len() <= 20 && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method.then(|| (method.to_owned(), target.trim().to_owned()))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// A time as logs have it.
fn second(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return epoch(number);
    }
    let forms = ["%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S"];
    if let Some(time) = forms
        .iter()
        .find_map(|form| BrokenDownTime::parse(form, text).ok()?.to_datetime().ok())
    {
        return by_own_clock(time);
    }
    // The clock of the log counts, so the offset from UTC is read over.
    let time: jiff::civil::DateTime = match text.strip_suffix('Z') {
        Some(civil) => civil.parse().ok()?,
        None => text.parse().ok()?,
    };
    by_own_clock(time)
}

fn by_own_clock(time: jiff::civil::DateTime) -> Option<i64> {
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(utc.timestamp().as_second())
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970; smaller numbers are no times but durations.
fn epoch(number: f64) -> Option<i64> {
    let seconds = match number {
        _ if (1e8..1e11).contains(&number) => number,
        _ if (1e11..1e14).contains(&number) => number / 1e3,
        _ if (1e14..1e17).contains(&number) => number / 1e6,
        _ if (1e17..1e20).contains(&number) => number / 1e9,
        _ => return None,
    };
    Some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_all_forms_are_read() {
        // 2000-10-10 13:55:36 by the clock of the log.
        let at = Some(971_186_136);
        for (line, method, target, status, second) in [
            (
                "h - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 23",
                "GET",
                "/a",
                Some(200),
                at,
            ),
            (
                "v:80 h - u [10/Oct/2000:13:55:36 +0000] \"POST /a b HTTP/1.1\" 201 - \"-\" \"x\" 0.1",
                "POST",
                "/a b",
                Some(201),
                at,
            ),
            ("h - - [bad] \"GET /a\\\"b HTTP/1.1\" - 0", "GET", "/a\\\"b", None, None),
            (
                "{\"time\":\"2000-10-10T13:55:36+09:00\",\"method\":\"GET\",\"uri\":\"/a\",\"status\":\"200\"}",
                "GET",
                "/a",
                Some(200),
                at,
            ),
            (
                "{\"ts\":971186136.5,\"request\":{\"method\":\"GET\",\"uri\":\"/a?b\"},\"status\":200}",
                "GET",
                "/a?b",
                Some(200),
                at,
            ),
            (
                "{\"time\":0.2,\"@timestamp\":\"2000-10-10T13:55:36Z\",\"request\":\"GET /a HTTP/2.0\",\"status\":200}",
                "GET",
                "/a",
                Some(200),
                at,
            ),
            (
                "{\"msec\":\"971186136000\",\"RequestMethod\":\"GET\",\"RequestPath\":\"/a\",\"query_string\":\"x=1\",\"DownstreamStatus\":200}",
                "GET",
                "/a?x=1",
                Some(200),
                at,
            ),
            (
                "{\"httpRequest\":{\"requestMethod\":\"GET\",\"requestUrl\":\"http://h/a\",\"status\":204},\"time\":\"2000-10-10 13:55:36\"}",
                "GET",
                "http://h/a",
                Some(204),
                at,
            ),
        ] {
            let read = Line {
                method: method.to_owned(),
                target: target.to_owned(),
                status,
                second,
            };
            assert_eq!(Line::read(line), Some(read), "{line}");
        }
    }

    #[test]
    fn what_is_no_request_is_none() {
        for line in [
            "",
            "x",
            "h \"\\x16\\x03\" 400 0",
            "{",
            "{}",
            "[]",
            "h - - [x] \"-\" 408 0",
            "\"GET",
        ] {
            assert_eq!(Line::read(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in any::<String>(), time in "[0-9TZ:+./ -]{0,30}") {
            let _ = (Line::read(&line), second(&time));
            let _ = Line::read(&format!("h [{time}] \"GET {line} HTTP/1.1\" 200"));
        }
    }
}
