//! Why a template cannot be compiled.
//!
//! A leaf but for what cannot be read.

use super::parse::Unreadable;

/// Why a template cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong, with the text.
    pub problem: String,
    /// What is allowed instead.
    pub allowed: String,
    /// The name that is not known, and those that are.
    pub unknown: Option<(String, Vec<String>)>,
    /// The mistake is another one's consequence, and needs not be told.
    pub is_told: bool,
}

impl TemplateError {
    pub(super) fn new(problem: String, allowed: impl Into<String>) -> Self {
        Self {
            problem,
            allowed: allowed.into(),
            unknown: None,
            is_told: false,
        }
    }

    pub(super) fn unreadable(text: &str, unreadable: &Unreadable) -> Self {
        let Unreadable { at, expected } = unreadable;
        Self::new(
            format!("`{text}` cannot be read as a template, from its character {at} on"),
            format!("here {expected}; {{{{\"{{{{\"}}}} stands for {{{{ itself"),
        )
    }

    pub(super) fn unknown(what: &str, name: &str, known: Vec<String>) -> Self {
        Self {
            problem: format!("there is no {what} `{name}`"),
            allowed: known.join(", "),
            unknown: Some((name.to_owned(), known)),
            is_told: false,
        }
    }
}
