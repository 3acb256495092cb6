//! Collects the mistakes that the rules find, each with its place.

use super::mistake::{Mistake, nearest};
use super::quantity::Span;
use super::tree::Node;

/// Why bmt may not break the processes of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Somebody else started them: `--target`.
    Target,
    /// It is a program of the workload's own, of which bmt knows nothing: `command`.
    Command,
}

/// Collects the mistakes of one file.
pub(super) struct Judge<'a> {
    tree: &'a Node,
    pub(super) foreign: Option<Foreign>,
    /// Whether any entry has a share of the profile's rate.
    pub(super) takes_profile: bool,
    pub(super) found: Vec<Mistake>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(tree: &'a Node, foreign: Option<Foreign>) -> Self {
        Self {
            tree,
            foreign,
            takes_profile: true,
            found: Vec::new(),
        }
    }

    /// Notes a mistake at `path`, or at the nearest thing above it that was written.
    pub(super) fn mistake(&mut self, path: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let mut written = path;
        let node = loop {
            match self.tree.at(written) {
                Some(node) => break node,
                None => written = written.rsplit_once('.').map_or("", |(above, _)| above),
            }
        };
        self.found.push(Mistake {
            origin: node.origin.clone(),
            path: path.to_owned(),
            problem: problem.into(),
            allowed: Some(allowed.into()),
            nearest: None,
        });
    }

    pub(super) fn positive(&mut self, path: &str, span: Span) {
        if span.0.is_zero() {
            self.mistake(path, format!("`{span}` is no time at all"), "more than 0s");
        }
    }

    /// Notes a name that is not among `known`.
    pub(super) fn known(&mut self, path: &str, name: &str, what: &str, known: &[&str]) -> bool {
        let is_known = known.contains(&name);
        if !is_known {
            self.mistake(path, format!("there is no {what} `{name}`"), known.join(", "));
            if let Some(mistake) = self.found.last_mut() {
                mistake.nearest = nearest(name, known.iter().copied());
            }
        }
        is_known
    }
}
