//! Places of paths and queries, their names, and the data that their values become.

use std::collections::BTreeMap;

use super::address::encoded_value;
use super::found::{Data, Piece, Values, snake, unique, value_name};
use super::groups::Group;
use super::parts::{Part, Slot};

/// A range takes the place of a list of numbers where all of it was seen, or of so many numbers one in `SPARSE`.
const MANY: usize = 20;
const SPARSE: u64 = 4;
/// Digits up to which whole numbers can be a range.
const DIGITS_MAX: usize = 15;
const NAME_MAX: usize = 40;
/// Requests from which on they tell how evenly values are asked for, and how many even parts the first one takes where
/// that is not so.
const TELLING: u64 = 100;
const UNEVEN: f64 = 2.5;
const EXPONENT_MAX: f64 = 5.0;

/// The values of each place, by the path up to it, and for parameters by the whole path and the name.
#[derive(Default)]
pub(super) struct PerPlace {
    places: BTreeMap<String, Place>,
    /// Names that are taken.
    names: Vec<String>,
}

struct Place {
    name: String,
    slot: Slot,
}

impl PerPlace {
    /// Takes the values of a kind of request.
    pub(super) fn collect(&mut self, group: &mut Group) {
        let mut at = String::new();
        let mut before = String::new();
        for part in &mut group.path {
            at.push('/');
            match part {
                Part::Word(word) => {
                    at.push_str(word);
                    before.clone_from(word);
                }
                Part::Value(slot) => {
                    at.push_str("{}");
                    self.add(&at, &value_name(&id_name(&before)), std::mem::take(slot));
                }
            }
        }
        for (parameter, slot) in &mut group.query {
            if let Some(slot) = slot {
                self.add(
                    &format!("{at}?{parameter}"),
                    &value_name(parameter),
                    std::mem::take(slot),
                );
            }
        }
    }

    fn add(&mut self, at: &str, wanted: &str, slot: Slot) {
        if let Some(place) = self.places.get_mut(at) {
            return place.slot.merge(slot);
        }
        let name = unique(wanted, |name| self.names.iter().any(|taken| taken == name));
        self.names.push(name.clone());
        self.places.insert(at.to_owned(), Place { name, slot });
    }

    /// What stands in a place: its only value, or one of its data.
    pub(super) fn piece(&self, at: &str, is_id: bool, notes: &mut Vec<String>) -> Piece {
        let Some(place) = self.places.get(at) else {
            return Piece::Text(String::new());
        };
        let mut values = place.slot.values.keys();
        match (values.next(), values.next()) {
            (Some(only), None) if place.slot.beyond == 0 => {
                if is_id {
                    notes.push(format!(
                        "fill in: {only} looks like an id, and no other was seen in its place"
                    ));
                }
                Piece::Text(encoded_value(only))
            }
            (None, _) => Piece::Text(String::new()),
            _ => Piece::Value(place.name.clone()),
        }
    }

    /// The data of all places that have more than one value.
    pub(super) fn into_data(self) -> Vec<Data> {
        let places = self.places.into_values();
        let varied = places.filter(|place| place.slot.values.len() + usize::from(place.slot.beyond > 0) > 1);
        let mut data: Vec<Data> = varied.map(|place| data(place.name, place.slot)).collect();
        data.sort_by(|one, other| one.name.cmp(&other.name));
        data
    }
}

/// `items` is `item_id`.
fn id_name(before: &str) -> String {
    let word = snake(before, NAME_MAX);
    let one = match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None if word.ends_with("ss") => word,
        None => word.strip_suffix('s').unwrap_or(&word).to_owned(),
    };
    match one.is_empty() {
        true => "id".to_owned(),
        false => format!("{one}_id"),
    }
}

/// A number as it is in a range: without signs and leading zeros.
pub(super) fn number(text: &str) -> Option<i64> {
    let is_plain = text.len() <= DIGITS_MAX && (text == "0" || !text.starts_with('0'));
    (is_plain && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn data(name: String, slot: Slot) -> Data {
    let seen = slot.values.len();
    let total: u64 = slot.values.values().sum::<u64>() + slot.beyond;
    let mut notes = Vec::new();
    let mut values: Vec<(String, u64)> = slot.values.into_iter().collect();
    values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let top = values.first().map_or(0, |(_, count)| *count);
    let numbers: Option<Vec<i64>> = values.iter().map(|(value, _)| number(value)).collect();
    let ends = numbers.and_then(|numbers| Some((*numbers.iter().min()?, *numbers.iter().max()?)));
    let is_dense = |(first, last): &(i64, i64)| {
        let extent = last.abs_diff(*first);
        extent < seen as u64 || seen >= MANY && extent < SPARSE * seen as u64
    };
    let zipf = exponent(seen, top, total);
    // The rows of a range are in the order of their numbers, so no law of frequency fits it.
    let dense = ends.filter(is_dense).filter(|_| slot.beyond == 0 && zipf.is_none());
    notes.push(format!(
        "{seen} different values were seen, the most frequent one in {top} of {total} requests."
    ));
    if dense.is_some_and(|(first, last)| last.abs_diff(first) >= seen as u64) {
        notes.push("The range has numbers between them as well, which were not seen.".to_owned());
    }
    if slot.beyond > 0 {
        notes.push("fill in: there were more values than are kept here".to_owned());
    }
    let values = match dense {
        Some((first, last)) => Values::Range(first, last),
        None => Values::Listed(values.into_iter().map(|(value, _)| value).collect()),
    };
    Data {
        name,
        values,
        zipf,
        notes,
    }
}

/// The exponent of the Zipf law by which the first of `count` values takes `top` of `total` requests; `None` where it
/// takes hardly more than its even part, or too few requests tell.
fn exponent(count: usize, top: u64, total: u64) -> Option<f64> {
    let share = top as f64 / total as f64;
    let even = total as f64 / count as f64;
    // Of many values that are asked for evenly, one is ahead by chance: by less than six standard deviations.
    let uneven = (even * UNEVEN).max(even + 6.0 * even.sqrt());
    if count < 2 || total < TELLING || (top as f64) < uneven {
        return None;
    }
    let first = |exponent: f64| 1.0 / (1..=count).map(|row| (row as f64).powf(-exponent)).sum::<f64>();
    let (mut low, mut high) = (0.0, EXPONENT_MAX);
    for _ in 0..20 {
        let middle = f64::midpoint(low, high);
        if first(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_gives_the_first_value_the_share_that_it_had() {
        // Of ten values by the Zipf law with exponent 1, the first takes 1 / (1 + 1/2 + … + 1/10).
        let exponent_of_ten = exponent(10, 34_142, 100_000).unwrap();
        assert!((exponent_of_ten - 1.0).abs() < 0.001, "{exponent_of_ten}");
        assert_eq!(exponent(10, 11_000, 100_000), None, "even");
        assert_eq!(exponent(10, 9, 10), None, "too few to tell");
        assert_eq!(exponent(600, 11, 2600), None, "by chance");
        assert_eq!(exponent(1, 1000, 1000), None);
        assert_eq!(exponent(2, 1999, 2000), None, "twice its even part");
        assert!(exponent(1000, 99_999, 100_000).unwrap() <= EXPONENT_MAX);
    }
}
