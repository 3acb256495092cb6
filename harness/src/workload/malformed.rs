//! What the YAML parser rejects, in words that need no knowledge of the parser.

use serde_saphyr::Error;

use super::tree::Origin;

/// What the YAML parser rejected.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) origin: Origin,
    pub(crate) problem: String,
    pub(crate) allowed: Option<&'static str>,
}

impl Malformed {
    /// What is wrong with `text`, which was given at `origin` unless it is the workload file.
    pub(super) fn new(error: &Error, text: &str, origin: Option<&Origin>) -> Self {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let (problem, allowed) = words(error);
        let found = Self {
            origin: origin.cloned().unwrap_or(Origin::File { line, column }),
            problem,
            allowed,
        };
        match tab(text, line) {
            Some(place) => Self {
                origin: origin.cloned().unwrap_or(place),
                problem: "a line is indented with a tab".to_owned(),
                allowed: Some("spaces: YAML knows no other indentation"),
            },
            None => found,
        }
    }
}

fn words(error: &Error) -> (String, Option<&'static str>) {
    match error.without_snippet() {
        Error::AliasError { error, .. } => words(error),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("the key");
            (format!("`{key}` is given twice"), Some("each key once in its mapping"))
        }
        Error::NonFiniteFloat { value, .. } => (format!("`{value}` is not a finite number"), Some("a finite number")),
        Error::MultipleDocuments { .. } => (
            "a second YAML document begins here".to_owned(),
            Some("one document in a file; leave `---` and all that follows out"),
        ),
        Error::UnknownAnchor { .. } => (
            "the alias refers to an anchor that is not defined above it".to_owned(),
            Some("the name of an anchor, such as *name after &name"),
        ),
        Error::Unexpected { expected, .. } if expected.contains("string") => {
            ("the key is not a text".to_owned(), Some("a name followed by a colon"))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_large(),
        other => {
            let text = other.to_string();
            if text.contains("recursion limit") || text.contains("nesting") {
                return too_large();
            }
            let line = text.lines().next().unwrap_or_default();
            let problem = line.split(" at line ").next().unwrap_or(line);
            (problem.to_owned(), None)
        }
    }
}

fn too_large() -> (String, Option<&'static str>) {
    (
        "the document is too large or nested too deeply from here on".to_owned(),
        Some("at most 250,000 values, a few dozen levels deep"),
    )
}

/// The place of a tab that indents the line of an error or the next: the parser may notice it at the end of the line
/// before.
fn tab(text: &str, line: u64) -> Option<Origin> {
    let candidates = (1..).zip(text.lines()).skip_while(|(at, _)| *at < line).take(2);
    candidates.into_iter().find_map(|(line, text)| {
        let indent = text.chars().take_while(|c| c.is_whitespace());
        let before = indent.into_iter().position(|c| c == '\t')?;
        let column = before as u64 + 1;
        (text.trim() != "").then_some(Origin::File { line, column })
    })
}
