//! Which lines of a page are meant: a name, and labels that have to be exactly these; others may be there.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::text::named;

/// `pool_busy{pool="db"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    name: String,
    labels: BTreeMap<String, String>,
}

impl Selector {
    /// How it is written.
    pub const FORM: &'static str =
        "a name, and perhaps labels with the values that they must have: pool_busy{pool=\"db\"}";

    /// Reads one.
    ///
    /// # Errors
    /// With what is wrong, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let unreadable = |(at, expected)| {
            format!(
                "`{text}` cannot be read from its byte {} on: expected {expected}",
                at + 1
            )
        };
        let (name, labels, rest) = named(text).map_err(unreadable)?;
        if !rest.trim().is_empty() {
            return Err(unreadable((text.len() - rest.trim_start().len(), "nothing more")));
        }
        let labels = labels.into_iter().map(|(label, value)| (label.to_owned(), value));
        Ok(Self {
            text: text.to_owned(),
            name: name.to_owned(),
            labels: labels.collect(),
        })
    }

    /// The name that it begins with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether labels are those that it wants.
    pub(super) fn fits(&self, labels: &BTreeMap<&str, String>) -> bool {
        let mut wanted = self.labels.iter();
        wanted.all(|(label, value)| labels.get(label.as_str()) == Some(value))
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observe::scrape::text::line;

    #[test]
    fn labels_that_are_asked_for_have_to_be_there_and_others_may() {
        let selector = Selector::read("busy{pool=\"db\"}").unwrap();
        assert_eq!(selector.name(), "busy");
        for (text, fits) in [
            ("busy{pool=\"db\"} 1", true),
            ("busy{pool=\"db\",host=\"a\"} 1", true),
            ("busy{pool=\"dbs\"} 1", false),
            ("busy 1", false),
        ] {
            assert_eq!(selector.fits(&line(text).unwrap().labels), fits, "{text}");
        }
        assert!(
            Selector::read("busy")
                .unwrap()
                .fits(&line("busy{a=\"b\"} 1").unwrap().labels)
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, told) in [
            ("", "byte 1 on: expected a name"),
            ("1x", "byte 1 on: expected a name"),
            ("a{b!=\"c\"}", "byte 4 on: expected ="),
            ("a{b=~\"c.*\"}", "byte 5 on: expected a value in double quotes"),
            ("a{b=\"c\"", "byte 8 on: expected , or }"),
            ("a{b=\"c}", "byte 5 on: expected a value whose quotes are closed"),
            ("rate(a[1m])", "byte 5 on: expected nothing more"),
        ] {
            let error = Selector::read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), noise in "[a-z{}=\",~! ]{0,20}") {
            let _ = (Selector::read(&text), Selector::read(&noise));
        }
    }
}
