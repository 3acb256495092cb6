//! From a YAML file to a validated [`Workload`].
//!
//! `text → located tree → (+ --quick, --set) → judged by the schema → typed file → judged by meaning → Workload`.
//! Every step reports all the mistakes it can tell apart, each with its place.

mod file;
mod follow;
mod gate;
mod mistake;
mod moments;
mod profile;
mod quantity;
mod resolve;
mod schema;
mod settle;
mod shape;
mod tree;

use std::path::Path;

pub use file::{
    Arrivals, DelayConnections, FollowFile, Injection, Metric, Operation, Placement, RetryFile, Retryable, Settings,
    SlowDisk, SlowQueries, WorkloadFile,
};
pub use gate::{Bound, Gate, Unit, gate_value_unit};
pub use mistake::{Mistake, Mistakes};
pub use moments::{Change, Fault};
pub use quantity::{Rate, Share, Span};
pub use resolve::{ChatGroup, Traffic, Variant, Workload};
pub use schema::schema;
pub use tree::Origin;

use tree::{Node, Value};

/// What the command line changes in a workload file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Lay the file's own `quick` block over the rest.
    pub quick: bool,
    /// `KEY=VALUE`, in order; each value is YAML.
    pub set: Vec<String>,
    /// Whether the target is somebody else's: what may be broken there is less.
    pub foreign: bool,
}

/// Why a workload could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the workload {path}: {source}; name a file such as workloads/join-storm.yaml")]
    Unreadable {
        /// The path as given.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file was read and refused.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

/// Reads, overrides and validates the workload at `path`.
///
/// # Errors
/// When the file cannot be read, or with every mistake found in it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Workload, LoadError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: file.clone(),
        source,
    })?;
    parse(&file, &text, overrides).map_err(LoadError::from)
}

/// Validates the workload `text`, which messages will call `file`.
///
/// # Errors
/// With every mistake found in it.
pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Workload, Mistakes> {
    judged(text, overrides).map_err(|mistakes| Mistakes {
        file: file.to_owned(),
        text: text.to_owned(),
        mistakes,
    })
}

fn judged(text: &str, overrides: &Overrides) -> Result<Workload, Vec<Mistake>> {
    let mut plain = Node::parse(text, None).map_err(|malformed| vec![malformed.into()])?;
    let schema = schema();
    let shape = shape::Shape::new(&schema);
    let written = shape.judge(&plain, "");
    if !written.is_empty() {
        return Err(written);
    }
    let quick = take_quick(&mut plain);
    // The file is judged in both of its forms, so that a mistake in `quick` does not wait for a `--quick`.
    let other_form = Overrides {
        quick: false,
        ..overrides.clone()
    };
    let mut other = judged_form(if overrides.quick { &plain } else { &quick }, &shape, &other_form)
        .err()
        .unwrap_or_default();
    let mut wanted = if overrides.quick { quick } else { plain };
    overrides
        .set
        .iter()
        .try_for_each(|set| apply(&mut wanted, set))
        .map_err(|mistake| vec![mistake])?;
    match judged_form(&wanted, &shape, overrides) {
        Ok(workload) if other.is_empty() => Ok(workload),
        Ok(_) => Err(other),
        Err(mut mistakes) => {
            other.retain(|mistake| !mistakes.contains(mistake));
            mistakes.append(&mut other);
            Err(mistakes)
        }
    }
}

fn judged_form(tree: &Node, shape: &shape::Shape<'_>, overrides: &Overrides) -> Result<Workload, Vec<Mistake>> {
    let mistakes = shape.judge(tree, "");
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let file: WorkloadFile = serde_json::from_value(tree.to_json()).map_err(|error| {
        vec![Mistake {
            origin: tree.origin.clone(),
            path: String::new(),
            problem: error.to_string(),
            allowed: None,
            nearest: None,
        }]
    })?;
    resolve::resolve(file, tree, overrides)
}

/// Removes the `quick` block, and returns the file with the block laid over the rest.
fn take_quick(tree: &mut Node) -> Node {
    let mut quick = tree.clone();
    if let Value::Mapping(entries) = &mut tree.value
        && let Some(at) = entries.iter().position(|entry| entry.key == "quick")
    {
        let over = entries.remove(at).node;
        quick = tree.clone();
        quick.overlay(&over);
    }
    quick
}

fn apply(tree: &mut Node, set: &str) -> Result<(), Mistake> {
    let origin = Origin::Set(set.to_owned());
    let mistake = |path: &str, problem: String| Mistake {
        origin: origin.clone(),
        path: path.to_owned(),
        problem,
        allowed: None,
        nearest: None,
    };
    let (path, value) = set
        .split_once('=')
        .ok_or_else(|| mistake("", "expected KEY=VALUE, for instance profile.target=500/s".to_owned()))?;
    let node = Node::parse(value, Some(&origin)).map_err(Mistake::from)?;
    tree.put(path, node).map_err(|problem| mistake(path, problem))
}

impl From<tree::Malformed> for Mistake {
    fn from(malformed: tree::Malformed) -> Self {
        Self {
            origin: malformed.origin,
            path: String::new(),
            problem: malformed.problem,
            allowed: None,
            nearest: None,
        }
    }
}

#[cfg(test)]
mod tests;
