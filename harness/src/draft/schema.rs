//! A value that a schema allows: what must be there, and no more.

use serde_json::{Map, Value as Json};

use super::document::Document;
use super::found::literal;

/// Schemas within one another; a schema that has itself in it ends here.
const DEPTH_MAX: usize = 8;
/// Values of one example, so that schemas that branch at each level stay small.
const VALUES_MAX: usize = 200;
/// Characters that a text is filled up with to its least length.
const FILL_MAX: usize = 200;

/// The texts of what an example says are made templates that stand for themselves.
pub(super) fn as_template(value: &Json) -> Json {
    match value {
        Json::String(text) => literal(text).into(),
        Json::Array(items) => items.iter().map(as_template).collect(),
        Json::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), as_template(value)))
            .collect(),
        plain => plain.clone(),
    }
}

/// A value that `schema` allows, as a template.
pub(super) fn example(document: &Document, schema: &Json) -> Json {
    let mut maker = Maker {
        document,
        left: VALUES_MAX,
    };
    maker.value(schema, 0)
}

/// What a schema itself names as a value.
pub(super) fn named(schema: &Json) -> Option<&Json> {
    let of = |name: &str| schema.get(name);
    of("example")
        .or_else(|| of("examples")?.get(0))
        .or_else(|| of("const"))
        .or_else(|| of("default"))
        .or_else(|| of("enum")?.get(0))
}

/// The type of a schema; of several the first that is not null.
pub(super) fn kind(schema: &Json) -> &str {
    match &schema["type"] {
        Json::String(kind) => kind,
        Json::Array(kinds) => kinds
            .iter()
            .filter_map(Json::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ if schema["properties"].is_object() => "object",
        _ if schema["items"].is_object() => "array",
        _ => "",
    }
}

/// Both ends of the numbers that a schema allows, where it says so.
pub(super) fn bounds(schema: &Json) -> (Option<i64>, Option<i64>) {
    let whole = |name: &str| {
        schema[name]
            .as_i64()
            .or_else(|| schema[name].as_f64().map(|number| number as i64))
    };
    // OpenAPI 3.0 has booleans beside the bounds, 3.1 has numbers of their own.
    let beyond = |name: &str, bound: Option<i64>, by: i64| match &schema[name] {
        Json::Bool(true) => bound.map(|bound| bound.saturating_add(by)),
        Json::Number(_) => whole(name).map(|bound| bound.saturating_add(by)),
        _ => bound,
    };
    (
        beyond("exclusiveMinimum", whole("minimum"), 1),
        beyond("exclusiveMaximum", whole("maximum"), -1),
    )
}

struct Maker<'a> {
    document: &'a Document,
    left: usize,
}

