//! Parameters of an operation: what stands in their places.

use serde_json::Value as Json;

use super::address::encoded_value;
use super::document::Document;
use super::found::{Data, Piece, Values, unique, value_name};
use super::schema::{bounds, kind, named};

/// Both ends of the numbers where nothing says which there are.
const FIRST: i64 = 1;
const LAST: i64 = 100;
/// Fifteen digits are what a range may have.
const NUMBER_MAX: i64 = 999_999_999_999_999;

/// Data of all parameters so far.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) data: Vec<Data>,
}

impl Parameters {
    /// What stands for a parameter; `parameter` is null where the document does not describe it.
    pub(super) fn piece(
        &mut self,
        document: &Document,
        name: &str,
        parameter: &Json,
        notes: &mut Vec<String>,
    ) -> Piece {
        let schema = document.follow(&parameter["schema"]).unwrap_or(&Json::Null);
        // A list is given as its only item.
        let schema = match kind(schema) {
            "array" => document.follow(&schema["items"]).unwrap_or(&Json::Null),
            _ => schema,
        };
        let mut listed = listed(document, parameter, schema);
        if listed.len() > 1 {
            return self.value(name, Values::Listed(listed), "The values that the document names.");
        }
        if let Some(only) = listed.pop() {
            notes.push(format!(
                "fill in: values of {name} that exist; {only} is the document's example"
            ));
            return Piece::Text(encoded_value(&only));
        }
        match (kind(schema), schema["format"].as_str()) {
            ("boolean", _) => Piece::Text("true".to_owned()),
            (_, Some("uuid")) => {
                notes.push(format!(
                    "fill in: values of {name} that exist; each request has a UUID of its own now"
                ));
                Piece::Uuid
            }
            (_, Some("date")) => Piece::Text("2026-01-01".to_owned()),
            (_, Some("date-time")) => Piece::Text(encoded_value("2026-01-01T00:00:00Z")),
            ("integer" | "number", _) => {
                let (first, last) = ends(bounds(schema));
                self.value(name, Values::Range(first, last), "fill in: the numbers that exist")
            }
            _ => self.value(
                name,
                Values::Range(FIRST, LAST),
                "fill in: values that exist; the document names none",
            ),
        }
    }

    fn value(&mut self, name: &str, values: Values, note: &str) -> Piece {
        let wanted = value_name(name);
        let same = |data: &&Data| data.values == values && (data.name == wanted || is_numbered(&data.name, &wanted));
        if let Some(same) = self.data.iter().find(same) {
            return Piece::Value(same.name.clone());
        }
        let name = unique(&wanted, |name| self.data.iter().any(|data| data.name == name));
        self.data.push(Data {
            name: name.clone(),
            values,
            zipf: None,
            notes: vec![note.to_owned()],
        });
        Piece::Value(name)
    }
}

/// Whether a name is another one with a number behind it.
fn is_numbered(name: &str, wanted: &str) -> bool {
    let number = name.strip_prefix(wanted).and_then(|rest| rest.strip_prefix('_'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn ends((least, most): (Option<i64>, Option<i64>)) -> (i64, i64) {
    let clamp = |number: i64| number.clamp(-NUMBER_MAX, NUMBER_MAX);
    let first = clamp(least.unwrap_or(FIRST).min(most.unwrap_or(i64::MAX)));
    let usual = first.saturating_add(LAST - FIRST);
    // A maximum that only says which numbers fit into a type says nothing of those that exist.
    let last = most.filter(|most| *most < i64::from(i32::MAX)).unwrap_or(usual);
    (first, clamp(last.max(first)))
}

/// The values that a document names for a parameter, as texts: its choices, or its examples.
fn listed(document: &Document, parameter: &Json, schema: &Json) -> Vec<String> {
    let choices = schema["enum"].as_array().into_iter().flatten();
    let mut listed: Vec<String> = choices.filter_map(text).collect();
    if listed.is_empty() {
        let examples = parameter["examples"]
            .as_object()
            .into_iter()
            .flat_map(|examples| examples.values());
        let examples = examples.filter_map(|example| document.follow(example)?.get("value"));
        listed = parameter
            .get("example")
            .into_iter()
            .chain(examples)
            .filter_map(text)
            .collect();
    }
    if listed.is_empty() {
        listed = named(schema).and_then(text).into_iter().collect();
    }
    let mut different: Vec<String> = Vec::new();
    for value in listed {
        if !different.contains(&value) && !value.is_empty() {
            different.push(value);
        }
    }
    different
}

pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_those_of_the_schema_or_usual_ones() {
        for (bounds, range) in [
            ((None, None), (1, 100)),
            ((Some(0), Some(9)), (0, 9)),
            ((Some(10), None), (10, 109)),
            ((None, Some(-5)), (-5, -5)),
            ((Some(1), Some(i64::MAX)), (1, 100)),
            ((Some(i64::MIN), None), (-NUMBER_MAX, -NUMBER_MAX + 99)),
            ((Some(i64::MAX), Some(3)), (3, 3)),
        ] {
            assert_eq!(ends(bounds), range, "{bounds:?}");
        }
    }
}
