//! Text of a command that bmt starts: a word of its command line, or a variable of its environment.
//!
//! What it may name is the port that bmt chose, and what is in bmt's own environment. Values of arrivals have no
//! meaning here: there is no arrival yet.

use std::fmt::{self, Debug, Formatter};

use super::error::TemplateError;
use super::parse::{Expression, Part, Reference, parse};

const PORT: &str = "port";
const ENVIRONMENT: &str = "env";
/// What it may name.
const ALLOWED: &str = "{{port}}, {{env.NAME}}";
/// What stands for a secret where it is not to be seen.
const HIDDEN: &str = "***";

/// A word of a command line, or a variable of its environment.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandText(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Port,
    /// From the environment.
    Secret(String),
}

impl CommandText {
    /// Compiles `text`; what it names of the environment is looked up now.
    pub(crate) fn compile(text: &str) -> Result<Self, TemplateError> {
        let parts = parse(text).map_err(|unreadable| TemplateError::unreadable(text, &unreadable))?;
        let pieces = parts.into_iter().map(|part| match part {
            Part::Text(text) => Ok(Piece::Text(text)),
            Part::Value(value) => named(&value),
        });
        Ok(Self(pieces.collect::<Result<_, _>>()?))
    }

    /// With everything filled in.
    #[must_use]
    pub fn filled(&self, port: u16) -> String {
        self.with(&port.to_string(), false)
    }

    /// The same for people: without what comes from the environment.
    #[must_use]
    pub fn shown(&self, port: u16) -> String {
        self.with(&port.to_string(), true)
    }

    /// Whether it names the port.
    #[must_use]
    pub fn takes_port(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Port))
    }

    fn with(&self, port: &str, hides_secrets: bool) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Port => port,
            Piece::Secret(_) if hides_secrets => HIDDEN,
            Piece::Secret(text) => text.as_str(),
        });
        pieces.collect()
    }
}

impl Debug for CommandText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.with("{{port}}", true), f)
    }
}

fn named(value: &Expression) -> Result<Piece, TemplateError> {
    match value {
        Expression::Quoted(text) => Ok(Piece::Text(text.clone())),
        Expression::Reference(Reference { name, column: None }) if name == PORT => Ok(Piece::Port),
        Expression::Reference(Reference {
            name,
            column: Some(variable),
        }) if name == ENVIRONMENT => match std::env::var(variable) {
            Ok(text) => Ok(Piece::Secret(text)),
            Err(_) => Err(TemplateError::new(
                format!("there is no `{variable}` in the environment"),
                "a variable that is set where bmt is started",
            )),
        },
        Expression::Reference(Reference { name, .. }) | Expression::Call { function: name, .. } => Err(
            TemplateError::new(format!("there is no value `{name}` in a command"), ALLOWED),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_and_the_environment_are_filled_in_and_the_latter_is_not_shown() {
        let path = std::env::var("PATH").unwrap();
        let text = CommandText::compile("--at={{port}} {{env.PATH}} {{\"{{\"}}").unwrap();
        assert_eq!(text.filled(8080), format!("--at=8080 {path} {{{{"));
        assert_eq!(text.shown(8080), "--at=8080 *** {{");
        assert_eq!(format!("{text:?}"), "\"--at={{port}} *** {{\"");
    }

    #[test]
    fn what_it_cannot_name_is_told_with_what_it_can() {
        for (text, problem, allowed) in [
            ("{{prot}}", "there is no value `prot` in a command", ALLOWED),
            ("{{uuid}}", "there is no value `uuid` in a command", ALLOWED),
            ("{{port.x}}", "there is no value `port` in a command", ALLOWED),
            ("{{text(port)}}", "there is no value `text` in a command", ALLOWED),
            (
                "{{env.BMT_NO_SUCH_VARIABLE}}",
                "there is no `BMT_NO_SUCH_VARIABLE` in the environment",
                "a variable that is set where bmt is started",
            ),
        ] {
            let error = CommandText::compile(text).unwrap_err();
            assert_eq!(
                (error.problem.as_str(), error.allowed.as_str()),
                (problem, allowed),
                "{text}"
            );
        }
        let unreadable = CommandText::compile("a{{port").unwrap_err();
        assert!(unreadable.problem.contains("from its character"), "{unreadable:?}");
    }
}
