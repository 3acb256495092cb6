//! Judges a located tree against a JSON Schema and reports every mistake that can be told apart.
//!
//! General validators say "not valid under any of the schemas" where a person needs "unknown key `taget`, did you mean
//! `target`?". This one knows only the subset of JSON Schema that `schemars` writes for our types, chooses the branch
//! of an enumeration by its tag, and so can always say which key is wrong and what is allowed there.

use serde_json::Value as Json;

use super::figure_name::nearest_figure;
use super::mistake::{Mistake, nearest};
use super::quantity::check_format;
use super::tree::{Entry, Node, Value};

/// A schema document; `$ref` is looked up in its `$defs`.
pub(crate) struct Shape<'a> {
    root: &'a Json,
}

impl<'a> Shape<'a> {
    pub(crate) fn new(root: &'a Json) -> Self {
        Self { root }
    }

    /// All mistakes of `node`, which stands at `path` in the document.
    pub(crate) fn judge(&self, node: &Node, path: &str) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        self.node(node, self.root, path, &mut mistakes);
        mistakes
    }

    fn follow(&self, mut schema: &'a Json) -> &'a Json {
        while let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")) {
            schema = &self.root["$defs"][name];
        }
        schema
    }

    fn node(&self, node: &Node, schema: &'a Json, path: &str, found: &mut Vec<Mistake>) {
        let schema = self.follow(schema);
        // What has a format of ours is judged by its parser; its branches are for editors.
        let branches = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
        if let Some(branches) = branches.filter(|_| schema["format"].is_null()) {
            return self.branches(node, branches, path, found);
        }
        if let Some(values) = schema["enum"].as_array() {
            let names: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
            return one_of(node, &names, values, path, found);
        }
        if !type_fits(&node.value, &schema["type"]) {
            found.push(wrong_type(node, schema, path));
            return;
        }
        match &node.value {
            Value::Mapping(entries) => self.mapping(node, entries, schema, path, found),
            Value::Sequence(items) => self.sequence(node, items, schema, path, found),
            Value::Scalar(Json::String(text)) => judge_text(node, text, schema, path, found),
            Value::Scalar(scalar) => judge_number(node, scalar, schema, path, found),
        }
    }

    fn mapping(&self, node: &Node, entries: &[Entry], schema: &'a Json, path: &str, found: &mut Vec<Mistake>) {
        static NONE: std::sync::LazyLock<serde_json::Map<String, Json>> =
            std::sync::LazyLock::new(serde_json::Map::new);
        let properties = schema["properties"].as_object().unwrap_or(&NONE);
        for entry in entries {
            let at = join(path, &entry.key);
            if let Some(property) = properties.get(&entry.key) {
                self.node(&entry.node, property, &at, found);
            } else if schema["additionalProperties"].is_object() {
                self.node(&entry.node, &schema["additionalProperties"], &at, found);
            } else if schema["additionalProperties"] == Json::Bool(false) {
                found.push(unknown_key(entry, &at, properties.keys().map(String::as_str).collect()));
            }
        }
        let missing = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str);
        for key in missing.filter(|key| !entries.iter().any(|entry| entry.key == *key)) {
            found.push(Mistake {
                origin: node.origin.clone(),
                path: join(path, key),
                problem: format!("required key `{key}` is missing"),
                allowed: Some(expectation(self.follow(&properties[key]))),
                nearest: None,
            });
        }
        let minimum = schema["minProperties"].as_u64().unwrap_or(0);
        if (entries.len() as u64) < minimum {
            found.push(too_few(node, minimum, path));
        }
    }

    fn sequence(&self, node: &Node, items: &[Node], schema: &'a Json, path: &str, found: &mut Vec<Mistake>) {
        for (index, item) in items.iter().enumerate() {
            self.node(item, &schema["items"], &join(path, &index.to_string()), found);
        }
        let minimum = schema["minItems"].as_u64().unwrap_or(0);
        if (items.len() as u64) < minimum {
            found.push(too_few(node, minimum, path));
        }
    }

    /// An enumeration or an optional value: find the branch that was meant, and judge by it alone.
    fn branches(&self, node: &Node, branches: &'a [Json], path: &str, found: &mut Vec<Mistake>) {
        let branches: Vec<&Json> = branches.iter().map(|branch| self.follow(branch)).collect();
        if node.value == Value::Scalar(Json::Null) && branches.iter().any(|branch| branch["type"] == "null") {
            return;
        }
        let branches: Vec<&Json> = branches.into_iter().filter(|branch| branch["type"] != "null").collect();
        if let [only] = branches[..] {
            return self.node(node, only, path, found);
        }
        // One, or a list of them.
        if let [one, list] = branches[..]
            && list["type"] == "array"
        {
            let meant = if matches!(node.value, Value::Sequence(_)) {
                list
            } else {
                one
            };
            return self.node(node, meant, path, found);
        }
        if let Value::Mapping(entries) = &node.value {
            return self.tagged(node, entries, &branches, path, found);
        }
        let (names, values) = constants(&branches);
        if !values.is_empty() {
            let before = found.len();
            one_of(node, &names, &values, path, found);
            if let Some(mistake) = found.get_mut(before) {
                mistake.allowed = Some(choices(&branches));
            }
            return;
        }
        if !branches.iter().any(|branch| type_fits(&node.value, &branch["type"])) {
            let allowed: Vec<String> = branches.iter().map(|branch| expectation(branch)).collect();
            found.push(Mistake {
                allowed: Some(allowed.join(" or ")),
                ..mistake(node, path, format!("{} is not allowed here", shown(node)))
            });
        }
    }

    fn tagged(&self, node: &Node, entries: &[Entry], branches: &[&'a Json], path: &str, found: &mut Vec<Mistake>) {
        // `{kind: bmt, …}`: the branch is named by the value of one key.
        if branches
            .iter()
            .all(|branch| branch["properties"]["kind"]["const"].is_string())
        {
            let names: Vec<&str> = branches
                .iter()
                .filter_map(|branch| branch["properties"]["kind"]["const"].as_str())
                .collect();
            let Some(kind) = entries.iter().find(|entry| entry.key == "kind") else {
                return kind_is_missing(node, entries, &names, path, found);
            };
            let chosen = branches
                .iter()
                .find(|branch| Value::Scalar(branch["properties"]["kind"]["const"].clone()) == kind.node.value);
            match chosen {
                Some(branch) => self.mapping(node, entries, branch, path, found),
                None => one_of(&kind.node, &names, &[], &join(path, "kind"), found),
            }
            return;
        }
        // `{aggregate_slots: {slots: 16}}`: the branch is named by the only key.
        let named = |key: &str| branches.iter().find(|branch| branch["properties"][key].is_object());
        match entries {
            [entry] if named(&entry.key).is_some() => {
                if let Some(branch) = named(&entry.key) {
                    self.mapping(node, entries, branch, path, found);
                }
            }
            _ => {
                found.push(Mistake {
                    allowed: Some(choices(branches)),
                    ..mistake(node, path, format!("{} is not one of the choices", shown(node)))
                });
            }
        }
    }
}