impl<'a> Maker<'a> {
    fn value(&mut self, schema: &'a Json, depth: usize) -> Json {
        if depth > DEPTH_MAX || self.left == 0 {
            return Json::Null;
        }
        self.left -= 1;
        let Some(schema) = self.document.follow(schema) else {
            return Json::Null;
        };
        if let Some(named) = named(schema) {
            return as_template(named);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.all_of(schema, parts, depth);
        }
        let choices = ["oneOf", "anyOf"]
            .iter()
            .find_map(|name| schema[*name].as_array()?.first());
        if let Some(first) = choices {
            return self.value(first, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" if schema["maxItems"] == 0 => Json::Array(Vec::new()),
            "array" => match self.value(&schema["items"], depth + 1) {
                Json::Null => Json::Array(Vec::new()),
                item => Json::Array(vec![item]),
            },
            "string" => text(schema).into(),
            "integer" => whole(schema).into(),
            "number" => schema["minimum"]
                .as_f64()
                .map_or_else(|| whole(schema).into(), Json::from),
            "boolean" => true.into(),
            _ => Json::Null,
        }
    }

    fn all_of(&mut self, schema: &'a Json, parts: &'a [Json], depth: usize) -> Json {
        let mut whole = Map::new();
        let mut other = Json::Null;
        for part in parts {
            match self.value(part, depth + 1) {
                Json::Object(entries) => whole.extend(entries),
                Json::Null => {}
                value => other = value,
            }
        }
        if let Json::Object(entries) = self.object(schema, depth) {
            whole.extend(entries);
        }
        match whole.is_empty() && !other.is_null() {
            true => other,
            false => whole.into(),
        }
    }

    /// The properties that are required; all of them where none is.
    fn object(&mut self, schema: &'a Json, depth: usize) -> Json {
        let Some(properties) = schema["properties"].as_object() else {
            return Json::Object(Map::new());
        };
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        let mut object = Map::new();
        for (name, property) in properties {
            let is_written = self
                .document
                .follow(property)
                .is_some_and(|property| property["readOnly"] != true);
            let is_wanted = required.is_empty() && depth == 0 || required.contains(&name.as_str());
            if is_wanted && is_written {
                let value = self.value(property, depth + 1);
                object.insert(name.clone(), value);
            }
        }
        object.into()
    }
}

fn whole(schema: &Json) -> i64 {
    match bounds(schema) {
        (Some(least), _) => least,
        (None, Some(most)) => most.min(1),
        (None, None) => 1,
    }
}

fn text(schema: &Json) -> String {
    match schema["format"].as_str().unwrap_or_default() {
        "uuid" => return "{{uuid}}".to_owned(),
        "date-time" => return "2026-01-01T00:00:00Z".to_owned(),
        "date" => return "2026-01-01".to_owned(),
        "time" => return "00:00:00Z".to_owned(),
        "email" => return "someone@example.com".to_owned(),
        "uri" | "url" => return "https://example.com/".to_owned(),
        "hostname" => return "example.com".to_owned(),
        "ipv4" => return "192.0.2.1".to_owned(),
        "byte" => return "dGV4dA==".to_owned(),
        _ => {}
    }
    let length = |name: &str| schema[name].as_u64().and_then(|length| usize::try_from(length).ok());
    let least = length("minLength").unwrap_or(0).clamp(4, FILL_MAX);
    let most = length("maxLength").unwrap_or(FILL_MAX).max(1);
    "text".chars().cycle().take(least.min(most)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(schema: &Json) -> Json {
        let root = json!({"s": {
            "Node": {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/s/Node"}}},
            "Tag": {"type": "string", "enum": ["new"]},
            "Loop": {"$ref": "#/s/Loop"},
        }});
        example(&Document { root }, schema)
    }

    #[test]
    fn a_value_has_what_is_required_and_no_more() {
        for (schema, value) in [
            (
                json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {}}}),
                json!({"a": 1}),
            ),
            (
                json!({"properties": {"a": {"type": "boolean"}, "id": {"type": "integer", "readOnly": true}}}),
                json!({"a": true}),
            ),
            (json!({"type": ["null", "integer"], "exclusiveMinimum": 4}), json!(5)),
            (
                json!({"type": "integer", "minimum": 4, "exclusiveMinimum": true}),
                json!(5),
            ),
            (json!({"type": "string", "minLength": 6}), json!("textte")),
            (json!({"type": "string", "maxLength": 2}), json!("te")),
            (json!({"type": "string", "format": "uuid"}), json!("{{uuid}}")),
            (json!({"type": "string", "example": "{{a"}), json!("{{\"{{\"}}a")),
            (json!({"type": "array", "items": {"$ref": "#/s/Tag"}}), json!(["new"])),
            (
                json!({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"default": 2}}, "required": ["b"]}]}),
                json!({"a": 1, "b": 2}),
            ),
            (json!({"oneOf": [{"type": "number", "minimum": 0.5}, {}]}), json!(0.5)),
            (json!({"$ref": "#/s/Loop"}), json!(null)),
            (json!({"$ref": "other.yaml#/x"}), json!(null)),
            (json!(7), json!(null)),
        ] {
            assert_eq!(made(&schema), value, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_has_itself_in_it_ends() {
        let mut depth = 0;
        let made = made(&json!({"$ref": "#/s/Node"}));
        let mut at = &made;
        while at.is_object() {
            at = &at["next"];
            depth += 1;
        }
        assert_eq!(depth, DEPTH_MAX + 1);
    }
}
