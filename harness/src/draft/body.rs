//! A recorded body as a workload has it.

use serde_json::Value as Json;

use super::address::{decoded, pairs};
use super::found::{Body, literal};
use super::secret::{LEFT_OUT, is_secret_name, is_secret_value, may_hold_secret, without_secrets};

/// Bytes that a body may have in a draft.
const BYTES_MAX: usize = 16 * 1024;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A body, the content type that has to be said beside it, and what is to be told of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) body: Option<Body>,
    pub(super) content_type: Option<String>,
    pub(super) notes: Vec<String>,
}

/// Reads a body that was sent with `content_type`.
pub(super) fn recorded(text: &str, content_type: Option<&str>) -> Recorded {
    let content_type = content_type.filter(|said| !said.contains(char::is_control));
    let media = content_type.unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let said = |usual: &str| content_type.filter(|_| media != usual).map(str::to_owned);
    let left_out = |why: String| Recorded {
        content_type: content_type.map(str::to_owned),
        notes: vec![why],
        ..Recorded::default()
    };
    if text.is_empty() {
        return Recorded::default();
    }
    if text.len() > BYTES_MAX {
        return left_out(format!(
            "fill in: the body, which has {} bytes; `file: NAME` sends a file that is beside this one",
            text.len()
        ));
    }
    if media.starts_with("multipart/") {
        return left_out("fill in: the body, which came in several parts; `file: NAME` sends a file".to_owned());
    }
    let looks_like_json = media.is_empty() && text.trim_start().starts_with(['{', '[']);
    if (media == JSON || media.ends_with("+json") || looks_like_json)
        && let Ok(json) = serde_json::from_str::<Json>(text)
    {
        let mut replaced = Vec::new();
        let body = Some(Body::Json(without_secrets(json, &mut replaced)));
        return Recorded {
            body,
            content_type: said(JSON),
            notes: replaced_note(&replaced),
        };
    }
    if (media == FORM || media.is_empty())
        && let Some((fields, replaced)) = form(text)
    {
        return Recorded {
            body: Some(Body::Form(fields)),
            content_type: None,
            notes: replaced_note(&replaced),
        };
    }
    if may_hold_secret(text) {
        return left_out("fill in: the body, a text in which there may be a secret".to_owned());
    }
    Recorded {
        body: Some(Body::Text(literal(text))),
        content_type: content_type.map(str::to_owned),
        notes: Vec::new(),
    }
}

fn replaced_note(replaced: &[String]) -> Vec<String> {
    let note = |names: String| format!("fill in: {names}, in whose place the body has {LEFT_OUT}");
    (!replaced.is_empty())
        .then(|| note(replaced.join(", ")))
        .into_iter()
        .collect()
}

/// Names and values.
type Fields = Vec<(String, String)>;

/// The fields of a form, and the names of those whose values were replaced; `None` of a text that is no form, or has a
/// field twice.
fn form(text: &str) -> Option<(Fields, Vec<String>)> {
    let (mut fields, mut replaced) = (Fields::new(), Vec::new());
    for (name, value) in pairs(text) {
        let (name, value) = (decoded(name, true)?, decoded(value?, true)?);
        if name.is_empty() || name.contains(char::is_control) || fields.iter().any(|(known, _)| *known == name) {
            return None;
        }
        if is_secret_name(&name) || is_secret_value(&value) {
            replaced.push(name.clone());
            fields.push((name, LEFT_OUT.to_owned()));
        } else {
            fields.push((name, literal(&value)));
        }
    }
    (!fields.is_empty()).then_some((fields, replaced))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_read_as_its_type_says() {
        let of = |text, content_type| recorded(text, content_type);
        let json = of("{\"a\": \"{{x\"}", Some("application/json; charset=utf-8"));
        assert_eq!(json.body, Some(Body::Json(json!({"a": "{{\"{{\"}}x"}))));
        assert_eq!(json.content_type, None);
        let json = of("[1]", Some("application/vnd.api+json"));
        assert_eq!(json.content_type.as_deref(), Some("application/vnd.api+json"));
        let form = of("a=b+c&password=p", Some(FORM));
        let fields = [("a", "b c"), ("password", LEFT_OUT)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form.body, Some(Body::Form(fields.to_vec())));
        assert_eq!(form.notes, ["fill in: password, in whose place the body has FILL-IN"]);
        let text = of("a{{b", Some("text/xml"));
        assert_eq!(text.body, Some(Body::Text("a{{\"{{\"}}b".to_owned())));
        assert_eq!(of("a=1&a=2", Some(FORM)).body, Some(Body::Text("a=1&a=2".to_owned())));
        assert_eq!(of("<p>password: x</p>", Some("text/xml")).body, None);
        assert_eq!(of(&"x".repeat(BYTES_MAX + 1), None).body, None);
    }
}
