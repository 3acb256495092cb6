//! Requests that differ only in their values are one kind of request.
//!
//! ```text
//!   GET /users/17?tab=a ─┐                                     17, 23
//!   GET /users/23?tab=b ─┴─► GET /users/{}?tab={}   with   and  a, b
//! ```
//!
//! Memory is bounded by the number of kinds and of different values, not by the number of requests.

use std::collections::{BTreeMap, HashMap};

use super::address::{Address, decoded, is_static};
use super::body::Recorded;
use super::parts::{Part, Segment, Slot, parameters, segments, shape};

/// Kinds of requests that are told apart; requests of further kinds are counted together.
const KINDS_MAX: usize = 20_000;
/// Bytes of an address, and parts of it.
const ADDRESS_MAX: usize = 4096;
const PARTS_MAX: usize = 32;
/// Words in one place of a path from which on they are taken for values, where each of them is rare.
const WORDS_MIN: usize = 20;
const RARE_PART: u64 = 50;

/// One request.
pub(super) struct Request<'a> {
    /// As a workload has it.
    pub(super) method: &'static str,
    pub(super) address: Address<'a>,
    pub(super) status: Option<u16>,
}

/// Headers and body of the first request of a kind.
#[derive(Debug, Default)]
pub(super) struct Example {
    pub(super) headers: Vec<(String, String)>,
    pub(super) withheld: Vec<String>,
    pub(super) recorded: Recorded,
}

/// A kind of request.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) method: &'static str,
    pub(super) path: Vec<Part>,
    /// By name, percent-encoded; `None` for one without `=`.
    pub(super) query: Vec<(String, Option<Slot>)>,
    pub(super) count: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) example: Option<Example>,
    /// What was left out of the address as a secret.
    pub(super) left_out: Vec<String>,
}

/// All kinds of requests.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_shape: HashMap<String, usize>,
    pub(super) groups: Vec<Group>,
    values: usize,
    /// Requests of kinds beyond those that are told apart, or with an address too long.
    pub(super) beyond: u64,
    /// Requests for static files.
    pub(super) statics: u64,
}

