//! Reads `text {{name}} text {{name.column}} text`.
//!
//! ```text
//!   value := reference | quoted | function "(" value { "," value } ")"
//!   reference := name [ "." column ]
//!   name := a letter or _, then letters, digits, _ or -          column := name | quoted
//!   quoted := '"' anything but '"' '"'
//! ```
//!
//! A quoted text stands for itself, so that `{{"{{"}}` is `{{`.
//!
//! A leaf.

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Value(Expression),
}

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Reference(Reference),
    Quoted(String),
    Call {
        function: String,
        arguments: Vec<Expression>,
    },
}

/// A value by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) column: Option<String>,
}

/// Where a template cannot be read, in characters from 1, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

const A_VALUE: &str = "the name of a value, such as {{id}} or {{users.name}}";
/// Functions within one another.
const DEPTH_MAX: usize = 8;

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_in_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '-'
}

/// Whether a text can be written as a name.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(is_in_name)
}

/// Splits a template into its parts.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, Unreadable> {
    let mut parts = Vec::new();
    let mut reader = Reader { text, at: 0 };
    loop {
        let rest = reader.rest();
        let Some(open) = rest.find("{{") else {
            push_text(&mut parts, rest);
            return Ok(parts);
        };
        push_text(&mut parts, &rest[..open]);
        reader.at += open + 2;
        match reader.expression(0)? {
            Expression::Quoted(quoted) => push_text(&mut parts, &quoted),
            value => parts.push(Part::Value(value)),
        }
        if !reader.takes("}}") {
            return Err(reader.unreadable("}} behind the value"));
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn unreadable(&self, expected: &'static str) -> Unreadable {
        Unreadable {
            at: self.text[..self.at].chars().count() + 1,
            expected,
        }
    }

    /// Goes past `what` and the space before it, if it comes next.
    fn takes(&mut self, what: &str) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start();
        let takes = trimmed.starts_with(what);
        if takes {
            self.at += rest.len() - trimmed.len() + what.len();
        }
        takes
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, Unreadable> {
        if let Some(quoted) = self.quoted()? {
            return Ok(Expression::Quoted(quoted));
        }
        let name = self.name().ok_or_else(|| self.unreadable(A_VALUE))?;
        if !self.takes("(") {
            return Ok(Expression::Reference(self.reference(name)?));
        }
        if depth == DEPTH_MAX {
            return Err(self.unreadable("no further function: there are eight around it"));
        }
        let mut arguments = vec![self.expression(depth + 1)?];
        while self.takes(",") {
            arguments.push(self.expression(depth + 1)?);
        }
        if !self.takes(")") {
            return Err(self.unreadable(") behind the values that the function is given"));
        }
        Ok(Expression::Call {
            function: name,
            arguments,
        })
    }

    fn reference(&mut self, name: String) -> Result<Reference, Unreadable> {
        let column = if self.takes(".") {
            let quoted = self.quoted()?;
            let column = quoted.or_else(|| self.name());
            Some(column.ok_or_else(|| {
                self.unreadable(
                    "the name of a column, in quotes where it has other signs than letters, digits, _ and -",
                )
            })?)
        } else {
            None
        };
        Ok(Reference { name, column })
    }

    fn name(&mut self) -> Option<String> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        let rest = self.rest();
        if !rest.starts_with(begins_name) {
            return None;
        }
        let end = rest.find(|c: char| !is_in_name(c));
        let name = &rest[..end.unwrap_or(rest.len())];
        self.at += name.len();
        Some(name.to_owned())
    }

    fn quoted(&mut self) -> Result<Option<String>, Unreadable> {
        if !self.takes("\"") {
            return Ok(None);
        }
        let rest = self.rest();
        let end = rest.find('"').ok_or_else(|| self.unreadable("a closing \""))?;
        self.at += end + 1;
        Ok(Some(rest[..end].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    fn reference(name: &str, column: Option<&str>) -> Expression {
        Expression::Reference(Reference {
            name: name.to_owned(),
            column: column.map(str::to_owned),
        })
    }

    #[test]
    fn a_template_is_split_into_text_and_values() {
        for (template, parts) in [
            ("", vec![]),
            ("/items", vec![text("/items")]),
            (
                "/items?id={{id}}&n={{ users.name }}",
                vec![
                    text("/items?id="),
                    Part::Value(reference("id", None)),
                    text("&n="),
                    Part::Value(reference("users", Some("name"))),
                ],
            ),
            (
                "{{users.\"first name\"}}",
                vec![Part::Value(reference("users", Some("first name")))],
            ),
            (
                "{{f( id ,\"x, y\")}}",
                vec![Part::Value(Expression::Call {
                    function: "f".to_owned(),
                    arguments: vec![reference("id", None), Expression::Quoted("x, y".to_owned())],
                })],
            ),
            ("a{{\"{{\"}}b}}", vec![text("a{{b}}")]),
        ] {
            assert_eq!(parse(template), Ok(parts), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (template, at, expected) in [
            ("ü{{", 4, A_VALUE),
            ("{{}}", 3, A_VALUE),
            ("{{id", 5, "}} behind the value"),
            ("{{id}", 5, "}} behind the value"),
            ("{{id id}}", 5, "}} behind the value"),
            ("{{f(id}}", 7, ") behind the values that the function is given"),
            ("{{f()}}", 5, A_VALUE),
            (
                "{{f(f(f(f(f(f(f(f(f(id)))))))))}}",
                21,
                "no further function: there are eight around it",
            ),
            ("{{\"x}}", 4, "a closing \""),
        ] {
            assert_eq!(parse(template), Err(Unreadable { at, expected }), "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_text_without_values_stands_for_itself(template in any::<String>()) {
            let parts = parse(&template);
            if !template.contains("{{") {
                let whole: Vec<Part> = (!template.is_empty()).then(|| text(&template)).into_iter().collect();
                prop_assert_eq!(parts, Ok(whole));
            }
        }

        #[test]
        fn braces_and_quotes_make_it_no_panic(template in "[{}\".,()a é]{0,40}") {
            let _ = parse(&template);
        }
    }
}
