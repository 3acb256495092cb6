//! From a YAML file to a validated [`Workload`].
//!
//! `text → located tree → (+ --quick, --set) → judged by the schema → typed file → judged by meaning → Workload`.
//! Every step reports all the mistakes it can tell apart, each with its place.

mod check;
mod data;
mod domain;
mod figure_name;
mod file;
mod folder;
mod follow;
mod gate;
mod gate_phase;
mod gate_series;
mod gateway;
mod guard;
mod hosts;
mod injections;
mod judge;
mod launch;
mod malformed;
mod midnights;
mod mistake;
mod observe;
mod overrides;
mod process;
mod profile;
mod quantity;
mod reach;
mod request;
mod resolve;
mod schema;
mod secret;
mod session;
mod settle;
mod shape;
mod target_url;
mod tree;
mod websocket;

use std::path::Path;

pub use domain::{
    Bound, Change, ChatGroup, Fault, Gate, Guard, Host, Reach, Traffic, Variant, Work, Workload, directory_name,
};
pub use figure_name::{FigureName, NoFigure};
pub use file::{
    DelayConnections, FollowFile, GuardAction, Inconclusive, Injection, Operation, RetryFile, Retryable, Settings,
    SlowDisk, SlowQueries, WorkloadFile,
};
pub use launch::{Deed, Hook, Launch, Program, PushGateway, Ready, Variable, Variables};
pub use mistake::{Mistake, Mistakes};
pub use overrides::Overrides;
pub use quantity::{Rate, Share, Span};
pub use schema::schema;
pub use secret::masked;
pub use target_url::TargetUrl;
pub use tree::Origin;

pub(crate) use secret::{HIDDEN, looks_secret};

use folder::Folder;
use malformed::Malformed;
use overrides::take_quick;
use tree::Node;

/// Bytes that a workload file may have.
const BYTES_MAX: usize = 1 << 20;

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
    /// The file was read and rejected.
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
    let folder = Folder::of(Path::new(file), overrides.allow_files);
    let judged = if text.len() > BYTES_MAX {
        Err(vec![too_long(text.len())])
    } else {
        judged(text, overrides, &folder)
    };
    judged.map_err(|mistakes| Mistakes {
        file: file.to_owned(),
        text: text.to_owned(),
        mistakes,
    })
}

fn too_long(bytes: usize) -> Mistake {
    Mistake {
        origin: Origin::File { line: 1, column: 1 },
        path: String::new(),
        problem: format!("the file has {bytes} bytes"),
        allowed: Some(format!("at most {BYTES_MAX} bytes")),
        nearest: None,
    }
}

fn judged(text: &str, overrides: &Overrides, folder: &Folder) -> Result<Workload, Vec<Mistake>> {
    let mut plain = Node::parse(text, None).map_err(|error| vec![Malformed::new(&error, text, None).into()])?;
    let schema = schema();
    let shape = shape::Shape::new(&schema);
    let mut written = shape.judge(&plain, "");
    check::explain(&mut written);
    if !written.is_empty() {
        return Err(written);
    }
    let Some(block) = take_quick(&mut plain) else {
        overrides.apply(&mut plain).map_err(|mistake| vec![mistake])?;
        return judged_form(&plain, &shape, overrides, folder);
    };
    let mut quick = plain.clone();
    quick.overlay(&block);
    let wanted = if overrides.quick { &mut quick } else { &mut plain };
    overrides.apply(wanted).map_err(|mistake| vec![mistake])?;
    // The file is judged in both of its forms, so that a mistake in `quick` does not wait for a `--quick`.
    let form = |tree: &Node, quick| {
        let overrides = Overrides {
            quick,
            ..overrides.clone()
        };
        let judged = judged_form(tree, &shape, &overrides, folder);
        judged.map(|workload| Workload {
            has_quick: true,
            ..workload
        })
    };
    let (plain, quick) = (form(&plain, false), form(&quick, true));
    let mut found = plain.as_ref().err().cloned().unwrap_or_default();
    for mistake in quick.as_ref().err().into_iter().flatten() {
        if !found.contains(mistake) {
            found.push(in_quick(mistake.clone(), &block));
        }
    }
    if found.is_empty() {
        return if overrides.quick { quick } else { plain };
    }
    Err(found)
}

/// A mistake of the quick form alone, told where it was written.
fn in_quick(mut mistake: Mistake, block: &Node) -> Mistake {
    if block.holds(&mistake.origin) {
        mistake.path = shape::join("quick", &mistake.path);
    } else if matches!(mistake.origin, Origin::File { .. }) {
        mistake.problem.push_str(" (with `quick` laid over)");
    }
    mistake
}

fn judged_form(
    tree: &Node,
    shape: &shape::Shape<'_>,
    overrides: &Overrides,
    folder: &Folder,
) -> Result<Workload, Vec<Mistake>> {
    let mut mistakes = shape.judge(tree, "");
    check::explain(&mut mistakes);
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
    resolve::resolve(file, tree, overrides, folder)
}

#[cfg(test)]
mod tests;
