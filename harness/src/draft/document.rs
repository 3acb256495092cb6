//! A document of OpenAPI: JSON or YAML read as JSON, and its references followed.
//!
//! A leaf but for its errors.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::error::DraftError;

/// References that lead to references.
const STEPS_MAX: usize = 16;

/// A document whose references point into itself.
pub(super) struct Document {
    pub(super) root: Json,
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Self, DraftError> {
        let text = text.trim_start_matches('\u{feff}');
        let next = "expected an OpenAPI 3 document, as JSON or as YAML";
        let root = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| {
                DraftError::new(format!("cannot be read as JSON: {error}"), next).at(error.line() as u64)
            })?
        } else {
            let yaml: Yaml = serde_saphyr::from_str(text).map_err(|error| {
                let line = error.location().map_or(1, |at| at.line());
                let error = error.without_snippet().to_string();
                let first = error.lines().next().unwrap_or_default();
                DraftError::new(format!("cannot be read as YAML: {first}"), next).at(line)
            })?;
            yaml.0
        };
        let document = Self { root };
        match document.root["openapi"].as_str() {
            Some(version) if version.starts_with("3.") => Ok(document),
            _ if document.root["swagger"].is_string() => Err(DraftError::new(
                "is a document of Swagger 2",
                "convert it to OpenAPI 3 first; editor.swagger.io and swagger2openapi do",
            )),
            _ => Err(DraftError::new("has no `openapi: 3.…` at its top", next)),
        }
    }

    /// What a value is once its references are followed; `None` where one leads out of the document or nowhere.
    pub(super) fn follow<'a>(&'a self, mut value: &'a Json) -> Option<&'a Json> {
        for _ in 0..STEPS_MAX {
            let Some(reference) = value["$ref"].as_str() else {
                return Some(value);
            };
            value = self.root.pointer(reference.strip_prefix('#')?)?;
        }
        None
    }
}

/// YAML as JSON: keys that are numbers or booleans, such as `200:`, are texts.
struct Yaml(Json);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut sequence = Vec::new();
        while let Some(Yaml(item)) = items.next_element()? {
            sequence.push(item);
        }
        Ok(sequence.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut mapping = Map::new();
        while let Some((Yaml(key), Yaml(value))) = entries.next_entry()? {
            let key = match key {
                Json::String(key) => key,
                other => other.to_string(),
            };
            mapping.insert(key, value);
        }
        Ok(mapping.into())
    }
}