impl Groups {
    /// Counts a request; the group that it is of, unless it is left out.
    pub(super) fn add(&mut self, request: &Request<'_>) -> Option<&mut Group> {
        let Address { path, query, .. } = &request.address;
        if is_static(path) {
            self.statics += 1;
            return None;
        }
        let mut left_out = Vec::new();
        let path = if path.is_empty() { "/" } else { path };
        let segments = segments(path, &mut left_out);
        let query = parameters(query.unwrap_or_default(), &mut left_out);
        let is_long = path.len() > ADDRESS_MAX || segments.len() > PARTS_MAX || query.len() > PARTS_MAX;
        let shape = shape(request.method, &segments, &query);
        let known = self.by_shape.get(&shape).copied();
        if is_long || shape.len() > ADDRESS_MAX || known.is_none() && self.groups.len() == KINDS_MAX {
            self.beyond += 1;
            return None;
        }
        let at = known.unwrap_or_else(|| {
            self.by_shape.insert(shape, self.groups.len());
            self.groups.push(Group {
                method: request.method,
                path: segments.iter().map(Segment::part).collect(),
                query: query
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_ref().map(|_| Slot::default())))
                    .collect(),
                count: 0,
                statuses: BTreeMap::new(),
                example: None,
                left_out,
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        group.count += 1;
        if let Some(status) = request.status {
            *group.statuses.entry(status).or_default() += 1;
        }
        for (part, segment) in group.path.iter_mut().zip(segments) {
            if let (Part::Value(slot), Segment::Id(value)) = (part, segment) {
                slot.add(value, 1, &mut self.values);
            }
        }
        for ((_, slot), (_, value)) in group.query.iter_mut().zip(query) {
            if let (Some(slot), Some(value)) = (slot, value) {
                slot.add(value, 1, &mut self.values);
            }
        }
        Some(group)
    }

    /// Takes words that stand in the same place for values, where there are many and each is rare.
    pub(super) fn merge_words(&mut self) {
        let rare = self.groups.iter().map(|group| group.count).sum::<u64>() / RARE_PART;
        let longest = self.groups.iter().map(|group| group.path.len()).max().unwrap_or(0);
        for place in (0..longest).rev() {
            let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (at, group) in self.groups.iter().enumerate() {
                let is_value = match group.path.get(place) {
                    Some(Part::Word(word)) => !word.is_empty() && group.count <= rare,
                    Some(Part::Value(_)) => true,
                    None => false,
                };
                if is_value {
                    alike.entry(group.shape_without(place)).or_default().push(at);
                }
            }
            let mut merged = Vec::new();
            let has_many = |places: &Vec<usize>| places.len() >= WORDS_MIN;
            for places in alike.into_values().filter(has_many) {
                let (first, others) = (places[0], &places[1..]);
                self.groups[first].take_as_value(place);
                for other in others {
                    let mut other = std::mem::replace(&mut self.groups[*other], Group::none());
                    other.take_as_value(place);
                    self.groups[first].merge(other);
                }
                merged.extend_from_slice(others);
            }
            if !merged.is_empty() {
                self.groups.retain(|group| group.count > 0);
            }
        }
    }
}

impl Group {
    /// Takes the place of one that was merged into another.
    fn none() -> Self {
        Self {
            method: "get",
            path: Vec::new(),
            query: Vec::new(),
            count: 0,
            statuses: BTreeMap::new(),
            example: None,
            left_out: Vec::new(),
        }
    }

    /// How it is told: `GET /users/{}/orders?page`.
    pub(super) fn told(&self) -> String {
        let path = self.path.iter().map(|part| match part {
            Part::Word(word) => format!("/{word}"),
            Part::Value(_) => "/{}".to_owned(),
        });
        format!("{} {}", self.method.to_ascii_uppercase(), path.collect::<String>())
    }

    fn shape_without(&self, place: usize) -> String {
        let mut shape = self.method.to_owned();
        for (at, part) in self.path.iter().enumerate() {
            shape.push('/');
            match part {
                Part::Word(word) if at != place => shape.push_str(word),
                Part::Word(_) | Part::Value(_) => shape.push_str("{}"),
            }
        }
        for (name, value) in &self.query {
            shape.push_str(if value.is_some() { "?=" } else { "?" });
            shape.push_str(name);
        }
        shape
    }

    fn take_as_value(&mut self, place: usize) {
        if let Some(part) = self.path.get_mut(place)
            && let Part::Word(word) = part
        {
            let value = decoded(word, false).unwrap_or_else(|| word.clone());
            let values = BTreeMap::from([(value, self.count)]);
            *part = Part::Value(Slot { values, beyond: 0 });
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (own, others) in self.path.iter_mut().zip(other.path) {
            if let (Part::Value(own), Part::Value(others)) = (own, others) {
                own.merge(others);
            }
        }
        for ((_, own), (_, others)) in self.query.iter_mut().zip(other.query) {
            if let (Some(own), Some(others)) = (own, others) {
                own.merge(others);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(requests: &[String]) -> Groups {
        let mut groups = Groups::default();
        for target in requests {
            let address = Address::read(target).unwrap();
            groups.add(&Request {
                method: "get",
                address,
                status: Some(200),
            });
        }
        groups.merge_words();
        groups
    }

    fn told(groups: &Groups) -> Vec<(String, u64)> {
        groups.groups.iter().map(|group| (group.told(), group.count)).collect()
    }

    #[test]
    fn ids_and_parameters_are_values_and_static_files_are_left_out() {
        let requests = ["/users/17?tab=a", "/users/23?tab=b", "/users/me", "/app.js", "/"].map(str::to_owned);
        let groups = grouped(&requests);
        let kinds = [("GET /users/{}", 2), ("GET /users/me", 1), ("GET /", 1)];
        assert_eq!(told(&groups), kinds.map(|(kind, count)| (kind.to_owned(), count)));
        assert_eq!(groups.statics, 1);
        let Part::Value(slot) = &groups.groups[0].path[1] else {
            panic!("a value");
        };
        assert_eq!(slot.values.keys().collect::<Vec<_>>(), ["17", "23"]);
    }

    #[test]
    fn many_rare_words_in_one_place_are_values_and_a_few_are_not() {
        let wiki = |count: usize| -> Vec<String> {
            let pages = (0..count).map(|page| format!("/wiki/page{}", "x".repeat(page)));
            pages.chain((0..count * 60).map(|_| "/search".to_owned())).collect()
        };
        assert_eq!(told(&grouped(&wiki(WORDS_MIN)))[0], ("GET /wiki/{}".to_owned(), 20));
        assert_eq!(grouped(&wiki(WORDS_MIN - 1)).groups.len(), WORDS_MIN);
    }

    #[test]
    fn secrets_in_addresses_are_left_out() {
        let groups = grouped(&["/reset/9f8e7d6c5b4a?token=abc&page=1".to_owned()]);
        let group = &groups.groups[0];
        assert_eq!(group.told(), "GET /reset/FILL-IN");
        assert_eq!(group.query.len(), 1);
        assert_eq!(group.left_out, ["what comes after /reset/", "the parameter token"]);
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let requests: Vec<String> = (0..KINDS_MAX + 5)
            .map(|at| format!("/a?{}", "x".repeat(at % 150) + &word(at)))
            .collect();
        let groups = grouped(&requests);
        assert_eq!((groups.groups.len(), groups.beyond), (KINDS_MAX, 5));
    }

    fn word(mut number: usize) -> String {
        let mut word = String::from("w");
        while number > 0 {
            word.push(char::from(b'a' + u8::try_from(number % 4).unwrap()));
            number /= 4;
        }
        word
    }
}
