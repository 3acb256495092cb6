//! A YAML document as a tree in which every key and value knows where it was written.
//!
//! `serde-saphyr` bounds the input (depth, size, aliases) and locates every node; the tree keeps the locations so that
//! any later judgement, however far from parsing, can still point at a line.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where a key or value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One-based line and column in the workload file.
    File {
        /// One-based line.
        line: u64,
        /// One-based column, in characters.
        column: u64,
    },
    /// On the command line, as `--set KEY=VALUE`.
    Set(String),
    /// On the command line, as `--blocks N`.
    Blocks(u32),
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(serde_json::Value),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key, its place, and what it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_origin: Origin,
    pub(crate) node: Node,
}

impl Node {
    /// Reads YAML. Every node stands at `origin`, or where it is in the text.
    pub(crate) fn parse(text: &str, origin: Option<&Origin>) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str(text).map(|raw| convert(raw, origin))
    }

    /// Whether a key or value below this one was written there.
    pub(crate) fn holds(&self, origin: &Origin) -> bool {
        match &self.value {
            Value::Scalar(_) => false,
            Value::Sequence(items) => items.iter().any(|item| item.origin == *origin || item.holds(origin)),
            Value::Mapping(entries) => entries
                .iter()
                .any(|entry| entry.key_origin == *origin || entry.node.origin == *origin || entry.node.holds(origin)),
        }
    }

    /// The node at `path` (`profile.target`, `variants.before.settings.insert`, `gates.0`).
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.')
            .filter(|segment| !segment.is_empty())
            .try_fold(self, |node, segment| match &node.value {
                Value::Mapping(entries) => entries
                    .iter()
                    .find(|entry| entry.key == segment)
                    .map(|entry| &entry.node),
                Value::Sequence(items) => position(items, segment).map(|at| &items[at]),
                Value::Scalar(_) => None,
            })
    }

    /// Puts `node` at `path`, making the mappings on the way. Fails where the path runs through a scalar or past a
    /// sequence.
    pub(crate) fn put(&mut self, path: &str, node: Self) -> Result<(), String> {
        let (segment, rest) = path
            .split_once('.')
            .map_or((path, None), |(head, tail)| (head, Some(tail)));
        let child = match &mut self.value {
            Value::Mapping(entries) => {
                let at = entries
                    .iter()
                    .position(|entry| entry.key == segment)
                    .unwrap_or_else(|| {
                        entries.push(Entry {
                            key: segment.to_owned(),
                            key_origin: node.origin.clone(),
                            node: Self::empty(node.origin.clone()),
                        });
                        entries.len() - 1
                    });
                &mut entries[at].node
            }
            Value::Sequence(items) => {
                let at = position(items, segment).ok_or_else(|| {
                    format!(
                        "no item `{segment}` in this list; name one by its `name` or by its place, 0 to {}",
                        items.len().saturating_sub(1)
                    )
                })?;
                &mut items[at]
            }
            Value::Scalar(_) => {
                return Err(format!(
                    "`{segment}` would be a key of a plain value, which has no keys"
                ));
            }
        };
        match rest {
            Some(rest) => child.put(rest, node),
            None => {
                *child = node;
                Ok(())
            }
        }
    }

    /// Lays `over` on top: mappings merge key by key, anything else replaces.
    pub(crate) fn overlay(&mut self, over: &Self) {
        let (Value::Mapping(entries), Value::Mapping(additions)) = (&mut self.value, &over.value) else {
            *self = over.clone();
            return;
        };
        for addition in additions {
            match entries.iter_mut().find(|entry| entry.key == addition.key) {
                Some(entry) => entry.node.overlay(&addition.node),
                None => entries.push(addition.clone()),
            }
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Value::Mapping(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn empty(origin: Origin) -> Self {
        Self {
            value: Value::Mapping(Vec::new()),
            origin,
        }
    }
}

/// The place in a list of an item given by its number or by its `name`.
fn position(items: &[Node], segment: &str) -> Option<usize> {
    let named = items.iter().position(|item| {
        item.at("name")
            .is_some_and(|name| name.value == Value::Scalar(segment.into()))
    });
    named.or_else(|| segment.parse().ok().filter(|at| *at < items.len()))
}

fn convert(raw: Spanned<RawValue>, origin: Option<&Origin>) -> Node {
    let place = |at: serde_saphyr::Location| {
        origin.cloned().unwrap_or(Origin::File {
            line: at.line(),
            column: at.column(),
        })
    };
    let value = match raw.value {
        RawValue::Scalar(scalar) => Value::Scalar(scalar),
        RawValue::Sequence(items) => Value::Sequence(items.into_iter().map(|item| convert(item, origin)).collect()),
        RawValue::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.value,
                    key_origin: place(key.referenced),
                    node: convert(value, origin),
                })
                .collect(),
        ),
    };
    Node {
        value,
        origin: place(raw.referenced),
    }
}

enum RawValue {
    Scalar(serde_json::Value),
    Sequence(Vec<Spanned<RawValue>>),
    Mapping(Vec<(Spanned<String>, Spanned<RawValue>)>),
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(serde_json::Value::Null))
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(serde_json::Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut sequence = Vec::new();
        while let Some(item) = items.next_element()? {
            sequence.push(item);
        }
        Ok(RawValue::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(RawValue::Mapping(mapping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let tree = Node::parse("a: 1\nb:\n  - c: 2000/s\n    d: x\n", None).unwrap();
        let place = |line, column| Origin::File { line, column };
        assert_eq!(tree.at("b.0.c").unwrap().origin, place(3, 8));
        let Value::Mapping(entries) = &tree.value else {
            panic!("a mapping was written")
        };
        assert_eq!(entries[1].key_origin, place(2, 1));
    }

    #[test]
    fn put_replaces_by_path_by_name_and_by_place() {
        let mut tree = Node::parse("v:\n- name: before\n  x: 1\np: {t: 1}\n", None).unwrap();
        let value = |text: &str| Node::parse(text, Some(&Origin::Set("k".into()))).unwrap();
        tree.put("v.before.x", value("2")).unwrap();
        tree.put("p.t", value("500/s")).unwrap();
        tree.put("p.new.deep", value("3")).unwrap();
        assert_eq!(
            tree.to_json(),
            serde_json::json!({"v": [{"name": "before", "x": 2}], "p": {"t": "500/s", "new": {"deep": 3}}})
        );
        assert!(tree.put("v.after.x", value("2")).unwrap_err().contains("after"));
        assert!(tree.put("p.t.u", value("2")).is_err());
    }

    #[test]
    fn overlay_merges_mappings_and_replaces_the_rest() {
        let mut tree = Node::parse("p: {a: 1, b: [1, 2]}", None).unwrap();
        tree.overlay(&Node::parse("p: {b: [3], c: 4}", None).unwrap());
        assert_eq!(tree.to_json(), serde_json::json!({"p": {"a": 1, "b": [3], "c": 4}}));
    }
}
