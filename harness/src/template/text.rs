//! A compiled template: pieces of text, and values between them.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::error::TemplateError;
use super::escape::{self, Escape};
use super::parse::{Expression, Part, parse};
use super::source::Sources;
use super::value::{Value, Values};

/// Text with values in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value { value: Value, escape: Escape },
}

impl Template {
    /// Compiles `text`, which stands as it is; its values are written as `escape` says.
    pub(crate) fn compile(text: &str, sources: &Sources, escape: Escape) -> Result<Self, TemplateError> {
        let mut template = Self::default();
        template.compiled(text, sources, Escape::Plain, escape)?;
        Ok(template)
    }

    /// Text without any value.
    pub(crate) fn text(text: &str) -> Self {
        let mut template = Self::default();
        template.push_text(text);
        template
    }

    /// Appends text as it stands.
    pub(super) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Appends text as it is written where `escape` says.
    pub(super) fn push_escaped(&mut self, text: &str, escape: Escape) {
        self.push_text(&Escaped { text, escape }.to_string());
    }

    /// Appends a template, its text and its values as they are written where `escape` says.
    pub(super) fn append(&mut self, text: &str, sources: &Sources, escape: Escape) -> Result<(), TemplateError> {
        self.compiled(text, sources, escape, escape)
    }

    fn compiled(
        &mut self,
        text: &str,
        sources: &Sources,
        of_text: Escape,
        of_values: Escape,
    ) -> Result<(), TemplateError> {
        for part in parts(text)? {
            match part {
                Part::Text(text) => self.push_escaped(&text, of_text),
                Part::Value(of) => self.push(&of, sources, of_values)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, of: &Expression, sources: &Sources, escape: Escape) -> Result<(), TemplateError> {
        let value = Value::compile(of, sources)?;
        self.pieces.push(Piece::Value { value, escape });
        Ok(())
    }

    /// Appends a template in the place of a JSON value: one that is nothing but a value keeps its type, everything else
    /// is a string.
    pub(super) fn append_json(&mut self, text: &str, sources: &Sources) -> Result<(), TemplateError> {
        if let [Part::Value(of)] = &parts(text)?[..] {
            return self.push(of, sources, Escape::JsonValue);
        }
        self.push_text("\"");
        self.append(text, sources, Escape::JsonText)?;
        self.push_text("\"");
        Ok(())
    }

    /// How it begins, before the first value.
    pub(crate) fn beginning(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// All text that is no value, piece by piece.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Value { .. } => None,
        })
    }

    /// The first line end or other control sign among all values that it can be filled in with: those a header cannot
    /// hold.
    pub(crate) fn control_sign(&self, sources: &Sources) -> Option<String> {
        self.values().find_map(|value| value.control_sign(sources))
    }

    /// Names of the sources that its values come from.
    pub(crate) fn sources<'a>(&self, sources: &'a Sources) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        self.values().for_each(|value| value.note_sources(sources, &mut names));
        names
    }

    /// Whether what was captured in a slot is written as it is.
    pub(crate) fn shows_slot(&self, slot: usize) -> bool {
        self.values().any(|value| value.shows_slot(slot))
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value { value, .. } => Some(value),
            Piece::Text(_) => None,
        })
    }

    /// The whole text, where no value in it depends on an arrival: only texts and the environment.
    pub(crate) fn fixed(&self) -> Option<String> {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Value { value, escape } => value.fixed().map(|text| Escaped { text, escape: *escape }.to_string()),
        });
        pieces.collect()
    }

    /// The template with the values of an arrival.
    pub(crate) fn with<'a>(&'a self, values: Values<'a>) -> impl Display + 'a {
        Filled { template: self, values }
    }
}

fn parts(text: &str) -> Result<Vec<Part>, TemplateError> {
    parse(text).map_err(|unreadable| TemplateError::unreadable(text, &unreadable))
}

struct Escaped<'a> {
    text: &'a str,
    escape: Escape,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape::write(f, self.text, false, self.escape)
    }
}

struct Filled<'a> {
    template: &'a Template,
    values: Values<'a>,
}

impl Display for Filled<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for piece in &self.template.pieces {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Value { value, escape } => value.write(f, &self.values, *escape)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Arrival;
    use crate::template::{Captured, Cell, Pick, Rows, Source, Table};

    fn sources() -> Sources {
        let table = Table::from_csv(b"name,full name\nann,Ann \"A\" Lee\nbob,Bob/\n").unwrap();
        Sources::new(
            vec![
                Source::new("id", Rows::Range("7..9".parse().unwrap()), Pick::InTurn),
                Source::new("users", Rows::Table(table), Pick::InTurn),
            ],
            vec!["lost".to_owned()],
        )
    }

