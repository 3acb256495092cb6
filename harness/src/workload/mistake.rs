//! What is wrong with a workload, told so that it can be mended without opening the documentation.

use std::fmt::{self, Write as _};

use super::malformed::Malformed;
use super::secret::{masked, masked_in_place};
use super::tree::Origin;

/// Characters of a line that are quoted at most.
const QUOTED_MAX: usize = 160;

/// One mistake in a workload file or in a `--set`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// Where it was written.
    pub origin: Origin,
    /// The key path, as `--set` takes it; empty for the whole document.
    pub path: String,
    /// What is wrong, with the value.
    pub problem: String,
    /// What is allowed instead.
    pub allowed: Option<String>,
    /// The nearest valid key or value.
    pub nearest: Option<String>,
}

impl From<Malformed> for Mistake {
    fn from(malformed: Malformed) -> Self {
        Self {
            origin: malformed.origin,
            path: String::new(),
            problem: malformed.problem,
            allowed: malformed.allowed.map(str::to_owned),
            nearest: None,
        }
    }
}

/// All mistakes of one workload file.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes {
    /// The file as it was named on the command line.
    pub file: String,
    /// Its text, for the quoted lines.
    pub text: String,
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.mistakes {
            self.write_one(f, mistake)?;
        }
        let count = self.mistakes.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {noun} in {}", self.file)
    }
}

impl Mistakes {
    fn write_one(&self, f: &mut fmt::Formatter<'_>, mistake: &Mistake) -> fmt::Result {
        let path = match mistake.path.as_str() {
            "" => String::new(),
            path => format!("{path}: "),
        };
        match &mistake.origin {
            Origin::File { line, column } => {
                writeln!(f, "{}:{line}:{column}: {path}{}", self.file, mistake.problem)?;
                f.write_str(&self.quoted(*line, *column))?;
            }
            Origin::Set(set) => writeln!(f, "--set {}: {path}{}", masked(set), mistake.problem)?,
            Origin::Blocks(blocks) => writeln!(f, "--blocks {blocks}: {path}{}", mistake.problem)?,
        }
        if let Some(allowed) = &mistake.allowed {
            writeln!(f, "  allowed: {allowed}")?;
        }
        if let Some(nearest) = &mistake.nearest {
            writeln!(f, "  did you mean `{nearest}`?")?;
        }
        writeln!(f)
    }

    /// The line that a mistake is on, with a caret below its column.
    fn quoted(&self, line: u64, column: u64) -> String {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(text) = self.text.lines().nth(index) else {
            return String::new();
        };
        let text = &masked_in_place(text);
        let indent = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
        // Of a long line only the part around the column; a tab is shown as one space, so that the caret stands below
        // its column.
        let from = match text.chars().count() > QUOTED_MAX {
            true => indent.saturating_sub(QUOTED_MAX / 2),
            false => 0,
        };
        let shown: String = text.chars().skip(from).take(QUOTED_MAX).collect();
        let shown = shown.replace('\t', " ");
        let caret = (indent - from).min(shown.chars().count());
        let mut quoted = String::new();
        let _ = writeln!(quoted, "  {line:>4} | {shown}");
        let _ = writeln!(quoted, "       | {}^", " ".repeat(caret));
        quoted
    }
}

/// The candidate that `given` was probably meant to be.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(given, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
