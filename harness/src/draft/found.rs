//! What a source tells, in the terms of a workload.
//!
//! A leaf.

use serde_json::Value as Json;

/// What a source tells: requests, their values, and the load where the source knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// `http://host:port` or `https://host`, where the source names it.
    pub(super) origin: Option<String>,
    /// The path below which the target has all requests: empty, or `/base`.
    pub(super) base: String,
    /// What a reader has to know of the whole, a paragraph each.
    pub(super) notes: Vec<String>,
    pub(super) load: Option<Load>,
    pub(super) data: Vec<Data>,
    pub(super) entries: Vec<Entry>,
}

/// How much was asked for over time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// Requests a second, on the average.
    pub(super) mean: f64,
    /// Requests a second in the busiest minute.
    pub(super) peak: f64,
    /// Where the two come from, a paragraph each.
    pub(super) notes: Vec<String>,
    /// The hours of the day, a line each.
    pub(super) table: Vec<String>,
}

/// A named source of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Data {
    pub(super) name: String,
    pub(super) values: Values,
    /// The exponent of the Zipf law by which the values were asked for, where that was not evenly.
    pub(super) zipf: Option<f64>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Whole numbers, both ends included.
    Range(i64, i64),
    /// Texts, the most frequent one first; at least one.
    Listed(Vec<String>),
}

/// An entry of the traffic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Its share is this one's part in the sum over all entries.
    pub(super) weight: u64,
    /// As a workload has it: `get`.
    pub(super) method: &'static str,
    pub(super) path: Vec<Piece>,
    /// Values are templates.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Body>,
    /// Statuses that are right; any success where there are none.
    pub(super) statuses: Vec<u16>,
    /// A comment each.
    pub(super) notes: Vec<String>,
}

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Percent-encoded, without braces.
    Text(String),
    /// A value of the data of this name.
    Value(String),
    /// The arrival's own UUID.
    Uuid,
}

/// The body of a request. All texts in it are templates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Json(Json),
    Form(Vec<(String, String)>),
    Text(String),
}

/// The method as a workload has it; `None` where a workload knows no such method.
pub(super) fn method_key(method: &str) -> Option<&'static str> {
    let keys = ["get", "head", "options", "post", "put", "patch", "delete"];
    keys.into_iter().find(|key| method.eq_ignore_ascii_case(key))
}

/// Whether requests of this method only read.
pub(super) fn is_safe(method: &str) -> bool {
    matches!(method, "get" | "head" | "options")
}

/// Text that stands for itself in a template.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", "{{\"{{\"}}")
}

/// What is said of a header whose value is not written.
pub(super) fn withheld_note(header: &str) -> String {
    let header = header.to_ascii_lowercase();
    let scheme = if header == "authorization" { "Bearer " } else { "" };
    format!("fill in: the header {header}, such as `{header}: \"{scheme}{{{{env.BMT_TOKEN}}}}\"`")
}

/// A count with its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// The name that `wanted` becomes among names that are taken.
pub(super) fn unique(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(wanted) {
        return wanted.to_owned();
    }
    let numbered = (2_u64..).map(|number| format!("{wanted}_{number}"));
    numbered
        .into_iter()
        .find(|name| !is_taken(name))
        .unwrap_or_else(|| wanted.to_owned())
}

/// Names that a workload keeps for values of its own.
const RESERVED: [&str; 5] = ["uuid", "now", "env", "text", "hmac_sha256"];

/// The name of the values of a parameter or a segment.
pub(super) fn value_name(text: &str) -> String {
    match snake(text, 40) {
        name if name.is_empty() => "value".to_owned(),
        name if RESERVED.contains(&name.as_str()) => format!("{name}_value"),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("_{name}"),
        name => name,
    }
}

/// Letters and digits of `text` in snake case, at most `chars` of them: `petId` is `pet_id`.
pub(super) fn snake(text: &str, chars: usize) -> String {
    let mut name = String::new();
    let mut after_lower = false;
    for character in text.chars() {
        if !character.is_ascii_alphanumeric() {
            after_lower = false;
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        if character.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        name.push(character.to_ascii_lowercase());
    }
    let end = name.len().min(chars);
    name[..end].trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_snake_case() {
        for (text, name) in [
            ("petId", "pet_id"),
            ("user[name]", "user_name"),
            ("--", ""),
            ("URLPath", "urlpath"),
            ("a.b-c", "a_b_c"),
            ("über", "ber"),
        ] {
            assert_eq!(snake(text, 40), name, "{text}");
        }
        assert_eq!(snake("abc_def", 4), "abc");
        for (text, name) in [("q", "q"), ("env", "env_value"), ("2nd", "_2nd"), ("[]", "value")] {
            assert_eq!(value_name(text), name, "{text}");
        }
    }
}