/// No key tells which branch is meant. One that is almost `kind` probably should.
fn kind_is_missing(node: &Node, entries: &[Entry], names: &[&str], path: &str, found: &mut Vec<Mistake>) {
    let meant = entries.iter().find(|entry| nearest(&entry.key, ["kind"]).is_some());
    found.push(match meant {
        Some(entry) => unknown_key(entry, &join(path, &entry.key), vec!["kind"]),
        None => Mistake {
            allowed: Some(names.join(", ")),
            ..mistake(node, &join(path, "kind"), "required key `kind` is missing".to_owned())
        },
    });
}

/// The plain values among the branches of an enumeration.
fn constants<'a>(branches: &[&'a Json]) -> (Vec<&'a str>, Vec<Json>) {
    let values: Vec<&Json> = branches
        .iter()
        .flat_map(|branch| match branch["enum"].as_array() {
            Some(values) => values.iter().collect(),
            None => branch.get("const").into_iter().collect::<Vec<_>>(),
        })
        .collect();
    let names = values.iter().filter_map(|value| value.as_str()).collect();
    (names, values.into_iter().cloned().collect())
}

/// What an enumeration allows, in words: its plain values, then its keyed ones.
fn choices(branches: &[&Json]) -> String {
    let (names, _) = constants(branches);
    let keys = branches
        .iter()
        .filter_map(|branch| branch["required"][0].as_str())
        .map(|key| format!("{{{key}: …}}"));
    names
        .iter()
        .map(ToString::to_string)
        .chain(keys)
        .collect::<Vec<_>>()
        .join(", ")
}

fn one_of(node: &Node, names: &[&str], values: &[Json], path: &str, found: &mut Vec<Mistake>) {
    if let Value::Scalar(scalar) = &node.value
        && values.contains(scalar)
    {
        return;
    }
    let allowed = if names.is_empty() {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    } else {
        names.join(", ")
    };
    let text = match &node.value {
        Value::Scalar(Json::String(text)) => text.as_str(),
        _ => "",
    };
    found.push(Mistake {
        allowed: Some(allowed),
        nearest: nearest(text, names.iter().copied()),
        ..mistake(node, path, format!("{} is not one of the choices", shown(node)))
    });
}

