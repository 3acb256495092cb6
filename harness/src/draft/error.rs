//! Why no workload could be made.
//!
//! A leaf.

/// Why no workload could be made of a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {next}")]
pub struct DraftError {
    /// Line of the source, from 1, where there is one to point at.
    pub line: Option<u64>,
    /// What is wrong.
    pub problem: String,
    /// What is expected, or what to do next.
    pub next: String,
}

impl DraftError {
    pub(super) fn new(problem: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            line: None,
            problem: problem.into(),
            next: next.into(),
        }
    }

    pub(super) fn at(self, line: u64) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }
}
