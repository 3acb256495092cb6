//! YAML by hand: plain where that is safe to read, in double quotes where it is not.
//!
//! A leaf.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Columns up to which a mapping or a list stays on one line.
const FLOW_MAX: usize = 100;
/// Columns of a comment.
const COMMENT_MAX: usize = 118;

/// A text in double quotes, with the escapes of YAML 1.2.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(character),
            _ if character.is_alphanumeric() => quoted.push(character),
            _ if u32::from(character) <= 0xffff => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            _ => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(character));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Words that YAML reads as something else than a text.
const WORDS: [&str; 11] = [
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
];

/// A key, without quotes where it is a plain name.
pub(super) fn key(text: &str) -> String {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    match is_name && !is_word && text.len() < 200 {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A path, without quotes where that is safe.
pub(super) fn path(text: &str) -> String {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte));
    match is_plain && text.starts_with('/') {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A value behind its key, on one line where it fits, or below it.
pub(super) fn entry(out: &mut String, indent: usize, name: &str, value: &Json) {
    let line = format!("{}{}: {}", " ".repeat(indent), key(name), flow(value));
    let is_empty = match value {
        Json::Object(entries) => entries.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => true,
    };
    if is_empty || line.len() <= FLOW_MAX {
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "{}{}:", " ".repeat(indent), key(name));
    block(out, indent + 2, value);
}

/// A mapping or a list, an entry on each line.
fn block(out: &mut String, indent: usize, value: &Json) {
    match value {
        Json::Object(entries) => {
            for (name, value) in entries {
                entry(out, indent, name, value);
            }
        }
        Json::Array(items) => {
            for item in items {
                // Flow within block is as deep as it is wide; it needs no further indentation.
                let _ = writeln!(out, "{}- {}", " ".repeat(indent), flow(item));
            }
        }
        plain => {
            let _ = writeln!(out, "{}{}", " ".repeat(indent), flow(plain));
        }
    }
}

/// A value on one line.
pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("{}: {}", key(name), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// A paragraph as a comment. Signs that could end a line, or be seen as something else, are written as `?`.
pub(super) fn comment(out: &mut String, indent: usize, text: &str) {
    let begin = format!("{}#", " ".repeat(indent));
    let mut line = begin.clone();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word: String = word
            .chars()
            .map(|c| if is_shown(c) { c } else { '?' })
            .take(400)
            .collect();
        if line.chars().count() + 1 + word.chars().count() > COMMENT_MAX && line != begin {
            let _ = writeln!(out, "{line}");
            line.clone_from(&begin);
        }
        line.push(' ');
        line.push_str(&word);
    }
    let _ = writeln!(out, "{line}");
}

/// A line of a comment whose spaces count.
pub(super) fn comment_line(out: &mut String, indent: usize, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if is_shown(c) || c == ' ' { c } else { '?' })
        .collect();
    let _ = writeln!(out, "{}", format!("{}#   {text}", " ".repeat(indent)).trim_end());
}

fn is_shown(character: char) -> bool {
    character.is_ascii_graphic() || character.is_alphanumeric() || "…–×".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_paths_are_plain_where_that_is_safe() {
        for (text, written) in [
            ("get_items", "get_items"),
            ("yes", "\"yes\""),
            ("1", "\"1\""),
            ("a b", "\"a b\""),
            ("", "\"\""),
        ] {
            assert_eq!(key(text), written);
        }
        assert_eq!(
            (path("/a/b.c"), path("/a?b")),
            ("/a/b.c".to_owned(), "\"/a?b\"".to_owned())
        );
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            (-1e300_f64..1e300).prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            "(null|yes|~|1e3|0x1f|<<|#| a|a: b|\\PC{0,80})".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec(("\\PC{0,20}", inner), 0..6)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in json(), name in any::<String>()) {
            let mut text = String::new();
            comment(&mut text, 0, &name);
            comment_line(&mut text, 2, &name);
            entry(&mut text, 0, "k", &value);
            let read: Json = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(&read["k"], &value, "{}", text);
        }
    }
}
