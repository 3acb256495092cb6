//! What answers have to be like: what the schema cannot judge.

use super::file::{BodyCheckFile, CheckFile, HeaderCheckFile, OneOrMany, SizeFile};
use super::judge::Judge;
use super::mistake::Mistake;
use super::shape::join;
use crate::template::{BodyCheck, Check, HeaderCheck, HeaderMust, Method, Must};

/// A body that is checked may not be longer.
const BODY_MAX: u64 = 4 << 20;

impl Judge<'_> {
    /// What the answers have to be like, as `path` has it in its `check`.
    pub(super) fn check(&mut self, path: &str, check: Option<&CheckFile>, method: Method) -> Check {
        let path = join(path, "check");
        let Some(check) = check else {
            return Check::default();
        };
        let status = check.status.as_ref().map_or(&[][..], OneOrMany::as_slice);
        if let Some(wrong) = status.iter().find(|status| !(200..=599).contains(*status)) {
            self.mistake(
                &join(&path, "status"),
                format!("no answer ends with status {wrong}"),
                "whole numbers from 200 to 599",
            );
        }
        let bodies = check.body.as_ref().map_or(&[][..], OneOrMany::as_slice);
        let headers = check.header.as_ref().map_or(&[][..], OneOrMany::as_slice);
        let empty = [
            ("status", check.status.is_some() && status.is_empty()),
            ("header", check.header.is_some() && headers.is_empty()),
            ("body", check.body.is_some() && bodies.is_empty()),
        ];
        for (key, _) in empty.into_iter().filter(|(_, is_empty)| *is_empty) {
            self.mistake(
                &join(&path, key),
                "an empty list checks nothing",
                format!("at least one, or leave `{key}` out"),
            );
        }
        for (key, is_given) in [("body", !bodies.is_empty()), ("size", check.size.is_some())] {
            if method == Method::Head && is_given {
                self.mistake(
                    &join(&path, key),
                    "the answer to a `head` has no body",
                    format!("leave `{key}` out"),
                );
            }
        }
        let headers = places(&join(&path, "header"), check.header.as_ref());
        let bodies = places(&join(&path, "body"), check.body.as_ref());
        Check {
            status: status.to_vec(),
            headers: headers
                .filter_map(|(at, header)| self.header_check(&at, header))
                .collect(),
            size: self.size_check(&join(&path, "size"), check.size.as_ref()),
            body: bodies.flat_map(|(at, body)| self.body_check(&at, body)).collect(),
        }
    }

    fn header_check(&mut self, path: &str, check: &HeaderCheckFile) -> Option<HeaderCheck> {
        self.has_no_values(path, check.equals.iter().chain(&check.contains));
        let name = self.header_name(&join(path, "name"), &check.name)?;
        let must = match (&check.equals, &check.contains) {
            (None, None) => HeaderMust::Exist,
            (Some(text), None) => HeaderMust::Equal(text.clone()),
            (None, Some(text)) => HeaderMust::Contain(text.clone()),
            (Some(_), Some(_)) => {
                self.mistake(
                    path,
                    "it is not clear what the header has to be like",
                    "equals: TEXT, or contains: TEXT, or only its name",
                );
                return None;
            }
        };
        Some(HeaderCheck { name, must })
    }

    fn size_check(&mut self, path: &str, size: Option<&SizeFile>) -> (Option<u64>, Option<u64>) {
        let Some(size) = size else {
            return (None, None);
        };
        let fits = |bound: Option<u64>| bound.is_none_or(|bytes| bytes <= BODY_MAX);
        let is_order = size.at_least.unwrap_or(0) <= size.at_most.unwrap_or(u64::MAX);
        if size.at_least.is_none() && size.at_most.is_none() {
            self.mistake(path, "the size has no limit", "at_most, at_least or both, in bytes");
        } else if !(fits(size.at_least) && fits(size.at_most) && is_order) {
            self.mistake(
                path,
                "no body that is checked is of such a size",
                format!("at_least not above at_most, and neither above {BODY_MAX}"),
            );
        }
        (size.at_least, size.at_most)
    }

    fn has_no_values<'a>(&mut self, path: &str, mut texts: impl Iterator<Item = &'a String>) {
        if texts.any(|text| text.contains("{{")) {
            self.mistake(
                path,
                "a check is the same for all arrivals and has no values in it",
                "text without {{",
            );
        }
    }

    pub(super) fn body_check(&mut self, path: &str, check: &BodyCheckFile) -> Vec<BodyCheck> {
        let equals = check
            .equals
            .as_ref()
            .and_then(|equals| equals.as_str().map(str::to_owned));
        self.has_no_values(path, check.contains.iter().chain(&equals));
        let limits = [check.above.map(Must::BeAbove), check.below.map(Must::BeBelow)];
        let equal = check.equals.clone().map(Must::Equal);
        let musts: Vec<Must> = equal.into_iter().chain(limits.into_iter().flatten()).collect();
        match (&check.contains, &check.json) {
            (Some(text), None) if musts.is_empty() => vec![BodyCheck::Contains(text.clone())],
            (None, Some(pointer)) => {
                self.pointer(&join(path, "json"), pointer);
                let musts = if musts.is_empty() { vec![Must::Exist] } else { musts };
                let of = |must| BodyCheck::Json {
                    pointer: pointer.clone(),
                    must,
                };
                musts.into_iter().map(of).collect()
            }
            _ => {
                self.mistake(
                    path,
                    "it is not clear what the body has to be like",
                    "either contains: TEXT, or json: POINTER, with equals, above or below where the value matters",
                );
                vec![]
            }
        }
    }
    /// A pointer into JSON (RFC 6901).
    pub(super) fn pointer(&mut self, path: &str, pointer: &str) {
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            self.mistake(
                path,
                format!("`{pointer}` is not a pointer into JSON"),
                "a pointer such as /items/0/price, in which ~1 is a / and ~0 is a ~; an empty one is the whole",
            );
        }
    }
}

/// One or many, each with its place.
fn places<'a, T>(path: &str, given: Option<&'a OneOrMany<T>>) -> impl Iterator<Item = (String, &'a T)> + use<'a, T> {
    let is_list = matches!(given, Some(OneOrMany::Many(_)));
    let path = path.to_owned();
    let all = given.map_or(&[][..], OneOrMany::as_slice).iter().enumerate();
    all.map(move |(index, one)| match is_list {
        true => (join(&path, &index.to_string()), one),
        false => (path.clone(), one),
    })
}

/// Says more than that a key is unknown, where people expect it.
pub(super) fn explain(mistakes: &mut [Mistake]) {
    let of_check = |mistake: &&mut Mistake| mistake.path.ends_with(".check.within");
    for mistake in mistakes.iter_mut().filter(of_check) {
        mistake.problem =
            "a check of the time would take slow answers out of `ok`, and so improve its latencies".to_owned();
        mistake.allowed = Some("a gate on the latency: {metric: response_p99, operation: …, at_most: 1s}".to_owned());
        mistake.nearest = None;
    }
}
