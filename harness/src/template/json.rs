//! JSON whose texts are templates.

use serde_json::Value as Json;

use super::error::TemplateError;
use super::escape::Escape;
use super::source::Sources;
use super::text::Template;

/// Compiles `value`, every text of which is a template; keys are taken as they stand. A text that is nothing but a
/// value keeps that value's type: `{{id}}` of a range is a number.
///
/// # Errors
/// With the first text that is no template.
pub(crate) fn compile(value: &Json, sources: &Sources) -> Result<Template, TemplateError> {
    let mut template = Template::default();
    append(value, sources, &mut template)?;
    Ok(template)
}

fn append(value: &Json, sources: &Sources, to: &mut Template) -> Result<(), TemplateError> {
    match value {
        Json::String(text) => to.append_json(text, sources)?,
        Json::Array(items) => {
            to.push_text("[");
            for (index, item) in items.iter().enumerate() {
                to.push_text(if index == 0 { "" } else { "," });
                append(item, sources, to)?;
            }
            to.push_text("]");
        }
        Json::Object(entries) => {
            to.push_text("{");
            for (index, (key, value)) in entries.iter().enumerate() {
                to.push_text(if index == 0 { "" } else { "," });
                to.push_text(&Json::from(key.as_str()).to_string());
                to.push_text(":");
                append(value, sources, to)?;
            }
            to.push_text("}");
        }
        plain => to.push_text(&plain.to_string()),
    }
    Ok(())
}

/// A form's pairs (`application/x-www-form-urlencoded`), every value of which is a template.
///
/// # Errors
/// With the first value that is no template.
pub(crate) fn compile_form<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    sources: &Sources,
) -> Result<Template, TemplateError> {
    let mut template = Template::default();
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        template.push_text(if index == 0 { "" } else { "&" });
        template.push_escaped(key, Escape::Url);
        template.push_text("=");
        template.append(value, sources, Escape::Url)?;
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arrival::Arrival;
    use crate::template::{Captured, Pick, Rows, Source, Table, Values};

    fn sources() -> Sources {
        let table = Table::from_jsonl(br#"{"name":"a\"b","age":41}"#).unwrap();
        Sources::new(
            vec![
                Source::new("id", Rows::Range("7..9".parse().unwrap()), Pick::InTurn),
                Source::new("user", Rows::Table(table), Pick::InTurn),
            ],
            vec![],
        )
    }

    fn filled(template: &Template, sources: &Sources) -> String {
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 1,
            item: 0,
            host: 0,
        };
        let values = Values {
            sources,
            seed: 1,
            arrival: &arrival,
            hides_secrets: false,
            captured: Captured::NOTHING,
        };
        template.with(values).to_string()
    }

    #[test]
    fn a_text_that_is_nothing_but_a_value_keeps_its_type() {
        let sources = sources();
        let value = json!({
            "id": "{{id}}", "as text": "{{text(id)}}", "mixed": "no. {{id}} \"x\"", "name": "{{user.name}}",
            "age": "{{user.age}}", "plain": [1.5, null, true, "x\ny", {}], "{{id}}": "{{uuid}}",
        });
        let text = filled(&compile(&value, &sources).unwrap(), &sources);
        let mut read: Json = serde_json::from_str(&text).unwrap();
        let uuid = read["{{id}}"].take();
        assert_eq!(uuid.as_str().map(str::len), Some(36));
        assert_eq!(
            read,
            json!({
                "id": 8, "as text": "8", "mixed": "no. 8 \"x\"", "name": "a\"b",
                "age": 41, "plain": [1.5, null, true, "x\ny", {}], "{{id}}": null,
            })
        );
    }

    #[test]
    fn a_form_is_encoded_pair_by_pair() {
        let sources = sources();
        let pairs = [("a b", "1 & 2"), ("name", "{{user.name}}")];
        let form = compile_form(pairs, &sources).unwrap();
        assert_eq!(filled(&form, &sources), "a%20b=1%20%26%202&name=a%22b");
    }
}