fn judge_text(node: &Node, text: &str, schema: &Json, path: &str, found: &mut Vec<Mistake>) {
    let judged = schema["format"].as_str().and_then(|format| check_format(format, text));
    if let Some(Err(expected)) = judged {
        found.push(Mistake {
            allowed: Some(expected.trim_start_matches("expected ").to_owned()),
            nearest: (schema["format"] == "figure").then(|| nearest_figure(text)).flatten(),
            ..mistake(node, path, format!("cannot read {}", shown(node)))
        });
    }
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|minimum| length < minimum) {
        found.push(mistake(node, path, "may not be empty".to_owned()));
    }
    if let Some(maximum) = schema["maxLength"].as_u64().filter(|maximum| length > *maximum) {
        found.push(mistake(
            node,
            path,
            format!("is {length} characters long; at most {maximum} are allowed"),
        ));
    }
}

fn judge_number(node: &Node, scalar: &Json, schema: &Json, path: &str, found: &mut Vec<Mistake>) {
    let Some(number) = scalar.as_f64() else { return };
    let minimum = schema["minimum"].as_f64();
    let maximum = schema["maximum"].as_f64();
    if minimum.is_some_and(|minimum| number < minimum) || maximum.is_some_and(|maximum| number > maximum) {
        found.push(Mistake {
            allowed: Some(expectation(schema)),
            ..mistake(node, path, format!("{number} is out of range"))
        });
    }
}

fn type_fits(value: &Value, wanted: &Json) -> bool {
    let fits = |name: &str| match (name, value) {
        ("object", Value::Mapping(_)) | ("array", Value::Sequence(_)) => true,
        ("string", Value::Scalar(scalar)) => scalar.is_string(),
        ("boolean", Value::Scalar(scalar)) => scalar.is_boolean(),
        ("null", Value::Scalar(scalar)) => scalar.is_null(),
        ("number", Value::Scalar(scalar)) => scalar.is_number(),
        ("integer", Value::Scalar(scalar)) => scalar.is_i64() || scalar.is_u64(),
        _ => false,
    };
    match wanted {
        Json::String(name) => fits(name),
        Json::Array(names) => names.iter().filter_map(Json::as_str).any(fits),
        _ => true,
    }
}

/// What a schema allows, in words.
fn expectation(schema: &Json) -> String {
    if let Some(Err(expected)) = schema["format"].as_str().and_then(|format| check_format(format, "")) {
        return expected.trim_start_matches("expected ").to_owned();
    }
    let types: Vec<&str> = match &schema["type"] {
        Json::String(name) => vec![name],
        Json::Array(names) => names
            .iter()
            .filter_map(Json::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => vec![],
    };
    let plain = match types[..] {
        ["integer"] => "a whole number".to_owned(),
        ["number"] => "a number".to_owned(),
        ["string"] => "a text".to_owned(),
        ["boolean"] => "true or false".to_owned(),
        ["object"] => match schema["properties"].as_object() {
            Some(properties) => format!(
                "a mapping with keys {}",
                properties.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
            None => "a mapping".to_owned(),
        },
        ["array"] => "a list".to_owned(),
        _ => return schema["description"].as_str().unwrap_or("see `bmt schema`").to_owned(),
    };
    let bound = |key: &str| schema[key].as_f64().filter(|bound| bound.abs() < 1e15);
    match (bound("minimum"), bound("maximum")) {
        (Some(minimum), Some(maximum)) => format!("{plain} from {minimum} to {maximum}"),
        (Some(minimum), None) => format!("{plain} of at least {minimum}"),
        (None, Some(maximum)) => format!("{plain} of at most {maximum}"),
        (None, None) => plain,
    }
}

fn unknown_key(entry: &Entry, path: &str, keys: Vec<&str>) -> Mistake {
    Mistake {
        origin: entry.key_origin.clone(),
        path: path.to_owned(),
        problem: format!("unknown key `{}`", entry.key),
        allowed: Some(keys.join(", ")),
        nearest: nearest(&entry.key, keys),
    }
}

fn wrong_type(node: &Node, schema: &Json, path: &str) -> Mistake {
    Mistake {
        allowed: Some(expectation(schema)),
        ..mistake(node, path, format!("{} is not allowed here", shown(node)))
    }
}

fn too_few(node: &Node, minimum: u64, path: &str) -> Mistake {
    mistake(
        node,
        path,
        format!("needs at least {minimum} item{}", if minimum == 1 { "" } else { "s" }),
    )
}

fn mistake(node: &Node, path: &str, problem: String) -> Mistake {
    Mistake {
        origin: node.origin.clone(),
        path: path.to_owned(),
        problem,
        allowed: None,
        nearest: None,
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(Json::String(text)) => format!("`{text}`"),
        Value::Scalar(Json::Null) => "an empty value".to_owned(),
        Value::Scalar(scalar) => format!("`{scalar}`"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
