//! The parts of an address: words, and places for values.

use std::collections::BTreeMap;

use super::address::{decoded, encoded, looks_like_id, pairs};
use super::secret::{LEFT_OUT, announces_secret, is_secret_name, is_secret_value};

/// Different values that are kept of one place, and of all.
const VALUES_MAX: usize = 10_000;
const ALL_VALUES_MAX: usize = 1_000_000;

/// A segment of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Percent-encoded.
    Word(String),
    Value(Slot),
}

/// The values of one place, decoded, with how often each was there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Slot {
    pub(super) values: BTreeMap<String, u64>,
    /// How often there were values beyond those that are kept.
    pub(super) beyond: u64,
}

impl Slot {
    pub(super) fn add(&mut self, value: String, count: u64, all: &mut usize) {
        if let Some(known) = self.values.get_mut(&value) {
            *known += count;
        } else if self.values.len() < VALUES_MAX && *all < ALL_VALUES_MAX {
            *all += 1;
            self.values.insert(value, count);
        } else {
            self.beyond += count;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        let mut all = 0;
        for (value, count) in other.values {
            self.add(value, count, &mut all);
        }
        self.beyond += other.beyond;
    }
}

/// A segment of one request's path.
pub(super) enum Segment {
    Word(String),
    /// Decoded.
    Id(String),
}

impl Segment {
    /// Its place, without a value.
    pub(super) fn part(&self) -> Part {
        match self {
            Self::Word(word) => Part::Word(word.clone()),
            Self::Id(_) => Part::Value(Slot::default()),
        }
    }
}

pub(super) fn segments(path: &str, left_out: &mut Vec<String>) -> Vec<Segment> {
    let mut before = "";
    let parts = path.strip_prefix('/').unwrap_or(path).split('/');
    let read = parts.map(|part| {
        let value = decoded(part, false).filter(|value| looks_like_id(value));
        let is_secret = is_secret_value(part) || part.len() >= 8 && value.is_some() && announces_secret(before);
        let segment = match value {
            _ if is_secret => {
                left_out.push(format!("what comes after /{before}/", before = encoded(before)));
                Segment::Word(LEFT_OUT.to_owned())
            }
            Some(value) => Segment::Id(value),
            None => Segment::Word(encoded(part)),
        };
        before = part;
        segment
    });
    read.collect()
}

pub(super) fn parameters(query: &str, left_out: &mut Vec<String>) -> Vec<(String, Option<String>)> {
    let mut parameters = Vec::new();
    for (name, value) in pairs(query) {
        let is_secret = is_secret_name(name) || value.is_some_and(is_secret_value);
        if is_secret {
            left_out.push(format!("the parameter {}", encoded(name)));
            continue;
        }
        // A value that is not UTF-8 is left as it is written.
        let value = value.map(|value| decoded(value, true).unwrap_or_else(|| value.to_owned()));
        parameters.push((encoded(name), value));
    }
    parameters
}

pub(super) fn shape(method: &str, segments: &[Segment], query: &[(String, Option<String>)]) -> String {
    let mut shape = method.to_owned();
    for segment in segments {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Word(word) => word,
            Segment::Id(_) => "{}",
        });
    }
    for (name, value) in query {
        shape.push_str(if value.is_some() { "?=" } else { "?" });
        shape.push_str(name);
    }
    shape
}
