//! From kinds of requests to entries of the traffic, and from their values to data.

use std::collections::BTreeMap;

use super::address::decoded;
use super::found::{Data, Entry, Piece, counted, is_safe, literal, snake, unique, withheld_note};
use super::groups::{Example, Group, Groups};
use super::parts::Part;
use super::place::PerPlace;

/// Entries that a draft has at most; what is rarer is left out.
const ENTRIES_MAX: usize = 12;
/// Kinds of requests that are named among what was left out.
const NAMED_MAX: usize = 6;
const NAME_MAX: usize = 40;

/// Entries, their data, and what was left out.
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    pub(super) data: Vec<Data>,
    pub(super) notes: Vec<String>,
}

/// The most frequent kinds of requests.
pub(super) fn entries(mut groups: Groups) -> Entries {
    groups.merge_words();
    let all: u64 = groups.groups.iter().map(|group| group.count).sum::<u64>() + groups.beyond;
    let mut kinds = groups.groups;
    // The sort is stable: of equals, the one that came first.
    kinds.sort_by_key(|group| std::cmp::Reverse(group.count));
    let rare = kinds.split_off(kinds.len().min(ENTRIES_MAX));
    let mut notes = Vec::new();
    if groups.statics > 0 {
        notes.push(format!(
            "Left out: {} for static files (css, js, images, fonts …), which a cache or a CDN usually answers.",
            counted(groups.statics, "request")
        ));
    }
    if let Some(note) = rare_note(&rare, groups.beyond, all) {
        notes.push(note);
    }
    let mut values = PerPlace::default();
    for group in &mut kinds {
        values.collect(group);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for group in kinds {
        let name = unique(&name(&group), |name| entries.iter().any(|entry| entry.name == name));
        entries.push(entry(name, group, &values));
    }
    let data = values.into_data();
    Entries { entries, data, notes }
}

fn rare_note(rare: &[Group], beyond: u64, all: u64) -> Option<String> {
    let count = rare.iter().map(|group| group.count).sum::<u64>() + beyond;
    if count == 0 {
        return None;
    }
    let mut named: Vec<String> = rare
        .iter()
        .take(NAMED_MAX)
        .map(|group| format!("{} ({})", group.told(), group.count))
        .collect();
    if rare.len() > NAMED_MAX || beyond > 0 {
        named.push("others".to_owned());
    }
    Some(format!(
        "Left out: {:.1} % of the requests, of kinds rarer than these: {}. The shares are those among what is left, and add up to 1.",
        count as f64 / all as f64 * 100.0,
        named.join(", ")
    ))
}

/// `get_items_id`.
fn name(group: &Group) -> String {
    let mut words = vec![group.method.to_owned()];
    for part in &group.path {
        words.push(match part {
            Part::Word(word) => snake(&decoded(word, false).unwrap_or_default(), NAME_MAX),
            Part::Value(_) => "id".to_owned(),
        });
    }
    words.retain(|word| !word.is_empty());
    if words.len() == 1 {
        words.push("root".to_owned());
    }
    snake(&words.join("_"), NAME_MAX)
}

fn entry(name: String, group: Group, values: &PerPlace) -> Entry {
    let mut notes = Vec::new();
    let path = path(&group, values, &mut notes);
    if !group.left_out.is_empty() {
        notes.push(format!("fill in: {}, left out as a secret", group.left_out.join(", ")));
    }
    let apart = path.iter().filter(|piece| matches!(piece, Piece::Value(_))).count();
    if apart > 1 {
        notes.push(
            "fill in: the values of this path are drawn apart from one another; where they belong together, use one \
             file with a column for each"
                .to_owned(),
        );
    }
    let has_example = group.example.is_some();
    let Example {
        headers,
        withheld,
        recorded,
    } = group.example.unwrap_or_default();
    if !is_safe(group.method) && !has_example && group.method != "delete" {
        notes.push("fill in: the body, which the log does not tell, as `json`, `form`, `text` or `file`".to_owned());
    }
    notes.extend(recorded.notes);
    notes.extend(withheld.iter().map(|header| withheld_note(header)));
    let statuses = statuses(&group.statuses, &mut notes);
    let content_type = recorded
        .content_type
        .map(|value| ("content-type".to_owned(), literal(&value)));
    let headers = headers.into_iter().map(|(name, value)| (name, literal(&value)));
    Entry {
        name,
        weight: group.count,
        method: group.method,
        path,
        headers: headers
            .chain(content_type.filter(|_| recorded.body.is_some()))
            .collect(),
        body: recorded.body,
        statuses,
        notes,
    }
}

fn path(group: &Group, values: &PerPlace, notes: &mut Vec<String>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = String::new();
    for part in &group.path {
        at.push('/');
        pieces.push(Piece::Text("/".to_owned()));
        match part {
            Part::Word(word) => {
                at.push_str(word);
                pieces.push(Piece::Text(word.clone()));
            }
            Part::Value(_) => {
                at.push_str("{}");
                pieces.push(values.piece(&at, true, notes));
            }
        }
    }
    for (index, (parameter, slot)) in group.query.iter().enumerate() {
        let sign = if index == 0 { '?' } else { '&' };
        let equals = if slot.is_some() { "=" } else { "" };
        pieces.push(Piece::Text(format!("{sign}{parameter}{equals}")));
        if slot.is_some() {
            pieces.push(values.piece(&format!("{at}?{parameter}"), false, notes));
        }
    }
    pieces
}

/// The statuses that are right: successes and redirects that are no rarity, or else the most frequent failure.
fn statuses(seen: &BTreeMap<u16, u64>, notes: &mut Vec<String>) -> Vec<u16> {
    let all: u64 = seen.values().sum();
    let mut right: Vec<u16> = Vec::new();
    let mut other = Vec::new();
    for (status, count) in seen {
        match status {
            // What has not changed is sent in full to those who did not have it.
            304 if !right.contains(&200) => right.push(200),
            304 => {}
            200..=399 if count * 100 >= all => right.push(*status),
            _ => other.push((*status, *count)),
        }
    }
    let most = other
        .iter()
        .filter(|(status, _)| (200..=599).contains(status))
        .max_by_key(|(_, count)| *count);
    if let (true, Some((status, _))) = (right.is_empty(), most) {
        notes.push(format!(
            "fill in: the status of a success; {status} is what was seen most often"
        ));
        return vec![*status];
    }
    if !other.is_empty() {
        let told = other
            .iter()
            .map(|(status, count)| format!("{status} ({:.1} %)", *count as f64 / all as f64 * 100.0));
        notes.push(format!("Also seen: {}.", told.collect::<Vec<_>>().join(", ")));
    }
    right.dedup();
    right
}