    fn filled(text: &str, escape: Escape, ordinal: u64) -> String {
        let sources = sources();
        let template = Template::compile(text, &sources, escape).unwrap();
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal,
            item: 0,
            host: 0,
        };
        let values = Values {
            sources: &sources,
            seed: 1,
            arrival: &arrival,
            hides_secrets: false,
            captured: Captured::NOTHING,
        };
        template.with(values).to_string()
    }

    #[test]
    fn values_are_filled_in_where_they_stand() {
        assert_eq!(filled("/items?id={{id}}&x=1", Escape::Url, 1), "/items?id=8&x=1");
        assert_eq!(
            filled("{{users.\"full name\"}}!", Escape::Url, 0),
            "Ann%20%22A%22%20Lee!"
        );
        assert_eq!(filled("{{users.name}} {{text(id)}}", Escape::Plain, 3), "bob 7");
    }

    #[test]
    fn a_signature_is_the_one_computed_elsewhere() {
        // printf bob | openssl dgst -sha256 -hmac 'key 1'
        let signature = filled("{{hmac_sha256(\"key 1\", users.name)}}", Escape::Plain, 1);
        assert_eq!(
            signature,
            "caf84487328519b97a727a580fc544065b11591ebdb355949c0de107777ba9d8"
        );
    }

    #[test]
    fn now_is_a_number_of_milliseconds() {
        let now: u128 = filled("{{now}}", Escape::JsonValue, 0).parse().unwrap();
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        assert!((since - 60_000..=since).contains(&now), "{now}");
    }

    #[test]
    fn what_comes_from_the_environment_is_sent_and_not_shown() {
        let sources = sources();
        let template = Template::compile("a {{env.PATH}}", &sources, Escape::Plain).unwrap();
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 0,
            item: 0,
            host: 0,
        };
        let filled = |hides_secrets| {
            let values = Values {
                sources: &sources,
                seed: 1,
                arrival: &arrival,
                hides_secrets,
                captured: Captured::NOTHING,
            };
            template.with(values).to_string()
        };
        let path = std::env::var("PATH").unwrap();
        assert_eq!(filled(false), format!("a {path}"));
        assert_eq!(filled(true), "a ***");
        assert!(!format!("{template:?}").contains(&path), "{template:?}");
    }

    #[test]
    fn a_uuid_is_the_arrivals_own_and_the_same_throughout_its_request() {
        let both = filled("{{uuid}} {{uuid}}", Escape::Plain, 5);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, second);
        assert_ne!(first, filled("{{uuid}}", Escape::Plain, 6));
        assert_eq!(first.len(), 36);
        assert_eq!(first.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&first.as_bytes()[19]), "{first}");
    }

    #[test]
    fn a_source_that_could_not_be_made_is_not_told_again() {
        let is_told = |text: &str| Template::compile(text, &sources(), Escape::Plain).unwrap_err().is_told;
        assert!(is_told("{{lost.name}}"));
        assert!(!is_told("{{other.name}}"));
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is() {
        let sources = sources();
        for (text, problem, allowed) in [
            (
                "{{idd}}",
                "there is no value `idd`",
                "id, users, lost, uuid, now, env.NAME",
            ),
            ("{{hex(id)}}", "there is no function `hex`", "text, hmac_sha256"),
            (
                "{{hmac_sha256(id)}}",
                "`hmac_sha256` is given 1 value",
                "{{hmac_sha256(KEY, TEXT)}}",
            ),
            (
                "{{env.BMT_NO_SUCH_VARIABLE}}",
                "there is no `BMT_NO_SUCH_VARIABLE` in the environment",
                "a variable that is set where bmt is started",
            ),
            (
                "{{id.x}}",
                "`id.x`: `id` is a range of numbers and has no columns",
                "{{id}}",
            ),
            (
                "{{users}}",
                "`users` has columns, and it is not said which is meant",
                "{{users.name}}, {{users.\"full name\"}}",
            ),
            (
                "{{users.nmae}}",
                "there is no column in `users` called `nmae`",
                "name, full name",
            ),
            (
                "a{{id",
                "`a{{id` cannot be read as a template, from its character 6 on",
                "here }} behind the value; {{\"{{\"}} stands for {{ itself",
            ),
        ] {
            let error = Template::compile(text, &sources, Escape::Plain).unwrap_err();
            assert_eq!(
                (error.problem.as_str(), error.allowed.as_str()),
                (problem, allowed),
                "{text}"
            );
        }
    }
    #[test]
    fn what_is_captured_is_written_as_its_place_wants_it() {
        let sources = sources().knowing(
            vec![Some("token".to_owned()), None],
            vec![("csrf".to_owned(), "later".to_owned())],
        );
        let arrival = Arrival {
            intended_ns: 0,
            flow: 0,
            ordinal: 0,
            item: 0,
            host: 0,
        };
        let values = Values {
            sources: &sources,
            seed: 1,
            arrival: &arrival,
            hides_secrets: false,
            captured: Captured::NOTHING,
        };
        let written_with =
            |template: &Template, captured: Captured<'_>| template.with(Values { captured, ..values }).to_string();
        let number = Cell::json(&serde_json::json!(17));
        for (text, cell, escape, written) in [
            ("{{token}}", Cell::text("a b\""), Escape::Url, "a%20b%22"),
            ("{{token}}", Cell::text("a\""), Escape::JsonValue, "\"a\\\"\""),
            ("{{token}}", number.clone(), Escape::JsonValue, "17"),
            ("{{text(token)}}", number.clone(), Escape::JsonValue, "\"17\""),
            ("{{token}}", number, Escape::Plain, "17"),
        ] {
            let template = Template::compile(text, &sources, escape).unwrap();
            let captured = [Some(cell), None];
            assert_eq!(written_with(&template, Captured::Values(&captured)), written);
            assert!(template.shows_slot(0) && !template.shows_slot(1));
            let names = ["token".to_owned(), "csrf".to_owned()];
            assert!(written_with(&template, Captured::Names(&names)).contains("<token>"));
        }
        for (text, problem) in [
            ("{{csrf}}", "`csrf` is captured later, and not known before"),
            (
                "{{token.x}}",
                "`token.x`: `token` is captured from an answer and has no columns",
            ),
            ("{{tokn}}", "there is no value `tokn`"),
        ] {
            let error = Template::compile(text, &sources, Escape::Plain).unwrap_err();
            assert_eq!(error.problem, problem);
            assert!(error.allowed.contains("token"), "{}", error.allowed);
        }
    }
}
