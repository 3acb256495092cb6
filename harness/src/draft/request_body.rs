//! The body of an operation: an example of the document, or one that its schema allows.

use serde_json::Value as Json;

use super::document::Document;
use super::found::{Body, Entry, literal};
use super::parameter::text;
use super::schema::{as_template, example};
use super::secret::{self, Header};

/// Bytes of a body.
const BODY_MAX: usize = 16 * 1024;

/// Gives an entry its body.
pub(super) fn add_body(document: &Document, operation: &Json, entry: &mut Entry) {
    let Some(body) = operation.get("requestBody").and_then(|body| document.follow(body)) else {
        return;
    };
    let Some(content) = body["content"].as_object() else {
        return;
    };
    let first = |fits: fn(&str) -> bool| content.iter().find(|(media, _)| fits(media));
    let json = first(is_json);
    let form = first(|media| media.starts_with("application/x-www-form-urlencoded"));
    let plain = first(|media| media.starts_with("text/"));
    let Some((media, described)) = json.or(form).or(plain) else {
        let names: Vec<&str> = content.keys().map(String::as_str).collect();
        entry.notes.push(format!(
            "fill in: the body, which is {}; `file: NAME` sends a file",
            names.join(" or ")
        ));
        return;
    };
    let examples = described["examples"]
        .as_object()
        .and_then(|examples| examples.values().next());
    let named = examples.and_then(|first| document.follow(first)?.get("value"));
    let value = match described.get("example").or(named) {
        Some(value) => as_template(value),
        None => {
            entry
                .notes
                .push("fill in: the body, which was made from the schema".to_owned());
            example(document, &described["schema"])
        }
    };
    if value.to_string().len() > BODY_MAX {
        entry
            .notes
            .push("fill in: the body; the document's example is longer than 16 KiB".to_owned());
    } else if json.is_some() {
        entry.body = Some(Body::Json(value));
    } else if form.is_some() {
        let fields = value.as_object().into_iter().flatten();
        entry.body = Some(Body::Form(
            fields
                .map(|(name, value)| (name.clone(), text(value).unwrap_or_default()))
                .collect(),
        ));
    } else {
        entry.body = Some(Body::Text(text(&value).unwrap_or_default()));
    }
    let usual = media.starts_with("application/json") || form.is_some() && json.is_none();
    if !usual && secret::header("content-type", media) == Header::Kept && !media.contains('*') {
        entry.headers.push(("content-type".to_owned(), literal(media)));
    }
}

fn is_json(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim();
    media == "application/json" || media.ends_with("+json")
}
